"""One HTTP request over ASGI: what is asked, and how to answer it.

Source: docs/reference/http.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ksrpc import wire
from ksrpc.errors import CancelledError, TooLargeError
from ksrpc.gateway.identify import Visitor
from ksrpc.gateway.repeat import Key
from ksrpc.limits import MIB
from ksrpc.protocol import Buffer
from ksrpc.server.problem import Problem
from ksrpc.server.request import read_key, read_request, take_key

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

#: In every answer: what one user is told is kept for no other.
COMMON = [
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, Accept"),
    (b"x-content-type-options", b"nosniff"),
]
_PROBLEM_MEDIA_TYPE = "application/problem+json"


class HttpExchange:
    """Wrap one ASGI request: what is asked, and how to answer it.

    Attributes:
        request: Its head.
    """

    __slots__ = ("_key", "_receive", "_send", "request")

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        self._key = take_key(scope)
        self.request = read_request(scope)
        self._receive = receive
        self._send = send

    @property
    def method(self) -> str:
        """Return the method."""
        return self.request.method

    @property
    def path(self) -> str:
        """Return the path, unquoted."""
        return self.request.path

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers, names in lower case."""
        return self.request.headers

    @property
    def query(self) -> Mapping[str, str]:
        """Return the query's parameters; see `Request.query`."""
        return self.request.query

    @property
    def visitor(self) -> Visitor:
        """Return what is known of the peer."""
        return self.request.visitor

    @property
    def key(self) -> Key | None:
        """Return how the client names this call, if it does.

        Raises:
            DecodeError: The name, or what is said of it, cannot be read.
        """
        return read_key(self.request, self._key)

    async def pieces(self, limit: int) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        Raises:
            TooLargeError: It is over `limit` bytes.
            CancelledError: The client is gone.
        """
        total, has_more = 0, True
        while has_more:
            piece, has_more = await self._next(limit - total, limit)
            total += len(piece)
            if piece:
                yield piece

    async def read(self, limit: int) -> bytes:
        """Return the whole body; see `pieces`."""
        whole, has_more = await self._next(limit, limit)
        while has_more:
            piece, has_more = await self._next(limit - len(whole), limit)
            whole += piece
        return whole

    async def _next(self, room: int, limit: int) -> tuple[bytes, bool]:
        """Return the next piece of the body, and whether more follows."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise CancelledError("the client closed the connection", maybe_ran=False)
        piece: bytes = message.get("body", b"")
        if len(piece) > room:
            raise TooLargeError(f"the body is over {limit >> 20} MiB")
        return piece, bool(message.get("more_body"))

    async def wait_gone(self) -> None:
        """Return when the client is gone; only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def send_pieces(
        self, status: int, media_type: str, pieces: tuple[Buffer, ...], size: int, *, headers: Headers = ()
    ) -> None:
        """Answer with pieces that lie in memory already, at most 1 MiB of them on the way at a time."""
        if len(pieces) == 1 and size <= MIB:
            await self.send_body(status, media_type, pieces[0], headers=headers)
            return
        lines = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(size).encode()),
            *COMMON,
            *headers,
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})
        slices = [memoryview(p)[start : start + MIB] for p in pieces for start in range(0, len(p), MIB)]
        for body in slices[:-1]:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        await self._send({"type": "http.response.body", "body": slices[-1] if slices else b""})

    async def send_body(self, status: int, media_type: str, body: Buffer, *, headers: Headers = ()) -> None:
        """Answer with one piece, and headers beside the common ones."""
        lines = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(body)).encode()),
            *COMMON,
            *headers,
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, status: int, media_type: str, *, headers: Headers = ()) -> None:
        """Begin an answer whose length nobody knows; its parts follow."""
        lines = [(b"content-type", media_type.encode()), *COMMON, *headers]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})

    async def send_part(self, body: Buffer, *, is_last: bool = False) -> None:
        """Send a part of an answer that has begun."""
        await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})

    async def send_fields(self, fields: dict[str, Any]) -> None:
        """Answer with a map of plain values: in the binary form to Python clients, as JSON to everybody else."""
        if wire.MEDIA_TYPE in self.headers.get("accept", ""):
            message = wire.pack(fields)
            await self.send_pieces(200, wire.MEDIA_TYPE, tuple(message.segments), message.nbytes)
            return
        await self.send_body(200, "application/json", msgspec.json.encode(fields))

    async def send_text(self, status: int, text: str) -> None:
        """Answer with plain text."""
        await self.send_body(status, "text/plain; charset=utf-8", text.encode())

    async def send_problem(self, problem: Problem) -> None:
        """Answer with a problem document; a library's exception goes to Python clients in its exact form."""
        if problem.raised is not None and wire.MEDIA_TYPE in self.headers.get("accept", ""):
            body, media_type = problem.raised.body, wire.MEDIA_TYPE
        else:
            body, media_type = msgspec.json.encode(problem.fields), _PROBLEM_MEDIA_TYPE
        await self.send_body(problem.status, media_type, body, headers=problem.headers)
