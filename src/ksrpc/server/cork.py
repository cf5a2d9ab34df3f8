"""Send the head of an answer together with its body: two system calls, and two packets, where one does."""

from __future__ import annotations

import asyncio
from typing import Any

from ksrpc.protocol import Buffer

_STATUS = b"HTTP/1.1 "
_INTERIM = b"HTTP/1.1 1"
#: A larger body goes out by itself: joining would copy it.
_JOIN_BYTES = 1 << 16


class Cork:
    """Stand in for a transport: hold a head back until the body follows, at most until the loop's next turn."""

    __slots__ = ("_head", "_loop", "get_extra_info", "inner", "is_closing")

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.inner = inner
        self._loop = loop
        self._head: bytes = b""
        self.get_extra_info = inner.get_extra_info
        self.is_closing = inner.is_closing

    def write(self, data: Buffer) -> None:
        """Send, or hold a head."""
        head = self._head
        if head:
            self._head = b""
            if len(data) <= _JOIN_BYTES:
                self.inner.write(head + data)
                return
            self.inner.write(head)
        elif data[:9] == _STATUS and data[:10] != _INTERIM:
            self._head = bytes(data)
            self._loop.call_soon(self.flush)
            return
        self.inner.write(data)

    def flush(self) -> None:
        """Send what is held."""
        if self._head:
            head, self._head = self._head, b""
            self.inner.write(head)

    def close(self) -> None:
        """Send what is held and hang up."""
        self.flush()
        self.inner.close()

    def __getattr__(self, name: str) -> Any:
        """Offer the rest of the transport."""
        return getattr(self.inner, name)
