"""Calls over HTTP: each a request of its own.

Source: docs/reference/http.md.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import weakref
from typing import Any, Unpack
from urllib.parse import quote, urlencode

from ksrpc import wire
from ksrpc.connections.base import Connection, Options, Timeout, Way
from ksrpc.connections.shell import Shells
from ksrpc.errors import ConfigError, KsrpcError
from ksrpc.transport.ahttp import AsyncHttpShell
from ksrpc.transport.dial import find_address
from ksrpc.transport.held import RELEASE, HandleSession
from ksrpc.transport.http import HttpShell

#: How the last call is made, about objects that nobody will ask for again.
_LAST = Options(timeout_s=2.0)
_ENDINGS = ("/get", "/post", "/file")


class HttpxConnection(Connection):
    """Call over HTTP. Usable from any number of threads and event loops, and after a fork.

    Args:
        url: The gateway's address, with or without the original's path: `http://host:8000/api/file`; or a Unix socket:
            `http+unix:///run/ksrpc.sock`.
        token: What `ksrpc token create` printed; by default $KSRPC_TOKEN.
        timeout: See `Connection`.
        way: `proxy`, `ca` and `cert`; see `Way`.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout: Timeout = None, **way: Unpack[Way]) -> None:
        super().__init__(url, token=token, timeout=timeout)
        self._address = find_address(url, ("http", "https"), **way)
        path = self._address.target.partition("?")[0].rstrip("/")
        for ending in _ENDINGS:
            path = path.removesuffix(f"/api{ending}")
        if path.endswith(_ENDINGS):
            raise ConfigError(f"{url!r}: the path ends in /api/file, or is left out")
        self._prefix = path
        self._handles = HandleSession()
        self._shells: Shells[HttpShell, AsyncHttpShell] = Shells()
        _MADE.add(self)

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

    def close(self) -> None:
        """Hang up, and let the server forget the objects that it keeps for this connection."""
        if self._ends_session():
            with contextlib.suppress(KsrpcError):
                self.call(RELEASE, ([],), {}, _LAST)
        super().close()

    async def aclose(self) -> None:
        """Do what `close` does, awaited."""
        if self._ends_session():
            with contextlib.suppress(KsrpcError):
                await self.acall(RELEASE, ([],), {}, _LAST)
        await super().aclose()

    def part(self) -> None:
        """Close if the server keeps objects for this connection, and for no other process."""
        if self._handles.is_used and self._handles.pid == os.getpid():
            self.close()

    def _ends_session(self) -> bool:
        is_used, self._handles.is_used = self._handles.is_used, False
        return is_used

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
        return HttpShell(self._address, token=self._token, handles=self._handles, watch=self.watch)

    async def _aopen(self) -> AsyncHttpShell:
        return AsyncHttpShell(self._address, token=self._token, handles=self._handles, watch=self.watch)


_MADE: weakref.WeakSet[HttpxConnection] = weakref.WeakSet()


@atexit.register
def _part() -> None:
    """Let the servers forget what they keep for a program that ends without closing."""
    for connection in list(_MADE):
        with contextlib.suppress(Exception):  # the interpreter ends: it starts no threads any more, from 3.12 on
            connection.part()
