"""Step 6: one upstream call for each key, however many callers ask at the same time.

The call belongs to nobody: who asked first may go, the others still get the answer. When the last one has gone the
call is given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ksrpc.errors import DeadlineError
from ksrpc.gateway.call import Answer


class _Flight:
    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Future[Answer]) -> None:
        self.task = task
        self.waiting = 0


class Flights:
    """Hold the calls that are under way, by key."""

    def __init__(self) -> None:
        self._open: dict[bytes, _Flight] = {}

    async def join(self, key: bytes, start: Callable[[], Awaitable[Answer]], *, deadline: float) -> tuple[Answer, bool]:
        """Wait for the answer of this key's flight, starting it if there is none.

        Returns:
            The answer, and whether this caller started the flight.

        Raises:
            DeadlineError: This caller's time was over first.
            KsrpcError: What the flight ended with; all who wait get the same.
        """
        flight = self._open.get(key)
        is_first = flight is None
        if flight is None:
            flight = self._open[key] = _Flight(asyncio.ensure_future(start()))
            flight.task.add_done_callback(lambda _: self._open.pop(key, None))
        flight.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(flight.task), is_first
        except TimeoutError:
            raise DeadlineError("the answer that others wait for too did not come within the call's time") from None
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._open.pop(key, None)
                flight.task.cancel()
            elif flight.task.done() and not flight.task.cancelled():
                _settle(flight)


def _settle(flight: _Flight) -> None:
    """Look at what came, in case whoever waited was cut off in the same moment."""
    if flight.task.exception() is None and not flight.waiting:
        answer = flight.task.result()
        if (kept := answer.flow or answer.pin) is not None:
            asyncio.get_running_loop().call_soon(kept.close_unclaimed)
