"""`make test-pythons` runs what it says: every suite of behaviour, on every Python that is asked for, on both loops."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.style.rule import ROOT, Source, load_sources

SCRIPT = ROOT / ".ci" / "pythons"
#: What one Python is enough for.
ONCE = ("tests/docs", "tests/style", "tests/fuzz", "tests/effects", "tests/storm")
WORDS = {name: value for name, value in re.findall(r'^(\w+)="(.*)"$', SCRIPT.read_text(), re.MULTILINE)}
LISTED = WORDS["tests"].split()
ON_A_LOOP = WORDS["on_a_loop"].split(" or ")
RUN = "asyncio.run("


def listed(path: str) -> bool:
    return any(path == name or path.startswith(f"{name}/") for name in LISTED)


def suites() -> list[Source]:
    return [source for source in load_sources("tests") if source.path.rpartition("/")[2].startswith("test_")]


def cases_of(source: Source) -> Iterator[tuple[ast.FunctionDef, str]]:
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node, ast.unparse(node)


def test_the_list_names_what_is_there() -> None:
    assert [name for name in LISTED if not (ROOT / name).exists()] == []


def test_every_suite_is_listed_or_runs_once() -> None:
    folders = {"/".join(source.path.split("/")[:2]) for source in suites()}
    assert {folder for folder in folders if not listed(folder)} == set(ONCE)


def test_every_suite_over_all_ways_is_listed() -> None:
    over_all = [source.path for source in suites() if re.search(r"\bway: str\b|\bAwaited\b", source.text)]
    assert len(over_all) > 12
    assert [path for path in over_all if not listed(path)] == []


def test_every_test_that_starts_a_loop_runs_under_uvloop_too() -> None:
    """A test is taken by a word in its name or its file's; those over all ways have it in their parameter."""
    left = []
    for source in load_sources("tests/integration"):
        own = re.search(r"from tests\.helpers\.awaited import .*\brun\b", source.text)
        for node, body in cases_of(source):
            starts = "{LOOP}" in body or "awaited.run(" in body or (own and re.search(r"(?<![\w.])run\(", body))
            name = f"{source.path}::{node.name} {'awaited' if 'way' in {a.arg for a in node.args.args} else ''}"
            if starts and not any(word in name for word in ON_A_LOOP):
                left.append(name)
    assert left == []


def test_no_suite_takes_asyncio_s_loop_for_granted() -> None:
    taking = [source.path for source in load_sources("tests/integration", "tests/security") if RUN in source.text]
    assert taking == [], "cure: run of tests.helpers.awaited, or `from {LOOP} import run` in a program"


PYTHONS = ("3.11", "3.12", "3.13")
#: Stands for the Python of an environment: tells how it was started, and fails where it should.
STUB = """#!/bin/sh
printf '%s\\n' "{version} ${{KSRPC_TEST_LOOP:-asyncio}} $*" >>started
[ "{version} ${{KSRPC_TEST_LOOP:-asyncio}}" != "$FAILING" ]
"""


def play(folder: Path, **env: str) -> tuple[int, str, list[list[str]]]:
    """Run the script where three Pythons are; return its status, its last line and how pytest was started."""
    (folder / ".ci").mkdir()
    shutil.copy(SCRIPT, folder / ".ci")
    found = "".join(f"echo {version} {sys.executable}\n" for version in PYTHONS)
    scripts = {".ci/environments": "", ".ci/venv": "", ".ci/interpreters": found}
    scripts |= {f".venv-{version}/bin/python": STUB.format(version=version) for version in PYTHONS}
    for name, text in scripts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text or "#!/bin/sh\n")
        (folder / name).chmod(0o755)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KSRPC")}
    done = subprocess.run(
        [".ci/pythons"], cwd=folder, env=clean | {"FAILING": ""} | env, capture_output=True, text=True, check=False
    )
    told = (done.stdout + done.stderr).splitlines()[-1]
    started = folder / "started"
    lines = started.read_text().splitlines() if started.exists() else []
    return done.returncode, told, [shlex.split(line) for line in lines]


def test_every_python_runs_all_of_it_on_both_loops(tmp_path: Path) -> None:
    status, told, started = play(tmp_path)
    assert (status, told) == (0, "passed on: 3.11 3.12 3.13")
    assert [line[:2] for line in started] == [[version, loop] for version in PYTHONS for loop in ("asyncio", "uvloop")]
    assert all(line[-len(LISTED) :] == LISTED for line in started)
    assert ["-k" in line for line in started] == [False, True] * 3


def test_only_what_is_asked_for_is_taken(tmp_path: Path) -> None:
    status, told, started = play(tmp_path, KSRPC_PYTHONS="3.13 3.11")
    assert (status, told) == (0, "passed on: 3.11 3.13")
    assert [line[0] for line in started] == ["3.11", "3.11", "3.13", "3.13"]


def test_a_python_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    status, told, started = play(tmp_path, KSRPC_PYTHONS="3.12 3.99")
    assert (status, told) == (1, "failed on: 3.99-not-found")
    assert [line[0] for line in started] == ["3.12", "3.12"]


@pytest.mark.parametrize(("failing", "name"), [("3.12 asyncio", "3.12"), ("3.12 uvloop", "3.12-uvloop")])
def test_who_fails_is_named_and_the_others_run(tmp_path: Path, failing: str, name: str) -> None:
    status, told, started = play(tmp_path, FAILING=failing)
    assert (status, told) == (1, f"failed on: {name}")
    assert len(started) == 6
