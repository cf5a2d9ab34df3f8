"""Steps with what a worker process keeps: reading an iterator on, letting it go.

Source: docs/spec/protocol.md "Kept objects".
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ksrpc.errors import CancelledError, DeadlineError, KsrpcError
from ksrpc.gateway.child import Child
from ksrpc.gateway.flow import Sink
from ksrpc.limits import DROP_S
from ksrpc.protocol import Buffer
from ksrpc.transport.link import Received
from ksrpc.worker.holding import DROP, PULL

#: A call on its way: its number, and what it will give.
Opened: TypeAlias = tuple[int, asyncio.Future[Received]]
#: Lends a process until a deadline, opens something there and waits for it.
Run: TypeAlias = Callable[[float, Callable[[], Opened]], Awaitable[Received]]


class Steps(ABC):
    """Take steps with one iterator.

    Args:
        child: The process that keeps it.
        number: Its number there.
        span_s: How long each step may take.
    """

    def __init__(self, child: Child, number: int, span_s: float) -> None:
        self._child = child
        self._number = number
        self._span_s = span_s
        child.held += 1

    @abstractmethod
    async def pull(self, sink: Sink) -> tuple[Buffer, ...]:
        """Read on; what comes early goes to `sink`.

        Raises:
            RaisedError: The library raised.
            KsrpcError: It took too long, or the process is lost.
        """

    @abstractmethod
    async def drop(self) -> None:
        """Let the worker forget it. A step that is still under way gets a moment to end by itself."""

    def _use(self, what: str, sink: Sink | None = None) -> Opened:
        return self._child.link.use(self._number, what, sink)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class SerialSteps(Steps):
    """Take steps in a process that does one thing at a time.

    Args:
        run: Lends that process.
    """

    def __init__(self, child: Child, number: int, span_s: float, run: Run) -> None:
        super().__init__(child, number, span_s)
        self._run = run
        self._is_pulling = False

    async def pull(self, sink: Sink) -> tuple[Buffer, ...]:
        """Wait for the process's turn, and read on."""

        def begin() -> Opened:
            self._is_pulling = True
            return self._use(PULL, sink)

        try:
            return (await self._run(self._now + self._span_s, begin)).pieces
        finally:
            self._is_pulling = False

    async def drop(self) -> None:
        """Hurry a step that is under way, then forget."""
        child = self._child
        if self._is_pulling and child.deadline is not None:
            child.deadline = min(child.deadline, self._now + DROP_S)
        with contextlib.suppress(KsrpcError):
            await self._run(self._now + self._span_s, lambda: self._use(DROP))
        child.held -= 1


class SharedSteps(Steps):
    """Take steps in the process that does many things side by side."""

    def __init__(self, child: Child, number: int, span_s: float) -> None:
        super().__init__(child, number, span_s)
        self._pulling = 0

    async def pull(self, sink: Sink) -> tuple[Buffer, ...]:
        """Read on."""
        child = self._child
        call, future = self._use(PULL, sink)
        self._pulling, child.expiring[call] = call, self._now + self._span_s
        try:
            return (await future).pieces
        except CancelledError as exc:
            raise DeadlineError("the next item took longer than the call's time") from exc
        finally:
            self._pulling = 0
            child.expiring.pop(call, None)

    async def drop(self) -> None:
        """Cancel a step that is under way, then forget."""
        child = self._child
        if self._pulling:
            child.link.cancel(self._pulling)
        with contextlib.suppress(KsrpcError, TimeoutError):
            call, future = self._use(DROP)
            child.expiring[call] = self._now + DROP_S
            try:
                await future
            finally:
                child.expiring.pop(call, None)
        child.held -= 1
