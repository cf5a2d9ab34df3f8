"""One blocking HTTP connection: it knows until when its request may take, and sends and reads small calls at once."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

from ksrpc.protocol import Buffer
from ksrpc.transport.watch import Trail, no_trail

#: A small answer comes with its head in one read.
_READ_BYTES = 1 << 15


class HttpConnection(http.client.HTTPConnection):
    """Know what its request is at, and until when; a socket by itself counts its time anew with each piece."""

    trail: Trail = no_trail()
    is_curious: bool | None = None  # whether the next answer tells of codecs; None before the first call
    _timeout_s: float | None = None
    _until: float | None = None
    _source: _Source | None = None
    _body: Buffer = b""

    def begin(self, timeout_s: float | None) -> None:
        """Begin a request that has so much time."""
        self._timeout_s = timeout_s
        self._until = None if timeout_s is None else time.monotonic() + timeout_s
        self.sock.settimeout(timeout_s)

    def response_class(self, sock: socket.socket, **kwargs: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        """Read an answer until the end of that time, in however many pieces it comes."""
        response = http.client.HTTPResponse(sock, **kwargs)
        if self._until is not None:
            response.fp.close()
            self._source = _Source(sock, self._until)
            response.fp = io.BufferedReader(self._source, _READ_BYTES)
        return response

    def send_whole(self, body: Buffer) -> None:
        """End the headers, which go together with a small body: one system call, and one packet, for both."""
        self._body = body
        self.endheaders()

    def send(self, data: Any) -> None:
        """Send, with what waits for it."""
        body, self._body = self._body, b""
        super().send(b"".join((data, body)) if body else data)

    def go_on(self) -> None:
        """Let the rest of an answer take that time anew for each of its pieces."""
        if self._source is not None:
            self._source.release(self._timeout_s)


class _Source(io.RawIOBase):
    """Read from a socket until some time."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._until: float | None = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._until is not None:
            self._sock.settimeout(max(0.001, self._until - time.monotonic()))
        return self._file.readinto(buffer)

    def release(self, timeout_s: float | None) -> None:
        """Take the socket's own time from now on, which counts anew with each piece."""
        self._until = None
        self._sock.settimeout(timeout_s)

    def close(self) -> None:
        self._file.close()
        super().close()
