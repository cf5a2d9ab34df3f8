"""Drive the awaited side of a connection as if it were the blocking one, so that one test body covers both."""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from ksrpc.connections.base import Connection, Options, Timeout
from ksrpc.connections.shell import Shell
from ksrpc.transport.items import AsyncRemoteIterator

T = TypeVar("T")
#: The library whose loop awaited calls run on: a program of its own says `from {LOOP} import run`.
LOOP = os.environ.get("KSRPC_TEST_LOOP", "asyncio")
_LIBRARY = importlib.import_module(LOOP)
new_loop: Callable[[], asyncio.AbstractEventLoop] = _LIBRARY.new_event_loop
#: Threads that make their first call at the same time share one loop. The child of a fork may find it held by nobody.
_MAKING = threading.Lock()
os.register_at_fork(after_in_child=_MAKING._at_fork_reinit)  # type: ignore[attr-defined]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new loop of the kind that $KSRPC_TEST_LOOP names: asyncio (the default) or uvloop."""
    done: T = _LIBRARY.run(work)
    return done


# libuv opens a pipe for the whole process with its first loop: before any test that counts what it leaves open.
run(asyncio.to_thread(int))


class LoopThread:
    """Run an event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = new_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def stop(self) -> None:
        """End the loop as `asyncio.run` does."""
        self.run(self.loop.shutdown_asyncgens())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Items(Iterator[Any]):
    """Read a stream of the loop's as a blocking one."""

    def __init__(self, awaited: Awaited, items: AsyncRemoteIterator) -> None:
        self._awaited = awaited
        self._items = items

    def __next__(self) -> Any:
        item = self._awaited.run(_next(self._items))
        if item is _END:
            raise StopIteration
        return item

    def add_up(self, count: int | None) -> Any:
        """Sum the next items, or all that are left, on the loop: a step of the loop for each would take long."""
        return self._awaited.run(_add_up(self._items, count))

    def close(self) -> None:
        """Take no more."""
        self._awaited.run(self._items.aclose())


_END = object()


async def _add_up(items: AsyncRemoteIterator, count: int | None) -> Any:
    total: Any = 0
    while count is None or count > 0:
        item: Any = await anext(items, _END)
        if item is _END:
            break
        total += item
        count = None if count is None else count - 1
    return total


async def _next(items: AsyncRemoteIterator) -> Any:
    return await anext(items, _END)


class Awaited(Connection):
    """Make every call of a connection on a loop; the child of a fork has a loop of its own."""

    def __init__(self, inner: Connection) -> None:
        self._inner = inner
        self._driver: LoopThread | None = None
        self._driver_pid = 0
        super().__init__(inner.url, timeout=inner.timeout)

    @property
    def timeout(self) -> Timeout:
        return self._inner.timeout

    @timeout.setter
    def timeout(self, value: Timeout) -> None:
        self._inner.timeout = value

    def call(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        answer = self.run(self._inner.acall(path, args, kwargs, options))
        return Items(self, answer) if isinstance(answer, AsyncRemoteIterator) else answer

    async def acall(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        return await self._inner.acall(path, args, kwargs, options)

    def describe(self, path: str) -> dict[str, Any]:
        return self.run(self._inner.adescribe(path))

    async def adescribe(self, path: str) -> dict[str, Any]:
        return await self._inner.adescribe(path)

    def ask(self, target: str) -> dict[str, Any]:
        return self.run(self._inner.aask(target))

    async def aask(self, target: str) -> dict[str, Any]:
        return await self._inner.aask(target)

    async def _aopen(self) -> Shell:
        raise AssertionError("it opens nothing itself")

    def close(self) -> None:
        if self._driver is not None and self._driver_pid == os.getpid():
            self._driver.run(self._inner.aclose())

    def stop(self) -> None:
        """Close it and end its loop."""
        self.close()
        if self._driver is not None and self._driver_pid == os.getpid():
            self._driver.stop()
        self._driver = None

    def __exit__(self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def __enter__(self) -> Self:
        return self

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._driver is None or self._driver_pid != os.getpid():
            with _MAKING:
                if self._driver is None or self._driver_pid != os.getpid():
                    self._driver, self._driver_pid = LoopThread(), os.getpid()
        return self._driver.run(work)
