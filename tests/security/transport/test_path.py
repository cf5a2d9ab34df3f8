"""Paths that must lead nowhere: refused on every transport, with nothing imported and nothing run."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from ksrpc.connections.base import Connection, Options
from ksrpc.errors import ForbiddenError, NotFoundError, RefusedError
from tests.helpers.process import is_running
from tests.integration.exchange import ask
from tests.security.transport.conftest import Fortress

CLOSED = [
    "trap_closed",
    "trap_closed.anything",
    "trap_closed.os.system",
    "trap_file",
    "trap_file.anything",
    "trap_cwd.anything",
    "subprocess.run",
    "os.system",
    "os",
    "os.environ",
    "builtins.exec",
    "sys.modules",
    "importlib.import_module",
    "ctypes.CDLL",
    "pickle.loads",
    "ksrpc.cli.main",
    "ksrpc.limits",
    "ksrpc_server.demo",
    "ksrpc_render.render",
    "__main__.main",
    "never_heard_of",
    "never_heard_of.at.all",
    "not_installed",
    "not_installed.function",
    "",
    ".",
    "..",
    ".math.pow",
    " math.pow",
    "/etc/passwd",
    "../math.pow",
    "\x00math.pow",
    "ｍａｔｈ.pow",  # full-width letters
    "mаth.pow",  # a Cyrillic letter
    "ﬁle.pow",  # a ligature
    "x" * 20_000,
    "MATH.pow",
]
FORBIDDEN = [
    "numpy.f2py.os.system",
    "numpy.f2py",
    "numpy.ctypeslib.load_library",
    "numpy.load",
    "numpy.testing.run_module_suite",
    "numpy.distutils.exec_command",
    "numpy.lib.npyio.DataSource",
    "pandas.io.common.os.getpid",
    "pandas.io.common.os.system",
    "pandas.read_pickle",
    "pandas.eval",
    "pandas.DataFrame.to_pickle",
    "pandas.core.computation.api",
    "os.path.os.system",
    "os.path.genericpath.os.system",
    "os.path.exists",
    "os.path.expanduser",
    "math.__class__",
    "math.__loader__.load_module",
    "math.pow.__self__",
    "math.pow.__call__",
    "math._private",
    "demo.asyncio",
    "demo.time.sleep",
    "demo.echo.__globals__",
    "demo.echo.func_globals",
    "demo.count.gi_frame",
    "demo.echo.__code__.co_code",
    "demo._bounded",
    "demo.nosuch",
    "trap_open.os.system",
    "trap_open.os",
    "trap_open.trap_helper",
    "trap_open.trap_helper.help",
    "trap_open.hidden",
    "trap_open.hidden.Path",
    "trap_open.tests",
    "trap_open.tests.Path",
    "trap_open.utils",
    "trap_open._private",
    "trap_open.__builtins__.exec",
    "math.ｐｏｗ",
    "math.pоw",  # a Cyrillic letter
    "math.pow\n",
    "math.pow ",
    "math..pow",
    "math.pow.",
    "math.pow;import os",
    "math.pow\x00",
    "math.\u202epow",
    "math." + "x" * 81,
    "math." + ".".join("abcdefgh"),
    "math." + "x." * 5000 + "y",
    "demo.echo.format",
    "demo.sync_say_hi.mro",
]


@pytest.mark.parametrize("path", CLOSED, ids=lambda path: repr(path[:40]))
def test_what_is_not_open_is_one_constant_answer(fortress: Fortress, attacker: Connection, path: str) -> None:
    run = f"touch {fortress.marks}/ran"
    with pytest.raises(NotFoundError) as refused:
        attacker.call(path, (run,), {}, Options())
    assert str(refused.value) == NotFoundError.TEXT
    assert refused.value.maybe_ran is False
    with pytest.raises(NotFoundError) as refused:
        attacker.describe(path)
    assert fortress.imported == []


@pytest.mark.parametrize("path", FORBIDDEN, ids=lambda path: repr(path[:40]))
def test_what_leads_astray_below_an_open_root_names_its_gate(
    fortress: Fortress, attacker: Connection, path: str
) -> None:
    run = f"touch {fortress.marks}/ran"
    with pytest.raises(RefusedError) as refused:
        attacker.call(path, (run,), {}, Options())
    if not isinstance(refused.value, NotFoundError):  # below an open root, a name that is not there
        assert isinstance(refused.value, ForbiddenError)
        assert refused.value.gate in ("A", "B")
        assert refused.value.rule.startswith(refused.value.gate)
    assert refused.value.maybe_ran is False
    assert len(str(refused.value)) < 1000
    with pytest.raises(RefusedError):
        attacker.describe(path)
    assert fortress.imported == []


@pytest.mark.parametrize(
    "path",
    ["numpy.f2py.os.system", "pandas.io.common.os.getpid", "math.__class__", "trap_open.os.system", "numpy.load"],
)
def test_the_gates_of_the_most_wanted(attacker: Connection, path: str) -> None:
    with pytest.raises(ForbiddenError) as refused:
        attacker.call(path, (), {}, Options())
    assert refused.value.rule[0] == refused.value.gate
    assert refused.value.rule in str(refused.value)


def test_a_caller_cannot_tell_unknown_from_not_allowed_from_not_installed(fortress: Fortress) -> None:
    answers = set()
    for path in (
        "never_heard_of.f",
        "trap_closed.f",
        "subprocess.run",
        "not_installed.f",
        "trap_file.f",
        "",
        "\u4e00.f",
    ):
        reply = ask(fortress.gateway, "GET", f"/v1/call/{quote(path)}")
        answers.add((reply.status, reply.body, tuple(sorted(reply.headers.items()))))
        reply = ask(fortress.gateway, "GET", f"/v1/describe/{quote(path)}")
        answers.add((reply.status, reply.body, tuple(sorted(reply.headers.items()))))
    assert len(answers) == 1
    assert fortress.imported == []


@pytest.mark.parametrize("target", ["%00", "%ff%fe", "math%2fpow", "math.pow%0d%0aX:y", "..%2f..%2fetc", "%u0041", "%"])
@pytest.mark.parametrize("prefix", ["/v1/call/", "/api/file?func=", "/v1/describe/"])
def test_paths_that_are_no_text(fortress: Fortress, prefix: str, target: str) -> None:
    reply = ask(fortress.gateway, "GET", prefix + target)
    assert reply.status in (400, 403, 404)
    assert reply.problem()["maybe_ran"] is False


def test_what_is_open_works_beside_all_that(fortress: Fortress, attacker: Connection) -> None:
    assert attacker.call("math.pow", (2, 3), {}, Options()) == 8.0
    assert attacker.call("os.path.join", ("a", "b"), {}, Options()) == "a/b"
    assert attacker.call("trap_open.greet", (), {}, Options()) == "hello"
    assert attacker.call("numpy.linalg.norm", ([3, 4],), {}, Options()) == 5.0
    assert fortress.imported == []
    assert is_running(fortress.gateway.pid)


def test_the_gateway_itself_loads_no_library_that_it_serves(fortress: Fortress, attacker: Connection) -> None:
    attacker.call("pandas.date_range", ("2024-01-01",), {"periods": 2}, Options())
    attacker.call("demo.test", (), {}, Options())
    maps = Path(f"/proc/{fortress.gateway.pid}/maps").read_text()
    assert "/pandas/" not in maps
    assert "libarrow" not in maps


def test_workers_have_a_clean_place(fortress: Fortress, attacker: Connection) -> None:
    """Look at the worker from outside: its environment, its folder, its open files, its flags."""
    attacker.call("math.pow", (2, 3), {}, Options())
    workers = fortress.gateway.worker_pids
    assert workers
    for pid in workers:
        place = Path(f"/proc/{pid}")
        command = (place / "cmdline").read_bytes().split(b"\0")
        assert b"-P" in command
        assert b"-O" not in command
        if os.geteuid() != 0:
            continue  # a process that is not dumpable belongs to root
        environment = (place / "environ").read_bytes()
        assert b"KSRPC" not in environment
        assert b"PYTHONPATH" not in environment
        assert b"PYTHONOPTIMIZE" not in environment
        assert list(Path(os.readlink(place / "cwd")).iterdir()) == []
        assert not any("sqlite" in os.readlink(fd) for fd in (place / "fd").iterdir())


def test_a_library_that_fails_to_import_says_so_without_its_place(fortress: Fortress, attacker: Connection) -> None:
    for _ in range(2):
        with pytest.raises(RefusedError) as refused:
            attacker.call("trap_broken.f", (), {}, Options())
        assert "cannot live in <server>" in str(refused.value)
        assert "site-packages" not in str(refused.value)
        assert str(fortress.marks.parent) not in str(refused.value)
