"""`ksrpc.connect`: one object for one gateway.

Source: docs/reference/client.md.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self

from ksrpc.client.proxy import RpcClient
from ksrpc.connections.base import Connection, Options, Timeout
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import ConfigError


def connect(url: str | None = None, *, token: str | None = None, timeout: Timeout = None) -> RemoteGateway:
    """Return the gateway at `url`; nothing is sent before the first call.

    Args:
        url: `http://`, `https://`, `ws://` or `wss://`; by default $KSRPC_URL.
        token: What `ksrpc token create` printed; by default $KSRPC_TOKEN.
        timeout: Seconds for connecting and for each answer, or a pair of both.

    Raises:
        ConfigError: No address, or not one of these schemes.
    """
    url = url or os.environ.get("KSRPC_URL")
    if not url:
        raise ConfigError("no gateway given: connect('http://host:8000') or set KSRPC_URL")
    is_socket = url.startswith(("ws://", "wss://"))
    kind: type[Connection] = WebSocketConnection if is_socket else HttpxConnection
    return RemoteGateway(kind(url, token=token, timeout=timeout))


class RemoteGateway:
    """Reach the modules of one gateway."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def module(self, name: str, *, async_remote: bool = True) -> RpcClient:
        """Return a remote module, to be used like the module itself."""
        return RpcClient(name, self.connection, async_remote=async_remote)

    def call(self, path: str, *args: Any, timeout_s: float | None = None, **kwargs: Any) -> Any:
        """Call a function by its dotted path: `gw.call("math.pow", 2, 3, timeout_s=5)`."""
        return self.connection.call(path, args, kwargs, Options(timeout_s=timeout_s))

    def describe(self, path: str) -> dict[str, Any]:
        """Return what the server says of a path: kind, signature, docstring, members."""
        return self.connection.describe(path)

    def close(self) -> None:
        """Hang up."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ksrpc gateway at {self.connection.url}>"
