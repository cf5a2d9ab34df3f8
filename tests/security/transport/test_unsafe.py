"""Remote control: whoever is `unsafe` has it, and nobody else by their having it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import ksrpc
from ksrpc.client import RemoteGateway
from ksrpc.errors import ForbiddenError, KsrpcError, NotFoundError, RemoteError
from tests.helpers.server import GatewayProcess

CONFIG = """
[server]
port = 0
[call]
enabled = true
traceback = true
[access]
allow = ["math", "os.path", "demo", "bars"]
[user.operator]
allow = ["os", "sys", "subprocess", "math"]
unsafe = ["os", "sys", "subprocess"]
[module.bars]
path = "bars.py"
"""
BARS = '_API_KEY = "c4n4rybird"\ndef daily(days=1): return days\n'
EVERYTHING = """
[server]
port = 0
[call]
enabled = true
[access]
allow = ["*"]
unsafe = ["*"]
[module.bars]
path = "bars.py"
"""
SYSTEM = {
    "getcwd": (),
    "getpid": (),
    "listdir": ("/",),
    "path.join": ("a", "b"),
    "path.exists": ("/",),
    "path.realpath": ("/",),
    "path.genericpath.commonprefix": (["ab", "ac"],),
}
#: This program's own, by every way that a path could take.
OWN = """
ksrpc ksrpc.worker.boot.main ksrpc.expose.Resolver ksrpc.limits ksrpc_server ksrpc_server.bars
ksrpc_server.bars.daily ksrpc_server.demo.echo ksrpc_render ksrpc_render.render __main__ __main__.x
__mp_main__.x os.__class__ os.sys.modules os.sys.modules.get os.sys.modules.copy os.sys.modules.keys
os.path.os.sys.modules sys.modules sys.modules.get sys.modules.items sys.__dict__ os.__loader__
subprocess.sys.modules subprocess.os.sys.modules.values
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("unsafe")
    (folder / "bars.py").write_text(BARS)
    with GatewayProcess(folder, CONFIG, env={"KSRPC_TRIAL": "c4n4rybird", "MY_PASSWORD": "c4n4rybird"}) as process:
        yield process


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Run a server on which everybody with a token may call everything, without gates."""
    folder = tmp_path_factory.mktemp("everything")
    (folder / "bars.py").write_text(BARS)
    with GatewayProcess(folder, EVERYTHING) as process:
        yield process


@pytest.fixture(scope="module")
def tokens(server: GatewayProcess) -> dict[str, str]:
    return {name: server.create_token(name) for name in ("operator", "analyst")}


def _connect(server: GatewayProcess, transport: str, token: str) -> RemoteGateway:
    return ksrpc.connect(server.url if transport == "http" else server.ws_url, token=token, timeout=60)


def test_the_operator_controls_the_worker_and_the_analyst_does_not(
    server: GatewayProcess, tokens: dict[str, str], transport: str
) -> None:
    with (
        _connect(server, transport, tokens["operator"]) as operator,
        _connect(server, transport, tokens["analyst"]) as analyst,
    ):
        assert analyst.module("os").path.join("a", "b") == "a/b"
        with pytest.raises(ForbiddenError):
            analyst.module("os").path.exists("x")
        pid = operator.module("os").getpid()
        assert isinstance(pid, int)
        assert pid not in (os.getpid(), server.pid)
        assert operator.module("sys").version().split()[0] == sys.version.split()[0]
        assert operator.module("os").path.exists("/") is True
        assert operator.module("os").path.join("a", "b") == "a/b"
        for path in ("exists", "realpath", "expanduser"):
            with pytest.raises(ForbiddenError):
                getattr(analyst.module("os").path, path)("x")
        for module, name in (("os", "getpid"), ("os", "getcwd"), ("sys", "version"), ("subprocess", "check_output")):
            with pytest.raises(NotFoundError, match="no such module here"):
                getattr(analyst.module(module), name)()


def test_the_operator_has_processes_of_their_own(server: GatewayProcess, tokens: dict[str, str]) -> None:
    with (
        _connect(server, "http", tokens["operator"]) as operator,
        _connect(server, "http", tokens["analyst"]) as analyst,
    ):
        analyst.module("os").path.join("a", "b")
        before = set(server.worker_pids)
        operator.module("os").environ.update({"PATH": "changed"})
        assert operator.module("os").getpid() in set(server.worker_pids)
        assert analyst.module("os").path.sep() == "/"
        assert before & set(server.worker_pids)


@pytest.mark.parametrize("path", SYSTEM)
def test_the_system_is_open_to_the_operator_and_to_nobody_else(
    server: GatewayProcess, tokens: dict[str, str], transport: str, path: str
) -> None:
    with (
        _connect(server, transport, tokens["operator"]) as operator,
        _connect(server, transport, tokens["analyst"]) as analyst,
    ):
        expected: Any = os
        for part in path.split("."):
            expected = getattr(expected, part)
        got = operator.call(f"os.{path}", *SYSTEM[path])
        if path in ("getcwd", "getpid"):  # a place and a number of the worker's own
            assert type(got) is type(expected())
            assert got != expected()
        else:
            assert got == expected(*SYSTEM[path])
        if path != "path.join":
            with pytest.raises((NotFoundError, ForbiddenError)):
                analyst.call(f"os.{path}", *SYSTEM[path])


def test_commands_run_for_the_operator(server: GatewayProcess, tokens: dict[str, str], transport: str) -> None:
    with _connect(server, transport, tokens["operator"]) as operator:
        subprocess = operator.module("subprocess")
        assert subprocess.check_output(["echo", "a b"]) == b"a b\n"
        assert subprocess.getoutput("printf '%s' $((1 + 1))") == "2"
        assert subprocess.call(["false"]) == 1
        assert operator.module("sys").platform() == sys.platform
        assert operator.module("sys").maxsize() == sys.maxsize
        with pytest.raises(RemoteError, match="CalledProcessError: Command") as failed:
            subprocess.check_call(["false", "/etc/nothing"])
        assert "/etc/nothing" in str(failed.value), "the operator reads what the error says"
        with pytest.raises(FileNotFoundError) as missing:
            operator.module("os").stat("/etc/never/heard/of")
        assert (missing.value.errno, missing.value.filename) == (2, "/etc/never/heard/of")
        assert "in check_call" in failed.value.remote_traceback
        assert "raise " not in failed.value.remote_traceback


@pytest.mark.parametrize("root", ["posix", "posixpath", "genericpath", "nt", "ntpath", "_posixsubprocess", "builtins"])
def test_what_lies_below_a_root_is_no_root_of_its_own(
    server: GatewayProcess, tokens: dict[str, str], transport: str, root: str
) -> None:
    with _connect(server, transport, tokens["operator"]) as operator, pytest.raises(NotFoundError) as refused:
        operator.call(f"{root}.getcwd")
    assert str(refused.value) == NotFoundError.TEXT


def test_the_operator_s_process_holds_nothing_of_the_others(server: GatewayProcess, tokens: dict[str, str]) -> None:
    """Neither the environment nor the memory's table of modules nor the open files tell of what others are served."""
    with (
        _connect(server, "http", tokens["operator"]) as operator,
        _connect(server, "http", tokens["analyst"]) as analyst,
    ):
        assert analyst.module("bars").daily(2) == 2
        for path in ("os.environ.copy", "os.environ.items", "os.environb.copy", "sys.path.copy", "sys.argv.copy"):
            told = repr(_whatever(operator, path))
            assert "c4n4rybird" not in told
            assert "KSRPC" not in told
            assert str(server.folder) not in told
        own = operator.module("os").getpid()
        assert b"c4n4rybird" not in operator.module("subprocess").check_output(["cat", f"/proc/{own}/cmdline"])
        code = "import os, sys; print(sorted(os.environ))"
        assert b"KSRPC" not in operator.module("subprocess").check_output([sys.executable, "-c", code])
        assert operator.module("os").listdir(".") == []


