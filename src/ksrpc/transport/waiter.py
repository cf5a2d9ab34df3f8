"""What one thread or one task waits for: the answer to its call, or a thread its turn to read the socket."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import Any

from ksrpc import wire
from ksrpc.errors import DecodeError, KsrpcError, LostError, TooLargeError
from ksrpc.protocol import Buffer, Meta
from ksrpc.protocol.event import RaiseCame, ResultCame, StatusCame
from ksrpc.protocol.fault import RAISED, parse_fault
from ksrpc.transport.feed import Feed, raised
from ksrpc.transport.held import check_handle
from ksrpc.transport.problem import lost_answer, throw
from ksrpc.transport.sight import News


class Collector(ABC):
    """Collect the answer of one call; decoded by who asked, not by who reads.

    Attributes:
        is_done: Whether there is nothing to wait for; of a stream also while nobody waits.
        feed: The items, if the answer is a stream.
        handle: The handle, if the answer stands for an object on the server.
        news: What it was told before the value was there; None as long as that is nothing.
        path: What is called, where somebody looks.
        ahead_bytes: Bytes of the next slice that came already, before the connection broke.
    """

    __slots__ = ("_body", "_error", "_raised", "_reader", "ahead_bytes", "feed", "handle", "is_done", "news", "path")

    path: str

    def __init__(self) -> None:
        self.is_done = False
        self.ahead_bytes = 0
        self.feed: Feed | None = None
        self.handle: str | None = None
        self.news: News | None = None
        self._reader: wire.Reader | None = None
        self._body: Buffer = b""
        self._raised: Buffer | None = None
        self._error: BaseException | None = None

    def take(self, event: ResultCame) -> int:
        """Take a piece of the value; return how many of its bytes need not be waited for.

        Raises:
            DecodeError: It is not one.
            LostError: It is no part of a stream.
        """
        if self.feed is not None or (event.meta and "kind" in event.meta and self._is_many(event.meta)):
            return self._take_items(event)
        if event.fin and self._reader is None:
            self._body = bytes(event.body)  # it may lie in the carrier's buffer
        else:
            reader = self._reader or self._open_reader()
            fresh = event.body[self.ahead_bytes :] if self.ahead_bytes else event.body
            self.ahead_bytes = max(0, self.ahead_bytes - len(event.body))
            self.fill_slice(len(fresh))
            reader.feed(fresh)
        if event.fin:
            self._finish()
        return len(event.body)

    def _open_reader(self) -> wire.Reader:
        self._reader = reader = wire.Reader(wire.RESULT_TABLE)
        self.news = News()
        self.news.reader = reader
        return reader

    def open_slice(self, meta: Meta) -> wire.Reader | None:
        """Return what takes the bytes of the next slice as they come; None if it has to be there whole."""
        if self.is_done or self.ahead_bytes or self.feed is not None or "kind" in meta:
            return None
        return self._reader or self._open_reader()

    def fill_slice(self, count: int) -> None:
        """Take note that bytes of it came."""
        if self.news is not None:
            self.news.came_bytes += count

    def close_slice(self, *, fin: bool) -> None:
        """Take note of its end."""
        if fin:
            self._finish()

    def _is_many(self, meta: Meta) -> bool:
        """Take note of what the answer is; tell whether it is a stream."""
        if meta["kind"] == "handle":
            self.handle = check_handle(meta.get("handle"))
        return bool(meta["kind"] == "stream")

    def _take_items(self, event: ResultCame) -> int:
        if self.feed is None:
            self.feed = Feed()
            self._finish()
        count = self.feed.put(event.body)
        if event.fin:
            self.feed.end()
        if self.feed.has_news:
            self._finish()
        return count

    def hear(self, event: StatusCame) -> None:
        """Take what informs only."""
        self.news = self.news or News()
        self.news.hear(event)

    def fail(self, event: RaiseCame) -> None:
        """Take the end without a value."""
        if self.feed is not None:
            self.feed.end(raised(event.meta, event.body))
        elif event.meta.get("code") == RAISED:
            self._raised = bytes(event.body)
        else:
            self._error = parse_fault(event.meta)
        self._finish()

    def lose(self, error: KsrpcError) -> None:
        """End without an answer."""
        if self.feed is not None:
            self.feed.end(error)
        else:
            self._error = error
        self._finish()

    def result(self) -> Any:
        """Return the value, or raise what ended the call, once."""
        if self._error is not None:
            throw(self._take_error())
        try:
            if self._raised is None:
                return wire.parse(self._body) if self._reader is None else self._reader.value()
            self._error = wire.parse_error(self._raised)
        except (DecodeError, TooLargeError) as exc:
            raise lost_answer(exc) from exc
        return throw(self._take_error())

    def _take_error(self) -> BaseException:
        error, self._error = self._error, None
        return error or LostError("the answer was taken already")

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

    def renew(self) -> None:
        """Wait once more: for the next item of a stream."""
        self.is_done = False
        self.done = self.done.get_loop().create_future()

    def wake(self) -> None:
        """Let the task go on, if it has not given up."""
        if not self.done.done():
            self.done.set_result(None)
