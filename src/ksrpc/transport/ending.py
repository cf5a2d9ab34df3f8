"""Hang up when an event loop ends: who opened a connection without `async with` leaves no open socket either."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable


class LoopEnd:
    """Run a function when the running loop shuts down its asynchronous generators, as `asyncio.run` does at its end.

    The function should hold what it closes weakly: the end may be long in coming.
    """

    def __init__(self, close: Callable[[], None]) -> None:
        self._calls = [close]
        self._waiting = _wait(self._calls)
        self._is_armed = False

    async def arm(self) -> None:
        """Begin to watch; the first call counts."""
        if not self._is_armed:
            self._is_armed = True
            await anext(self._waiting)

    def disarm(self) -> None:
        """Watch no more: what was to be closed is gone already."""
        self._calls.clear()

    def __del__(self) -> None:
        """End the generator here: left to itself it would ask the loop for a task, which may be ending."""
        with contextlib.suppress(StopIteration, RuntimeError):
            self._waiting.aclose().send(None)


async def _wait(calls: list[Callable[[], None]]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        for call in calls:
            call()