def _whatever(gateway: RemoteGateway, path: str, *args: object) -> object:
    """Give what a call brings, be it a value or an error."""
    try:
        return gateway.call(path, *args)
    except KsrpcError as error:
        return error


def test_unsafe_does_not_open_the_gateway_s_own_package(
    server: GatewayProcess, tokens: dict[str, str], transport: str
) -> None:
    with _connect(server, transport, tokens["operator"]) as operator:
        for path in OWN.split():
            with pytest.raises((NotFoundError, ForbiddenError)):
                operator.call(path)
            with pytest.raises((NotFoundError, ForbiddenError)):
                operator.describe(path)
        with pytest.raises(NotFoundError):
            operator.call("numpy.sum", [1])


def test_everything_is_without_this_program_itself(open_server: GatewayProcess, transport: str) -> None:
    """A file of the administrator keeps its gates, too, whatever is unsafe."""
    with _connect(open_server, transport, open_server.create_token("anybody")) as gateway:
        assert gateway.call("os.getpid") != open_server.pid
        assert gateway.call("bars.daily", 3) == 3
        for path in (
            *OWN.split(),
            "importlib.sys.modules",
            "inspect.sys.modules.get",
            "bars._API_KEY",
            "bars.daily.__code__",
        ):
            with pytest.raises((NotFoundError, ForbiddenError)):
                gateway.call(path)
        for path in ("importlib.import_module", "pkgutil.resolve_name", "inspect.getmodule", "sys.modules.get"):
            for name in ("ksrpc_server.bars", "ksrpc.config", "__main__"):
                assert "c4n4rybird" not in repr(_whatever(gateway, path, name))
