"""Real gateways for the end-to-end tests, one for each configuration, shared by a whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import ksrpc
from ksrpc.connections.base import Connection
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from tests.helpers.server import GatewayProcess

LIBRARIES = """
[server]
port = 0
[call]
enabled = true
processes = 2
timeout_s = 60
[access]
anonymous = true
allow = ["demo", "math", "numpy", "pandas", "os.path", "statistics", "datetime", "json", "operator", "bisect",
         "arch.data.sp500", "ksrpc_not_installed"]
"""


def connection_to(gateway: GatewayProcess, transport: str, *, token: str | None = None) -> Connection:
    """Make a connection of the given kind; nothing is sent before its first call."""
    if transport == "websocket":
        return WebSocketConnection(f"{gateway.ws_url}/ws/bytes", token=token)
    return HttpxConnection(f"{gateway.url}/api/file", token=token)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Share one gateway with real libraries, open to everybody on this machine."""
    with GatewayProcess(tmp_path_factory.mktemp("libraries"), LIBRARIES) as process:
        yield process


@pytest.fixture(scope="session")
def connection(libraries: GatewayProcess, transport: str) -> Iterator[Connection]:
    """Share one connection to `libraries` for each transport."""
    with connection_to(libraries, transport) as opened:
        yield opened


@pytest.fixture(scope="session")
def remote(connection: Connection) -> ksrpc.RemoteGateway:
    """Call the libraries by dotted path: `remote.call("math.pow", 2, 3)`."""
    return ksrpc.RemoteGateway(connection)
