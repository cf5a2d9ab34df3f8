"""Real gateways for the end-to-end tests, one for each configuration, shared by a whole run."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import ksrpc
from ksrpc.connections.base import Connection
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import AuthError
from tests.helpers.awaited import Awaited
from tests.helpers.leak import leaves_nothing
from tests.helpers.server import GatewayProcess

__all__ = ["connection_to", "guarded", "leaves_nothing", "libraries", "token", "usable", "way"]

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


def connection_to(gateway: GatewayProcess, way: str, *, token: str | None = None) -> Connection:
    """Make a connection of the given kind; nothing is sent before its first call."""
    transport, _, manner = way.partition(" ")
    made: Connection
    if transport == "websocket":
        made = WebSocketConnection(f"{gateway.ws_url}/ws/bytes", token=token)
    else:
        made = HttpxConnection(f"{gateway.url}/api/file", token=token)
    return Awaited(made) if manner == "awaited" else made


@pytest.fixture(scope="session", params=["http", "websocket", "http awaited", "websocket awaited"])
def way(request: pytest.FixtureRequest) -> str:
    """Run one test body over every transport, blocking and awaited."""
    return str(request.param)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Share one gateway with real libraries, open to everybody on this machine."""
    with GatewayProcess(tmp_path_factory.mktemp("libraries"), LIBRARIES) as process:
        yield process


@pytest.fixture(scope="session")
def connection(libraries: GatewayProcess, way: str) -> Iterator[Connection]:
    """Share one connection to `libraries` for each way to call."""
    with connection_to(libraries, way) as opened:
        opened.describe("math.pow")  # connected before the first test, so that none is told to have left it open
        yield opened
    if isinstance(opened, Awaited):
        opened.stop()


@pytest.fixture(scope="session")
def remote(connection: Connection) -> ksrpc.RemoteGateway:
    """Call the libraries by dotted path: `remote.call("math.pow", 2, 3)`."""
    return ksrpc.RemoteGateway(connection)


GUARDED = """
[server]
port = 0
[call]
enabled = true
timeout_s = 20
[access]
allow = ["demo", "math", "numpy"]
[user.narrow]
allow = ["math.pow"]
"""


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Share one gateway that asks for tokens."""
    with GatewayProcess(tmp_path_factory.mktemp("guarded"), GUARDED) as process:
        yield process


@pytest.fixture(scope="session")
def token(guarded: GatewayProcess) -> str:
    """Make a token for `guarded`; the server follows within two seconds."""
    return usable(guarded, guarded.create_token("zhang"))


def usable(gateway: GatewayProcess, made: str, *, within_s: float = 2.0) -> str:
    """Wait until a running gateway knows a new token.

    Raises:
        AuthError: It did not learn of it in time.
    """
    end = time.monotonic() + within_s
    with HttpxConnection(gateway.url, token=made) as there:
        while True:
            try:
                there.describe("math.pow")
            except AuthError:
                if time.monotonic() > end:
                    raise
                continue
            return made
