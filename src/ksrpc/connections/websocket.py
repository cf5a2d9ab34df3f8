"""Calls over one WebSocket: any number at the same time.

Source: docs/reference/websocket.md.
"""

from __future__ import annotations

from typing import Any, Unpack

from ksrpc import wire
from ksrpc.connections.base import Connection, Options, Timeout, Way
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.shell import Shells
from ksrpc.errors import ConfigError
from ksrpc.transport.awebsocket import AsyncSocketShell
from ksrpc.transport.dial import find_address
from ksrpc.transport.websocket import WebSocketShell

_ENDING = "/ws/bytes"


class WebSocketConnection(Connection):
    """Call over a WebSocket. Usable from any number of threads and event loops, and after a fork.

    Connects with the first call. A connection that breaks is replaced while calls are under way, and they go on; where
    that cannot be, they fail, and the next call connects again.

    Args:
        url: The gateway's address, with or without the path: `ws://host:8000/ws/bytes`; or a Unix socket:
            `ws+unix:///run/ksrpc.sock`.
        token: What `ksrpc token create` printed; by default $KSRPC_TOKEN.
        timeout: See `Connection`.
        way: `proxy`, `ca` and `cert`; see `Way`.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout: Timeout = None, **way: Unpack[Way]) -> None:
        super().__init__(url, token=token, timeout=timeout)
        address = find_address(url, ("ws", "wss"), **way)
        path = address.target.partition("?")[0]
        if path.endswith(("/json", "/admin", "/client")):
            raise ConfigError(f"{url!r}: Python calls go to {_ENDING}")
        is_whole = path.endswith(("/bytes", "/v1/ws"))
        self._address = address if is_whole else address._replace(target=path.rstrip("/") + _ENDING)
        self._way = way
        self._shells: Shells[WebSocketShell, AsyncSocketShell] = Shells()

    def call(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        """Send one call and wait for its value; see `Connection.call`."""
        message, timeout_s = wire.pack_arguments(args, kwargs), self._answer_s(options)
        return self._shells.get(self._open).call(_meta(path, options, timeout_s), message.segments, timeout_s)

    async def acall(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        """Send one call and await its value; see `Connection.acall`."""
        message, timeout_s = wire.pack_arguments(args, kwargs), self._answer_s(options)
        shell = await self._shells.aget(self._aopen)
        return await shell.call(_meta(path, options, timeout_s), message.segments, timeout_s)

    def describe(self, path: str) -> dict[str, Any]:
        """Ask for a descriptor; see `Connection.describe`."""
        fields: dict[str, Any] = self._shells.get(self._open).describe(path, self._answer_s(Options()))
        return fields

    async def adescribe(self, path: str) -> dict[str, Any]:
        """Ask for a descriptor; see `Connection.adescribe`."""
        shell = await self._shells.aget(self._aopen)
        fields: dict[str, Any] = await shell.describe(path, self._answer_s(Options()))
        return fields

    def ask(self, target: str) -> dict[str, Any]:
        """Read an address of the gateway in a request of its own; see `Connection.ask`."""
        with self._beside() as beside:
            return beside.ask(target)

    async def aask(self, target: str) -> dict[str, Any]:
        """Read an address of the gateway in a request of its own; see `Connection.aask`."""
        async with self._beside() as beside:
            return await beside.aask(target)

    def _beside(self) -> HttpxConnection:
        url = "http" + self.url.removeprefix("ws").rstrip("/").removesuffix(_ENDING).removesuffix("/v1/ws")
        beside = HttpxConnection(url, token=self._token, timeout=self.timeout, **self._way)
        beside.watch, beside.is_followed = self.watch, True
        return beside

    def _open(self) -> WebSocketShell:
        with self._opening(self._address.netloc):
            return WebSocketShell(self._address, token=self._token, connect_s=self._connect_s, watch=self.watch)

    async def _aopen(self) -> AsyncSocketShell:
        told: dict[str, Any] = {"token": self._token, "connect_s": self._connect_s, "watch": self.watch}
        with self._opening(self._address.netloc):
            return await AsyncSocketShell.open(self._address, **told)


def _meta(path: str, options: Options, timeout_s: float | None) -> dict[str, Any]:
    meta: dict[str, Any] = {"path": path}
    if timeout_s is not None:
        meta["deadline_ms"] = max(1, round(timeout_s * 1000))
    if not options.async_remote:
        meta["executor"] = "main"
    if options.cache_get is not None:
        meta["cache_get"] = options.cache_get
    if options.cache_expire is not None:
        meta["cache_expire"] = options.cache_expire
    return meta
