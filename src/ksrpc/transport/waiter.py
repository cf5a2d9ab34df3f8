"""What one thread or one task waits for: the answer to its call, or a thread its turn to read the socket."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import Any

from ksrpc import wire
from ksrpc.errors import DecodeError, KsrpcError, TooLargeError
from ksrpc.protocol import Buffer
from ksrpc.protocol.event import RaiseCame, ResultCame
from ksrpc.protocol.fault import RAISED, parse_fault
from ksrpc.transport.problem import lost_answer


class Collector(ABC):
    """Collect the answer of one call; decoded by who asked, not by who reads."""

    __slots__ = ("_body", "_error", "_raised", "_reader", "is_done")

    def __init__(self) -> None:
        self.is_done = False
        self._reader: wire.Reader | None = None
        self._body: Buffer = b""
        self._raised: Buffer | None = None
        self._error: KsrpcError | None = None

    def take(self, event: ResultCame) -> None:
        """Take a piece of the value.

        Raises:
            DecodeError: It is not one.
        """
        if event.fin and self._reader is None:
            self._body = bytes(event.body)  # it may lie in the carrier's buffer
        else:
            if self._reader is None:
                self._reader = wire.Reader(wire.RESULT_TABLE)
            self._reader.feed(event.body)
        if event.fin:
            self._finish()

    def fail(self, event: RaiseCame) -> None:
        """Take the end without a value."""
        if event.meta.get("code") == RAISED:
            self._raised = bytes(event.body)
        else:
            self._error = parse_fault(event.meta)
        self._finish()

    def lose(self, error: KsrpcError) -> None:
        """End without an answer."""
        self._error = error
        self._finish()

    def result(self) -> Any:
        """Return the value, or raise what ended the call."""
        if self._error is not None:
            raise self._error
        try:
            if self._raised is None:
                return wire.parse(self._body) if self._reader is None else self._reader.value()
            error = wire.parse_error(self._raised)
        except (DecodeError, TooLargeError) as exc:
            raise lost_answer(exc) from exc
        raise error

    @abstractmethod
    def wake(self) -> None:
        """Let go on who waits."""

    def _finish(self) -> None:
        self.is_done = True
        self.wake()


class Waiter(Collector):
    """Hold up a thread."""

    __slots__ = ("_gate",)

    def __init__(self) -> None:
        super().__init__()
        self._gate = threading.Lock()
        self._gate.acquire()

    def wait(self, timeout_s: float) -> None:
        """Sleep until the answer is there, or it is this thread's turn to read, or the time is over."""
        self._gate.acquire(timeout=timeout_s)

    def wake(self) -> None:
        """End the sleep; of several wakes one counts."""
        try:  # noqa: SIM105 - on the path of every call, and suppress() is slow
            self._gate.release()
        except RuntimeError:  # nobody asleep, or woken already
            pass


class Pledge(Collector):
    """Hold up a task: await `done`."""

    __slots__ = ("done",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.done: asyncio.Future[None] = loop.create_future()

    def wake(self) -> None:
        """Let the task go on, if it has not given up."""
        if not self.done.done():
            self.done.set_result(None)
