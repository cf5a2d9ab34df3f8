"""A call that is to be awaited, or iterated if it answers with many values.

Source: docs/reference/client.md "Streams".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator
from types import TracebackType
from typing import Any


class PendingCall(Coroutine[Any, Any, Any]):
    """Be what a coroutine function and an asynchronous generator function give: code written for either goes on.

    Args:
        call: The coroutine that makes the call.
        path: What is called, for errors.
    """

    __slots__ = ("_call", "_entered", "_path")

    def __init__(self, call: Coroutine[Any, Any, Any], path: str) -> None:
        self._call = call
        self._path = path
        self._entered: Any = None

    async def __aenter__(self) -> Any:
        """Make the call and enter what it gave: `async with remote.Account("a") as account:`."""
        self._entered = await self._call
        if not hasattr(type(self._entered), "__aenter__"):
            kind = type(self._entered).__name__
            raise TypeError(f"the remote {self._path} gave one {kind}, which `async with` does not enter: await it")
        return await self._entered.__aenter__()

    async def __aexit__(
        self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> Any:
        return await self._entered.__aexit__(cls, exc, tb)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._call.__await__()

    def __aiter__(self) -> AsyncIterator[Any]:
        return _Items(self._call, self._path)

    def send(self, value: Any) -> Any:
        """Go on, as a task does it."""
        return self._call.send(value)

    def throw(
        self, typ: Any, val: BaseException | object = None, tb: TracebackType | None = None
    ) -> Any:  # the signature of the base
        """Raise in it, as a task does it."""
        return self._call.throw(typ) if val is None and tb is None else self._call.throw(typ, val, tb)

    def close(self) -> None:
        """Give it up before it is over."""
        self._call.close()

    def __repr__(self) -> str:
        return f"<call of the remote {self._path}, to be awaited>"


class _Items(AsyncIterator[Any]):
    """Make the call with the first item that is asked for."""

    def __init__(self, call: Coroutine[Any, Any, Any], path: str) -> None:
        self._call = call
        self._path = path
        self._items: AsyncIterator[Any] | None = None

    async def __anext__(self) -> Any:
        if self._items is None:
            answer = await self._call
            if not isinstance(answer, AsyncIterator):
                raise TypeError(f"the remote {self._path} gave one {type(answer).__name__}, not a stream: await it")
            self._items = answer
        return await anext(self._items)

    async def aclose(self) -> None:
        """Take no more."""
        if self._items is None:
            self._call.close()
        else:
            await self._items.aclose()  # type: ignore[attr-defined]
