"""The answer to one HTTP request while it comes in, sans I/O: h11 reads the head, a value goes straight to its reader.

Source: docs/reference/http.md.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11

from ksrpc import wire
from ksrpc.errors import LostError
from ksrpc.transport.feed import Feed
from ksrpc.transport.held import MEDIA_TYPE as HELD_TYPE
from ksrpc.transport.http import ERROR_BYTES, parse_failure
from ksrpc.transport.watch import State, Trail
from ksrpc.wire.item import MEDIA_TYPE as STREAM_TYPE


class Exchange:
    """Hold one request's answer while it comes in."""

    def __init__(self, protocol: h11.Connection, future: asyncio.Future[None], trail: Trail) -> None:
        self.protocol = protocol
        self.trail = trail
        self.future = future
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.reader: wire.Reader | None = None
        self.is_held = False  # the value tells of an object on the server
        self.body = bytearray()
        self.items: Feed | None = None  # of a stream
        self.news = asyncio.Event()
        self.is_streamed = False  # past h11: the rest of the body goes straight to the reader
        self.was_sent = False
        self.came_bytes = 0  # of the value, compressed or not

    def feed(self, data: bytes) -> bool:
        """Take bytes until the body's way is clear; return whether the answer is whole."""
        self.protocol.receive_data(data)
        while True:
            event = self.protocol.next_event()
            if isinstance(event, h11.Response):
                self._begin(event)
                if self.is_streamed:
                    return self._stream(bytes(self.protocol.trailing_data[0]))
            elif isinstance(event, h11.Data):
                self._take(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return True
            elif event in (h11.NEED_DATA, h11.PAUSED):
                return False
            elif isinstance(event, h11.ConnectionClosed):
                raise LostError("the server closed the connection before its answer")

    def _begin(self, event: h11.Response) -> None:
        self.status = event.status_code
        self.headers = dict(event.headers)
        media_type = self.headers.get(b"content-type")
        self.is_held = media_type == HELD_TYPE.encode()
        if self.status == 200 and (self.is_held or media_type == wire.MEDIA_TYPE.encode()):
            self.reader = reader = wire.Reader(wire.RESULT_TABLE)
            self.trail.turn(State.RECEIVING, lambda: (reader.filled_bytes, reader.total_bytes or 0, self.came_bytes))
            self.is_streamed = b"content-length" in self.headers
        elif self.status == 200 and media_type == STREAM_TYPE.encode():
            self.items = Feed()
            self.trail.stream(self.items)

    def _stream(self, data: bytes) -> bool:
        self._take(data)
        return self.reader is not None and self.reader.done

    def _take(self, data: bytes) -> None:
        if self.reader is not None:
            self.came_bytes += len(data)
            self.reader.feed(data)
        elif self.items is not None:
            self.items.put(data)
        elif len(self.body) < ERROR_BYTES:
            self.body += data

    def value(self) -> Any:
        """Return the value, or hold the error that came in its place."""
        if self.reader is not None:
            if not self.reader.done:
                raise LostError("the server broke the answer off")
            return self.reader.value()
        media_type = self.headers.get(b"content-type", b"").decode("latin-1")
        return parse_failure(self.status, media_type, bytes(self.body))

    @property
    def keeps(self) -> bool:
        """Tell whether the connection can be used again."""
        return self.headers.get(b"connection", b"").lower() != b"close" and self.protocol.their_state in (
            h11.DONE,
            h11.SEND_BODY,  # a body that went past h11
        )
