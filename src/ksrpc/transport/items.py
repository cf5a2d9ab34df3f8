"""What a call that answers with many values gives its caller: an iterator, blocking or asynchronous.

Source: docs/reference/client.md "Streams".
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self

from ksrpc.transport.feed import parse_item


class Inlet(ABC):
    """Be where the items of one stream come in, for one thread at a time."""

    @abstractmethod
    def next_bodies(self) -> list[bytes]:
        """Wait for items and return those that are there, still encoded; none at the end.

        Raises:
            BaseException: What ended the stream.
        """

    @abstractmethod
    def close(self) -> None:
        """Let the server know that no more is wanted; never waits."""


class AsyncInlet(ABC):
    """Be where the items of one stream come in, on a loop."""

    @abstractmethod
    async def next_bodies(self) -> list[bytes]:
        """Do what `Inlet.next_bodies` does, awaited."""

    @abstractmethod
    def close(self) -> None:
        """Let the server know that no more is wanted; may be called from anywhere."""


class RemoteIterator(Iterator[Any]):
    """Give the items of a remote generator as they come.

    The server makes further items only as far as these are taken. Leaving the loop, `close` or the end of `with` closes
    the generator there. Threads may share it: each item is given once.
    """

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._lock = threading.Lock()
        self._bodies: deque[bytes] = deque()
        self._is_over = False

    def __next__(self) -> Any:
        with self._lock:
            if not self._bodies:
                self._fetch()
            body = self._bodies.popleft()
        return parse_item(body)

    def _fetch(self) -> None:
        if self._is_over:
            raise StopIteration
        try:
            self._bodies.extend(self._inlet.next_bodies())
        except BaseException:
            self.close()
            raise
        if not self._bodies:
            self._is_over = True
            raise StopIteration

    def close(self) -> None:
        """Take no more; may be called again."""
        self._bodies.clear()
        if not self._is_over:
            self._is_over = True
            self._inlet.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        """Close what nobody holds any more."""
        if "_is_over" in self.__dict__:
            self.close()


class AsyncRemoteIterator(AsyncIterator[Any]):
    """Give the items of a remote generator to `async for`; see `RemoteIterator`."""

    def __init__(self, inlet: AsyncInlet) -> None:
        self._inlet = inlet
        self._lock = asyncio.Lock()
        self._bodies: deque[bytes] = deque()
        self._is_over = False

    async def __anext__(self) -> Any:
        if not self._bodies:
            async with self._lock:
                if not self._bodies:
                    await self._fetch()
                return parse_item(self._bodies.popleft())
        return parse_item(self._bodies.popleft())

    async def _fetch(self) -> None:
        if self._is_over:
            raise StopAsyncIteration
        try:
            self._bodies.extend(await self._inlet.next_bodies())
        except BaseException:
            self._close()
            raise
        if not self._bodies:
            self._is_over = True
            raise StopAsyncIteration

    async def aclose(self) -> None:
        """Take no more; may be called again."""
        self._close()

    def _close(self) -> None:
        self._bodies.clear()
        if not self._is_over:
            self._is_over = True
            self._inlet.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._close()

    def __del__(self) -> None:
        """Close what nobody holds any more."""
        if "_is_over" in self.__dict__:
            self._close()
