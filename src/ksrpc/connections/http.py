"""Calls over HTTP: each a request of its own.

Source: docs/reference/http.md.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from ksrpc import wire
from ksrpc.connections.base import Connection, Options, Timeout
from ksrpc.connections.shell import Shells
from ksrpc.errors import ConfigError
from ksrpc.transport.ahttp import AsyncHttpShell
from ksrpc.transport.dial import parse_url
from ksrpc.transport.http import HttpShell

_ENDINGS = ("/get", "/post", "/file")


class HttpxConnection(Connection):
    """Call over HTTP. Usable from any number of threads and event loops, and after a fork.

    Args:
        url: The gateway's address, with or without the original's path: `http://host:8000/api/file`.
        token: What `ksrpc token create` printed; by default $KSRPC_TOKEN.
        timeout: See `Connection`.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout: Timeout = None) -> None:
        super().__init__(url, token=token, timeout=timeout)
        self._address = parse_url(url, ("http", "https"))
        path = self._address.target.partition("?")[0].rstrip("/")
        for ending in _ENDINGS:
            path = path.removesuffix(f"/api{ending}")
        if path.endswith(_ENDINGS):
            raise ConfigError(f"{url!r}: the path ends in /api/file, or is left out")
        self._prefix = path
        self._shells: Shells[HttpShell, AsyncHttpShell] = Shells()

    def call(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        """Send one request and return its value; see `Connection.call`."""
        message, target = wire.pack_arguments(args, kwargs), self._target(path, options)
        return self._shells.get(self._open).post(
            target, message, connect_s=self._connect_s, timeout_s=self._answer_s(options)
        )

    async def acall(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        """Send one request and await its value; see `Connection.acall`."""
        message, target = wire.pack_arguments(args, kwargs), self._target(path, options)
        shell = await self._shells.aget(self._aopen)
        return await shell.post(target, message, connect_s=self._connect_s, timeout_s=self._answer_s(options))

    def describe(self, path: str) -> dict[str, Any]:
        """Ask for a descriptor; see `Connection.describe`."""
        return self.ask(f"/v1/describe/{quote(path)}")

    async def adescribe(self, path: str) -> dict[str, Any]:
        """Ask for a descriptor; see `Connection.adescribe`."""
        return await self.aask(f"/v1/describe/{quote(path)}")

    def ask(self, target: str) -> dict[str, Any]:
        """Read an address of the gateway; see `Connection.ask`."""
        fields: dict[str, Any] = self._shells.get(self._open).get(
            self._prefix + target, connect_s=self._connect_s, timeout_s=self._answer_s(Options())
        )
        return fields

    async def aask(self, target: str) -> dict[str, Any]:
        """Read an address of the gateway; see `Connection.aask`."""
        shell = await self._shells.aget(self._aopen)
        fields: dict[str, Any] = await shell.get(
            self._prefix + target, connect_s=self._connect_s, timeout_s=self._answer_s(Options())
        )
        return fields

    def _target(self, path: str, options: Options) -> str:
        query = {"func": path}
        if not options.async_remote:
            query["async_remote"] = "false"
        if options.cache_get is not None:
            query["cache_get"] = str(options.cache_get).lower()
        if options.cache_expire is not None:
            query["cache_expire"] = f"{options.cache_expire:g}"
        return f"{self._prefix}/api/file?{urlencode(query)}"

    def _open(self) -> HttpShell:
        return HttpShell(self._address, token=self._token)

    async def _aopen(self) -> AsyncHttpShell:
        return AsyncHttpShell(self._address, token=self._token)
