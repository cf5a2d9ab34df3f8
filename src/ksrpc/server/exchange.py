"""One HTTP request over ASGI: what is asked, and how to answer it.

Source: docs/reference/http.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import msgspec

from ksrpc import wire
from ksrpc.errors import CancelledError, DecodeError, TooLargeError
from ksrpc.gateway.identify import Visitor
from ksrpc.limits import MIB
from ksrpc.protocol import Buffer
from ksrpc.server.problem import Problem

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_COMMON = [
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, Accept"),
    (b"x-content-type-options", b"nosniff"),
]
#: Longer queries are not remembered.
_MEMO_BYTES = 512
_PROBLEM_MEDIA_TYPE = "application/problem+json"


class HttpExchange:
    """Wrap one ASGI request: what is asked, and how to answer it.

    Attributes:
        headers: The headers, names in lower case.
    """

    __slots__ = ("_receive", "_scope", "_send", "headers", "method", "path")

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._scope = scope
        self._receive = receive
        self._send = send

    @property
    def query(self) -> Mapping[str, str]:
        """Return the query's parameters; of repeated ones the last.

        Raises:
            DecodeError: It cannot be read.
        """
        query: bytes = self._scope["query_string"]
        return _parse_query(query) if len(query) > _MEMO_BYTES else _recall_query(query)

    @property
    def visitor(self) -> Visitor:
        """Return what is known of the peer."""
        client = self._scope.get("client")
        return Visitor(client[0] if client else "", self.headers, is_unix=client is None)

    async def pieces(self, limit: int) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        Raises:
            TooLargeError: It is over `limit` bytes.
            CancelledError: The client is gone.
        """
        total = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise CancelledError("the client closed the connection", maybe_ran=False)
            piece: bytes = message.get("body", b"")
            total += len(piece)
            if total > limit:
                raise TooLargeError(f"the body is over {limit >> 20} MiB")
            if piece:
                yield piece
            if not message.get("more_body"):
                return

    async def read(self, limit: int) -> bytes:
        """Return the whole body."""
        return b"".join([piece async for piece in self.pieces(limit)])

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
            *_COMMON,
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
            *_COMMON,
            *headers,
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})
        await self._send({"type": "http.response.body", "body": body})

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


def _parse_query(query: bytes) -> Mapping[str, str]:
    try:
        found = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=200)
    except ValueError as exc:
        raise DecodeError("the query cannot be read") from exc
    return MappingProxyType({name: texts[-1] for name, texts in found.items()})


#: Queries of calls are few and come again and again.
_recall_query = lru_cache(maxsize=512)(_parse_query)
