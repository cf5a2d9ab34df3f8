"""What the calls of a session show of themselves, read off what is there anyway.

Source: docs/spec/protocol.md "Calls".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ksrpc.protocol.event import StatusCame
from ksrpc.protocol.frame import FrameType
from ksrpc.transport.watch import Sight, Sizes, State
from ksrpc.wire import Compaction, Reader

if TYPE_CHECKING:
    from ksrpc.protocol.outbox import Stream
    from ksrpc.transport.conversation import Conversation, Waiting


class News:
    """Hold what a call was told before its value was there.

    Attributes:
        position: Its place in the queue, 1 is next; 0 outside of it.
        came_bytes: Bytes that came, compressed or not, of the value so far.
        reader: What puts the value together, once it comes in parts.
    """

    __slots__ = ("came_bytes", "position", "reader")

    def __init__(self) -> None:
        self.position = 0
        self.came_bytes = 0
        self.reader: Reader | None = None

    def hear(self, event: StatusCame) -> None:
        """Take note of the place in the queue, or of the end of queueing."""
        position = event.meta.get("position") if event.type == FrameType.QUEUED else 0
        self.position = position if isinstance(position, int) else 0


def look_at(talk: Conversation) -> Iterator[Sight]:
    """Show the calls of one session that wait; from any thread."""
    for call, waiter in list(dict(talk.waiters).items()):
        if not waiter.is_done or waiter.feed is not None:
            yield _look_at_one((id(talk), call), waiter, talk.session.outbox.streams.get(call), talk)


def _look_at_one(key: tuple[int, int], waiter: Waiting, stream: Stream | None, talk: Conversation) -> Sight:
    news = waiter.news
    if not talk.is_attached and not waiter.is_done:
        return Sight(key, waiter.path, State.RECONNECTING)
    if waiter.feed is not None:
        return Sight(key, waiter.path, State.STREAMING, items=waiter.feed.came, is_idle=waiter.is_done)
    if stream is not None:
        return Sight(key, waiter.path, State.SENDING, 0, *_sent(stream))
    if news is None:
        return Sight(key, waiter.path, State.RUNNING)
    if news.reader is not None:
        reader = news.reader
        sizes = reader.filled_bytes, reader.total_bytes or 0, news.came_bytes
        return Sight(key, waiter.path, State.RECEIVING, 0, *sizes)
    return Sight(key, waiter.path, State.QUEUED if news.position else State.RUNNING, news.position)


def _sent(stream: Stream) -> Sizes:
    source, waiting_bytes = stream.source, stream.waiting_bytes
    if isinstance(source, Compaction):
        return source.sent_bytes(waiting_bytes), source.total_bytes, stream.offset
    return stream.offset, stream.offset + waiting_bytes, stream.offset
