"""One call, one request. The binary form streams both ways; JSON in and JSON, CSV or text out for everybody else.

Source: docs/reference/http.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import asdict
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

import msgspec

from ksrpc import wire
from ksrpc.errors import CancelledError, DecodeError, TooLargeError, UnsupportedError
from ksrpc.gateway import Answer, Arguments, Call, Gateway
from ksrpc.gateway.identify import Visitor
from ksrpc.limits import MIB, REQUEST, SESSION
from ksrpc.protocol import Buffer
from ksrpc.server.negotiation import PICKLE_STARTS, choose_media_type
from ksrpc.server.problem import Problem, pack_method_problem
from ksrpc.wire import view

_COMMON = [
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, Accept"),
    (b"x-content-type-options", b"nosniff"),
]
_OPTIONS = {"fmt", "cache_get", "cache_expire", "async_remote", "func"}
_PROBLEM_MEDIA_TYPE = "application/problem+json"


class HttpExchange:
    """Wrap one ASGI request: what is asked, and how to answer it."""

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._scope = scope
        self._receive = receive
        self._send = send

    @cached_property
    def headers(self) -> dict[str, str]:
        """Return the headers, names in lower case."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self._scope["headers"]}

    @cached_property
    def query(self) -> dict[str, str]:
        """Return the query's parameters; of repeated ones the last."""
        text = self._scope["query_string"].decode("latin-1")
        try:
            return {k: v[-1] for k, v in parse_qs(text, keep_blank_values=True, max_num_fields=200).items()}
        except ValueError as exc:
            raise DecodeError("the query cannot be read") from exc

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

    async def send_pieces(self, status: int, media_type: str, pieces: tuple[Buffer, ...], size: int) -> None:
        """Answer with pieces that lie in memory already, at most 1 MiB of them on the way at a time."""
        headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(size).encode()),
            *_COMMON,
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        slices = [memoryview(p)[start : start + MIB] for p in pieces for start in range(0, len(p), MIB)]
        for body in slices[:-1]:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        await self._send({"type": "http.response.body", "body": slices[-1] if slices else b""})

    async def send_text(self, status: int, text: str) -> None:
        """Answer with plain text."""
        data = text.encode()
        await self.send_pieces(status, "text/plain; charset=utf-8", (data,), len(data))

    async def send_problem(self, problem: Problem) -> None:
        """Answer with a problem document; a library's exception goes to Python clients in its exact form."""
        if problem.raised is not None and wire.MEDIA_TYPE in self.headers.get("accept", ""):
            body, media_type = problem.raised.body, wire.MEDIA_TYPE
        else:
            body, media_type = msgspec.json.encode(problem.fields), _PROBLEM_MEDIA_TYPE
        headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(body)).encode()),
            *_COMMON,
            *problem.headers,
        ]
        await self._send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


async def serve_call(gateway: Gateway, exchange: HttpExchange, path: str) -> None:
    """Serve one call.

    Raises:
        KsrpcError: What `send_problem` is to say.
    """
    user = gateway.door.identify(exchange.visitor)
    if exchange.method not in ("GET", "POST"):
        await exchange.send_problem(pack_method_problem(exchange.method, "GET, POST"))
        return
    media_type = choose_media_type(exchange.headers.get("accept", "*/*"), exchange.query.get("fmt"))
    arguments = await _read_arguments(exchange)
    deadline = asyncio.get_running_loop().time() + _timeout_s(gateway, exchange)
    is_main = exchange.query.get("async_remote", "true").lower() in ("false", "0")
    call = Call(user, path, arguments, deadline, is_main=is_main)
    answer = await _watch_client(exchange, gateway.handle(call), whole=arguments.rest is None)
    if media_type == wire.MEDIA_TYPE:
        await exchange.send_pieces(200, media_type, answer.pieces, answer.size)
        return
    options = {name.removeprefix("_"): text for name, text in exchange.query.items() if name.startswith("_")}
    name, body = await gateway.executors.render(answer, media_type, options, deadline)
    await exchange.send_pieces(200, name, (body,), len(body))


async def serve_describe(gateway: Gateway, exchange: HttpExchange, path: str) -> None:
    """Say what stands at a path: as a value for Python clients, as JSON for everybody else.

    Raises:
        KsrpcError: What `send_problem` is to say.
    """
    user = gateway.door.identify(exchange.visitor)
    if exchange.method != "GET":
        await exchange.send_problem(pack_method_problem(exchange.method, "GET"))
        return
    media_type = choose_media_type(exchange.headers.get("accept", "*/*"))
    deadline = asyncio.get_running_loop().time() + _timeout_s(gateway, exchange)
    fields = asdict(await gateway.describe(Call(user, path, Arguments(), deadline)))
    if media_type == wire.MEDIA_TYPE:
        message = wire.pack(fields)
        await exchange.send_pieces(200, media_type, tuple(message.segments), message.nbytes)
        return
    body = msgspec.json.encode(fields)
    await exchange.send_pieces(200, "application/json", (body,), len(body))


async def _watch_client(exchange: HttpExchange, handling: Awaitable[Answer], *, whole: bool) -> Answer:
    """Wait for the answer; a client that goes away takes its call with it."""
    if not whole:
        return await handling
    task = asyncio.ensure_future(handling)
    gone = asyncio.ensure_future(exchange.wait_gone())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
        return await task
    except asyncio.CancelledError:
        task.cancel()
        raise CancelledError("the client closed the connection") from None
    finally:
        gone.cancel()


async def _read_arguments(exchange: HttpExchange) -> Arguments:
    if exchange.method == "GET":
        named = {k: v for k, v in exchange.query.items() if k not in _OPTIONS and not k.startswith("_")}
        return Arguments(wire.pack_arguments((), named).join())
    media_type = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == wire.MEDIA_TYPE:
        size = _declared_size(exchange, REQUEST.message_bytes)
        if size is not None and size <= SESSION.inline_bytes:
            return Arguments(await exchange.read(SESSION.inline_bytes))
        return Arguments(rest=exchange.pieces(REQUEST.message_bytes))
    _declared_size(exchange, REQUEST.head_bytes)
    body = await exchange.read(REQUEST.head_bytes)
    if body.startswith(PICKLE_STARTS) or media_type == "multipart/form-data":
        raise UnsupportedError(
            "this server needs ksrpc >= 1: `pip install -U ksrpc` on the client; pickles are never read"
        )
    if media_type not in ("", "application/json", "text/json"):
        raise UnsupportedError(f"send application/json or {wire.MEDIA_TYPE}, not {media_type[:80]}")
    args, kwargs = view.read_json(body) if body.strip() else ((), {})
    return Arguments(wire.pack_arguments(args, kwargs).join())


def _declared_size(exchange: HttpExchange, limit: int) -> int | None:
    """Return what Content-Length says; a body over its limit is refused before it is sent."""
    text = exchange.headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > 18 or int(text) > limit:
        raise TooLargeError(f"the body is over {limit >> 20} MiB")
    return int(text)


def _timeout_s(gateway: Gateway, exchange: HttpExchange) -> float:
    limit = gateway.config.call.timeout_s
    text = exchange.headers.get("x-ksrpc-timeout")
    if text is None:
        return limit
    try:
        asked = float(text)
    except ValueError as exc:
        raise DecodeError("X-Ksrpc-Timeout is a number of seconds") from exc
    if not asked > 0:
        raise DecodeError("X-Ksrpc-Timeout is a number of seconds above 0")
    return min(asked, limit)
