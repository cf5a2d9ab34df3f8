"""Remote control: whoever is `unsafe` has it, and nobody else by their having it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

import ksrpc
from ksrpc.client import RemoteGateway
from ksrpc.errors import ForbiddenError, NotFoundError
from tests.helpers.server import GatewayProcess

CONFIG = """
[server]
port = 0
[call]
enabled = true
[access]
allow = ["math", "os.path", "demo"]
[user.operator]
allow = ["os", "sys", "math"]
unsafe = ["os", "sys"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("unsafe"), CONFIG) as process:
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
        for module, name in (("os", "getpid"), ("sys", "version")):
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


def test_unsafe_does_not_open_the_gateway_s_own_package(
    server: GatewayProcess, tokens: dict[str, str], transport: str
) -> None:
    with _connect(server, transport, tokens["operator"]) as operator:
        for path in ("ksrpc.worker.boot.main", "ksrpc_server.demo.echo", "__main__.x", "os.__class__"):
            with pytest.raises((NotFoundError, ForbiddenError)):
                operator.call(path)
        with pytest.raises(NotFoundError):
            operator.call("numpy.sum", [1])
