"""An object that is kept on the server, used as if it were here.

Source: docs/reference/client.md "Objects on the server".
"""

from __future__ import annotations

import contextlib
import os
import weakref
from types import TracebackType
from typing import Any, NoReturn

from ksrpc.client.description import Docstring, Signature, parse_doc, parse_members, parse_signature
from ksrpc.client.pending import PendingCall
from ksrpc.connections.base import Connection, Options
from ksrpc.errors import KsrpcError
from ksrpc.transport.held import RELEASE, Held

__all__ = ["RemoteHandle", "RemoteMethod", "acall", "adopt"]

_TEXT_CHARS = 1000


class RemoteHandle:
    """Stand for an object on the server.

    Its listed methods are called, its listed attributes read, over the connection that it came by. When nobody holds
    this any more, or with `release`, the server forgets the object.
    """

    __slots__ = ("__weakref__", "_connection", "_held", "_letting_go", "_options", "_pid")

    __doc__ = Docstring(__doc__, lambda handle: parse_doc(handle._held.description.get("doc")) or None)

    _connection: Connection
    _held: Held
    _letting_go: weakref.finalize[Any, Any]
    _options: Options
    _pid: int

    def __init__(self, held: Held, connection: Connection, options: Options) -> None:
        put = object.__setattr__
        put(self, "_held", held)
        put(self, "_connection", connection)
        put(self, "_options", options)
        put(self, "_pid", os.getpid())
        letting_go = weakref.finalize(self, _let_go, held, os.getpid())
        letting_go.atexit = False  # the connection ends with the program, and the object with that
        put(self, "_letting_go", letting_go)

    def __getattr__(self, name: str) -> Any:
        """Give a listed method, or the value of a listed attribute (something to await, if calls are awaited)."""
        if name.startswith("_"):
            raise AttributeError(f"{name!r}: names that begin with an underscore are not remote")
        return self[name]

    def __getitem__(self, name: str) -> Any:
        """Reach a name that is taken here: `handle["release"]`."""
        member = self._members.get(name) if isinstance(name, str) else None
        if member is None:
            raise AttributeError(f"{self._class} offers no {name!r} here; it offers {', '.join(self._members) or '—'}")
        return self._call(name) if member.get("kind") == "value" else RemoteMethod(self, name, member)

    def release(self) -> Any:
        """Let the server forget the object now (something to await, if calls are awaited); may be called again."""
        if self._letting_go.detach() is None or self._pid != os.getpid():
            return _nothing() if self._options.async_local else None
        args = ([self._held.id],)
        if self._options.async_local:
            return self._connection.acall(RELEASE, args, {}, Options(async_local=True))
        return self._connection.call(RELEASE, args, {}, Options())

    @property
    def is_released(self) -> bool:
        """Tell whether this was let go here."""
        return not self._letting_go.alive

    def __enter__(self) -> Any:
        if self._options.async_local:
            raise TypeError("the calls of this object are awaited: use `async with`")
        return self._entered(self._call(":enter"))

    def __exit__(self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> bool:
        try:
            return bool(self._call(":exit", *_told(exc))) and isinstance(exc, Exception)
        finally:
            with contextlib.suppress(KsrpcError):
                self.release()

    async def __aenter__(self) -> Any:
        return self._entered(await self._acall(":enter"))

    async def __aexit__(
        self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> bool:
        try:
            return bool(await self._acall(":exit", *_told(exc))) and isinstance(exc, Exception)
        finally:
            with contextlib.suppress(KsrpcError):
                await self._connection.acall(RELEASE, ([self._held.id],), {}, Options(async_local=True))
            self._letting_go.detach()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name!r} cannot be set on an object of the server")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name!r} cannot be deleted on an object of the server")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a handle can neither be copied nor stored: it belongs to this session")

    def __dir__(self) -> list[str]:
        return sorted({*parse_members(self._members), "release", "is_released"})

    def __repr__(self) -> str:
        state = " (released)" if self.is_released else ""
        return f"<{self._class} at {self._connection.url}{state}>"

    @property
    def _class(self) -> str:
        return str(self._held.description.get("class", "object"))

    @property
    def _members(self) -> dict[str, Any]:
        members: dict[str, Any] = self._held.description.get("members", {})
        return members

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if self._options.async_local:
            return PendingCall(self._acall(name, *args, **kwargs), f"{self._class}.{name}")
        found = self._connection.call(f"@{self._held.id}.{name}", args, kwargs, self._options)
        return adopt(found, self._connection, self._options)

    async def _acall(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return await acall(self._connection, f"@{self._held.id}.{name}", args, kwargs, self._options)

    def _entered(self, found: Any) -> Any:
        """Read what entering gave: whether it is the object itself, and what it is if not."""
        is_self, value = found
        return self if is_self else value


class RemoteMethod:
    """Call a listed method of an object on the server."""

    __doc__ = Docstring(__doc__, lambda method: parse_doc(method._told.get("doc")) or None)
    __signature__ = Signature(lambda method: parse_signature(method._told))

    def __init__(self, handle: RemoteHandle, name: str, told: dict[str, Any]) -> None:
        self._handle = handle
        self.__name__ = name
        self.__qualname__ = f"{handle._class.rpartition('.')[2]}.{name}"
        self._told = told

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._handle._call(self.__name__, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<method {self.__name__} of {self._handle!r}>"


def adopt(value: Any, connection: Connection, options: Options) -> Any:
    """Make of an answer that stands for an object what callers use; return every other as it is."""
    return RemoteHandle(value, connection, options) if type(value) is Held else value


async def acall(
    connection: Connection, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options
) -> Any:
    """Make an awaited call; see `adopt`."""
    value = await connection.acall(path, args, kwargs, options)
    return value if type(value) is not Held else RemoteHandle(value, connection, options)


def _let_go(held: Held, pid: int) -> None:
    """Let an object go; the child of a fork leaves it to its parent."""
    if pid == os.getpid():
        held.release(held.id)


def _told(failure: BaseException | None) -> tuple[Any, ...]:
    """Tell the server by class name and text what ended a block."""
    return () if failure is None else ([type(failure).__name__, str(failure)[:_TEXT_CHARS]],)


async def _nothing() -> None:
    """Be awaited where there is nothing to wait for."""
