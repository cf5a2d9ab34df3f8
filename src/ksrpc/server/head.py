"""Bound what a stranger can make a connection do: how long a head is, how slowly it comes, how many wait behind it.

Source: RFC 6585 section 5; docs/reference/http.md "Limits".
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ksrpc.limits import HTTP_BODY_RATE, HTTP_HEAD_BYTES, HTTP_HEAD_S, HTTP_PIPELINE, HTTP_QUIET, STALL_S
from ksrpc.server.cork import Cork

_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 25\r\nconnection: close\r\n"
    b"cache-control: private, no-cache\r\nvary: Authorization, Accept\r\n\r\n"
    b"the headers are too long\n"
)
#: What `websockets` reads of a handshake, less its punctuation.
_SOCKET_LINES = 120
_SOCKET_LINE_BYTES = 8000
_VERSIONS = ("1.1", "1.0")
#: How often a connection is looked at.
_LOOK_S = HTTP_HEAD_S / 4


class BoundedHttpProtocol(HttpToolsProtocol):
    """Serve HTTP/1.1; close a connection whose request line and headers do not end within their bound.

    The read in which a head begins is not counted: it may be full of the body before it.
    """

    _head_bytes = 0
    _heads = 0
    _is_in_head = True
    _since = 0.0  # when the connection was made, the last answer ended, or the last head did
    _bytes_since = 0
    _look: asyncio.TimerHandle | None = None
    #: Those that have not sent a whole head yet, the oldest first.
    _quiet: ClassVar[dict[BoundedHttpProtocol, None]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with a transport that sends heads and bodies together."""
        super().connection_made(Cork(cast(asyncio.Transport, transport), self.loop))  # type: ignore[arg-type]
        self._since = self.loop.time()
        self._look = self.loop.call_later(_LOOK_S, self._look_after)
        self._quiet[self] = None
        if len(self._quiet) > HTTP_QUIET:
            oldest = next(iter(self._quiet))
            del self._quiet[oldest]
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look at it no more."""
        self._stop_looking()
        self._quiet.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser and count what it could not yet make a whole head of."""
        before = self._heads
        self._bytes_since += len(data)
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        self._head_bytes = 0 if self._heads != before else self._head_bytes + len(data)
        if self._head_bytes > HTTP_HEAD_BYTES:
            self._refuse()

    def _look_after(self) -> None:
        """Hang up on who keeps the connection and sends nothing, or hardly anything, of what is waited for."""
        now = self.loop.time()
        waited_s = now - self._since
        if self.cycle is None or self.cycle.response_complete:
            is_overdue = waited_s > HTTP_HEAD_S
        elif not self.cycle.more_body:
            is_overdue = False
        elif self.flow.read_paused:  # it is we who keep it waiting
            self._since, self._bytes_since, is_overdue = now, 0, False
        else:
            is_overdue = waited_s > STALL_S + self._bytes_since / HTTP_BODY_RATE
        if is_overdue:
            self._look = None
            self.transport.abort()
        else:
            self._look = self.loop.call_later(_LOOK_S, self._look_after)

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def on_response_complete(self) -> None:
        """Wait for the next head from now on."""
        self._since = self.loop.time()
        super().on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        """Refuse what the WebSocket library would not read; it would leave the client without an answer."""
        sizes = [len(self.url), *(len(name) + len(text) for name, text in self.scope["headers"])]
        if len(sizes) > _SOCKET_LINES or max(sizes) > _SOCKET_LINE_BYTES:
            self._refuse()
        else:
            self._stop_looking()
            self.transport = getattr(self.transport, "inner", self.transport)  # frames are sent as they come
            super().handle_websocket_upgrade()

    def _refuse(self) -> None:
        self.transport.write(_REFUSAL)
        self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to count; one read may hold ten thousand requests.

        Raises:
            ValueError: Too many wait; the parser hands it on as an error of the request.
        """
        if len(self.pipeline) >= HTTP_PIPELINE:
            raise ValueError("too many requests wait on this connection")
        super().on_message_begin()
        self._heads += 1
        self._is_in_head = True

    def on_headers_complete(self) -> None:
        """End to count.

        Raises:
            ValueError: It names a version of before HTTP/1.0, or another host than `Host` may: the parser hands it on.
        """
        if self.url[:1] not in (b"/", b"*") or self.parser.get_http_version() not in _VERSIONS:
            raise ValueError("a request names a path, and is of HTTP/1.0 or 1.1")
        self._is_in_head = False
        self._quiet.pop(self, None)
        self._since, self._bytes_since = self.loop.time(), 0
        super().on_headers_complete()
