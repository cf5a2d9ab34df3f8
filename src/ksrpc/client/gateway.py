"""`ksrpc.connect`: one object for one gateway.

Source: docs/reference/client.md.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self, Unpack

from ksrpc.client.handle import adopt
from ksrpc.client.profile import load_profile
from ksrpc.client.progress import Progress, follow
from ksrpc.client.proxy import RpcClient
from ksrpc.connections.base import Connection, Options, Timeout, Way
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import ConfigError


def connect(
    url: str | None = None,
    *,
    token: str | None = None,
    timeout: Timeout = None,
    progress: Progress = None,
    **way: Unpack[Way],
) -> RemoteGateway:
    """Return the gateway at `url`; nothing is sent before the first call.

    Args:
        url: `http://`, `https://`, `ws://` or `wss://`, or a Unix socket: `http+unix:///run/ksrpc.sock`, `ws+unix:///…`;
            by default $KSRPC_URL, then the gateway of `ksrpc login`.
        token: What `ksrpc token create` printed; by default $KSRPC_TOKEN, then what `ksrpc login` kept for this very
            gateway.
        timeout: Seconds for connecting and for each answer, or a pair of both.
        progress: False shows no progress of long calls, True does so in any case, a function is told of it; by default
            it is shown on a terminal and in a notebook, and $KSRPC_PROGRESS decides.
        way: `proxy`, `ca` and `cert`; see `ksrpc.connections.base.Way`.

    Raises:
        ConfigError: No address, not one of these schemes, a profile that others can read, or a proxy or certificate
            that cannot be used.
    """
    return RemoteGateway(follow(find_connection(url, token, timeout, **way), progress))


def find_connection(url: str | None, token: str | None, timeout: Timeout, **way: Unpack[Way]) -> Connection:
    """Make the connection that arguments, environment and profile say together.

    Raises:
        ConfigError: As `connect`.
    """
    url = url or os.environ.get("KSRPC_URL")
    token = token or os.environ.get("KSRPC_TOKEN")
    if not url or not token:
        profile = load_profile()
        url = url or profile.current
        token = token or (profile.token_for(url) if url else None)
    if not url:
        raise ConfigError("no gateway given: say its URL (http://host:8000), set KSRPC_URL, or run `ksrpc login URL`")
    return _make_connection(url, token, timeout, **way)


def reach(url: str, *, token: str | None = None, timeout: Timeout = None, **way: Unpack[Way]) -> RemoteGateway:
    """Return the gateway at `url`, whatever the profile says of it."""
    return RemoteGateway(_make_connection(url, token, timeout, **way))


def _make_connection(url: str, token: str | None, timeout: Timeout, **way: Unpack[Way]) -> Connection:
    kind = WebSocketConnection if url.startswith("ws") else HttpxConnection
    return kind(url, token=token, timeout=timeout, **way)


class RemoteGateway:
    """Reach the modules of one gateway."""

    def __init__(self, connection: Connection) -> None:
        self.connection = follow(connection)

    def module(self, name: str, *, async_remote: bool = True) -> RpcClient:
        """Return a remote module, to be used like the module itself."""
        return RpcClient(name, self.connection, async_remote=async_remote)

    def call(self, path: str, *args: Any, timeout_s: float | None = None, **kwargs: Any) -> Any:
        """Call a function by its dotted path: `gw.call("math.pow", 2, 3, timeout_s=5)`."""
        options = Options(timeout_s=timeout_s)
        return adopt(self.connection.call(path, args, kwargs, options), self.connection, options)

    def describe(self, path: str) -> dict[str, Any]:
        """Return what the server says of a path: kind, signature, docstring, members."""
        return self.connection.describe(path)

    def me(self) -> dict[str, Any]:
        """Return who the server takes this client for: user, token id, scopes, end, and what may be called."""
        return self.connection.ask("/v1/me")

    def modules(self) -> list[dict[str, Any]]:
        """Return what is open to this client: a dict for each module, with its members, or the error it gives."""
        listed: list[dict[str, Any]] = self.connection.ask("/v1/modules")["modules"]
        return listed

    def close(self) -> None:
        """Hang up."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ksrpc gateway at {self.connection.url}>"
