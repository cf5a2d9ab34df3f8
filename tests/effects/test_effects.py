"""A short run over every open function, and proof that the observers see what they are for."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from ksrpc import wire
from tests.effects import leaky
from tests.effects.campaign import load, open_functions
from tests.effects.rule import is_finding, is_foreign
from tests.effects.sandbox import FATES, Result, Sandbox
from tests.effects.value import change, make_arguments

ROOT = Path(__file__).parents[2]
CALLS = 600
#: Looked for by one observer only: Python tells of no `stat` and nothing of native code, strace of no import.
NEEDS_STRACE = {"look for a file", "native open", "native fork", "native socket"}


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.effects", "--minutes", "0.5", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False
    )


def test_no_call_does_what_is_outside_the_rules(tmp_path: Path) -> None:
    done = run(tmp_path, "--seed", "1", "--calls", str(CALLS))
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    told = re.search(
        r"(\d+) functions, (\d+) calls, (\d+) passed gate C \((\d+) functions\), (\d+) answered", done.stdout
    )
    assert told is not None, done.stdout
    functions, calls, passed, reached, answered = map(int, told.groups())
    assert functions > 600
    assert calls == CALLS
    assert passed > CALLS // 3, "hardly anything was called"
    assert reached > min(functions, CALLS) // 3
    assert answered > CALLS // 10


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Do everything that is outside the rules in one sandbox."""

    async def act() -> dict[str, Result]:
        files = {"leaky": leaky.__file__}
        async with Sandbox([], tmp_path_factory.mktemp("leaky"), files=files) as sandbox:
            found = {}
            for way in leaky.WAYS:
                with pytest.MonkeyPatch.context() as patch:
                    if way == "memory":  # which a busy machine takes its time to give
                        patch.setattr("tests.effects.sandbox.TIME_S", 60.0)
                    found[way] = await sandbox.call("leaky.act", wire.pack_arguments((way,), {}).join())
            return found

    return asyncio.run(act())


@pytest.mark.parametrize("deed", [way for way in leaky.WAYS if way not in FATES])
def test_what_is_outside_the_rules_is_seen(results: dict[str, Result], deed: str) -> None:
    if deed in NEEDS_STRACE and shutil.which("strace") is None:
        pytest.skip("strace is not installed: this is seen by it alone")
    assert results[deed].findings, results[deed]


@pytest.mark.parametrize("fate", FATES)
def test_the_end_of_a_worker_is_seen_and_told_apart(results: dict[str, Result], fate: str) -> None:
    assert results[fate].kind == fate


def test_a_call_within_the_rules_is_not_a_finding(tmp_path: Path) -> None:
    async def call() -> Result:
        async with Sandbox(["math"], tmp_path) as sandbox:
            return await sandbox.call("math.pow", wire.pack_arguments((2.0, 3.0), {}).join())

    assert asyncio.run(call()) == Result("answered")


def test_arguments_are_those_of_their_seed() -> None:
    plan = open_functions(["statistics"])["statistics.mean"]
    made = [make_arguments(plan, Random(3)) for _ in range(2)]
    assert repr(made[0]) == repr(made[1])
    assert repr(change(plan, made[0], Random(4))) == repr(change(plan, made[1], Random(4)))


def test_an_input_that_was_kept_can_be_called_again(tmp_path: Path) -> None:
    kept = tmp_path / "effect-math.pow-1"
    kept.write_bytes(b"math.pow\n" + wire.pack_arguments((2.0, 3.0), {}).join())
    assert load(kept)[0] == "math.pow"
    done = run(tmp_path, str(kept))
    assert done.returncode == 0, done.stderr
    assert "answered" in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        'openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3',
        'openat(AT_FDCWD, "/usr/lib/../../etc/passwd", O_RDONLY) = 3',
        'openat(AT_FDCWD, "/usr/share/zoneinfo/../x", O_RDONLY) = 3',
        'newfstatat(AT_FDCWD, "data.csv", 0x7f, 0) = -1 ENOENT (No such file or directory)',
        'openat(AT_FDCWD, "/usr/lib/x", O_WRONLY|O_CREAT) = -1 EACCES (Permission denied)',
        "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = -1 EACCES (Permission denied)",
        'unlink("/usr/lib/x") = -1 EACCES (Permission denied)',
    ],
)
def test_system_calls_outside_the_rules(line: str) -> None:
    assert is_foreign(f"1234 {line}")


def test_system_calls_within_the_rules() -> None:
    assert not is_foreign(f'1234 openat(AT_FDCWD, "{sys.prefix}/x.py", O_RDONLY|O_CLOEXEC) = 3')
    assert not is_foreign("1234 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_THREAD|CLONE_SYSVSEM) = 99")
    assert not is_foreign('1234 openat(AT_FDCWD, "/usr/share/zoneinfo/Europe/Berlin", O_RDONLY) = 3')


def test_a_module_of_the_package_may_be_imported_and_no_other() -> None:
    assert not is_finding("import numpy.random", ["numpy"])
    assert is_finding("import subprocess", ["numpy"])
    assert is_finding("import numpy.canary", ["numpy"])
