"""The shells of one connection: one for all threads of a process, and one for each event loop."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar


class Shell(Protocol):
    """Be what owns sockets: blocking, or on one loop."""

    @property
    def is_usable(self) -> bool:
        """Tell whether new calls may be made."""

    def close(self) -> None:
        """Hang up."""


class LoopShell(Shell, Protocol):
    """Be one on a loop."""

    async def wait_closed(self) -> None:
        """Wait, after `close`, until the server knows of it."""


S = TypeVar("S", bound=Shell)
A = TypeVar("A", bound=LoopShell)


class _Seat(Generic[A]):
    """Hold the shell of one event loop."""

    def __init__(self) -> None:
        self.opening = asyncio.Lock()
        self.shell: A | None = None


class Shells(Generic[S, A]):
    """Open a shell with the first call and again after the last one was lost; the child of a fork has its own.

    It holds nothing of its connection, so that the sockets close with the last reference to that.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine: tuple[int, S] | None = None  # with its process, in one: the child of a fork has several threads
        self._seats: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Seat[A]] = weakref.WeakKeyDictionary()
        _MADE.add(self)

    def get(self, make: Callable[[], S]) -> S:
        """Return the shell for threads."""
        mine = self._mine
        if mine is not None and mine[0] == os.getpid() and mine[1].is_usable:
            return mine[1]
        with self._lock:
            mine = self._mine
            if mine is None or mine[0] != os.getpid() or not mine[1].is_usable:
                mine = self._mine = (os.getpid(), make())
            return mine[1]

    async def aget(self, make: Callable[[], Awaitable[A]]) -> A:
        """Return the shell of the running loop."""
        loop = asyncio.get_running_loop()
        seat = self._seats.get(loop)
        if seat is None:
            with self._lock:
                seat = self._seats[loop] = _Seat()
        if seat.shell is not None and seat.shell.is_usable:
            return seat.shell
        async with seat.opening:
            if seat.shell is None or not seat.shell.is_usable:
                seat.shell = await make()
            return seat.shell

    def close(self) -> None:
        """Close them all; each that belongs to a loop on its loop."""
        with self._lock:
            mine, self._mine = self._mine, None
            seats = list(self._seats.items())
        if mine is not None and mine[0] == os.getpid():
            mine[1].close()
        for loop, seat in seats:
            shell, seat.shell = seat.shell, None
            if shell is not None and not loop.is_closed():
                loop.call_soon_threadsafe(shell.close)

    def part(self) -> None:
        """Close the one for threads; those of loops go with their loops."""
        mine, self._mine = self._mine, None
        if mine is not None and mine[0] == os.getpid():
            mine[1].close()

    async def aclose(self) -> None:
        """Close them all, and wait until the server knows of the one on this loop."""
        seat = self._seats.get(asyncio.get_running_loop())
        shell = seat.shell if seat is not None else None
        self.close()
        await asyncio.sleep(0)
        if shell is not None:
            await shell.wait_closed()

    def unlock(self) -> None:
        """Free the lock in the child of a fork: the thread that may have held it does not exist there."""
        self._lock = threading.Lock()


_MADE: weakref.WeakSet[Shells[Any, Any]] = weakref.WeakSet()


def _unlock() -> None:
    for shells in _MADE:
        shells.unlock()


@atexit.register
def _part() -> None:
    """Say good-bye for a program that ends without closing: the servers need not wait for its sessions to come back."""
    for shells in list(_MADE):
        with contextlib.suppress(Exception):  # nobody is left to be told
            shells.part()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
