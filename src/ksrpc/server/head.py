"""Bound the head of a request: what a stranger sends is counted before anything of it is kept for long.

Source: RFC 6585 section 5; docs/reference/http.md "Limits".
"""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ksrpc.limits import HTTP_HEAD_BYTES
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


class BoundedHttpProtocol(HttpToolsProtocol):
    """Serve HTTP/1.1; close a connection whose request line and headers do not end within their bound.

    The read in which a head begins is not counted: it may be full of the body before it.
    """

    _head_bytes = 0
    _heads = 0
    _is_in_head = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with a transport that sends heads and bodies together."""
        super().connection_made(Cork(cast(asyncio.Transport, transport), self.loop))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Feed the parser and count what it could not yet make a whole head of."""
        before = self._heads
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        self._head_bytes = 0 if self._heads != before else self._head_bytes + len(data)
        if self._head_bytes > HTTP_HEAD_BYTES:
            self._refuse()

    def handle_websocket_upgrade(self) -> None:
        """Refuse what the WebSocket library would not read; it would leave the client without an answer."""
        sizes = [len(self.url), *(len(name) + len(text) for name, text in self.scope["headers"])]
        if len(sizes) > _SOCKET_LINES or max(sizes) > _SOCKET_LINE_BYTES:
            self._refuse()
        else:
            self.transport = getattr(self.transport, "inner", self.transport)  # frames are sent as they come
            super().handle_websocket_upgrade()

    def _refuse(self) -> None:
        self.transport.write(_REFUSAL)
        self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._heads += 1
        self._is_in_head = True

    def on_headers_complete(self) -> None:
        """End to count."""
        self._is_in_head = False
        super().on_headers_complete()
