"""HTTP on an event loop: one call a request, kept-alive connections shared by its tasks.

h11 speaks HTTP; values are received straight into their buffers. Redirects are not followed: a token goes only where
it was sent.

Source: docs/reference/http.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import h11

from ksrpc import wire
from ksrpc.errors import ConnectError, DeadlineError, DecodeError, KsrpcError, LostError, TooLargeError
from ksrpc.limits import ANSWER_GRACE_S, HTTP_HEAD_BYTES
from ksrpc.protocol import Buffer
from ksrpc.transport.dial import Address, explain_silence, join
from ksrpc.transport.ending import LoopEnd
from ksrpc.transport.http import ERROR_BYTES, call_headers, joined, parse_failure, unwrap
from ksrpc.transport.problem import lost_answer

_GRACE_S = ANSWER_GRACE_S
_ROOM_BYTES = 1 << 16


class _Request(NamedTuple):
    method: str
    target: str
    headers: Mapping[str, str]
    pieces: tuple[Buffer, ...]


class _Exchange:
    """Hold one request's answer while it comes in."""

    def __init__(self, protocol: h11.Connection, future: asyncio.Future[None]) -> None:
        self.protocol = protocol
        self.future = future
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.reader: wire.Reader | None = None
        self.body = bytearray()
        self.is_streamed = False  # past h11: the rest of the body goes straight to the reader
        self.was_sent = False

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
        if self.status == 200 and self.headers.get(b"content-type") == wire.MEDIA_TYPE.encode():
            self.reader = wire.Reader(wire.RESULT_TABLE)
            self.is_streamed = b"content-length" in self.headers

    def _stream(self, data: bytes) -> bool:
        self._take(data)
        return self.reader is not None and self.reader.done

    def _take(self, data: bytes) -> None:
        if self.reader is not None:
            self.reader.feed(data)
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


class _Line(asyncio.BufferedProtocol):
    """Carry one exchange after the other."""

    def __init__(self) -> None:
        self.is_lost = False
        self._transport: asyncio.WriteTransport | None = None
        self._exchange: _Exchange | None = None
        self._space = memoryview(bytearray(_ROOM_BYTES))
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the value's own buffer once its head is there."""
        exchange = self._exchange
        if exchange is not None and exchange.is_streamed and exchange.reader is not None:
            return exchange.reader.get_buffer()
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        """Take in what came."""
        exchange = self._exchange
        if exchange is None:
            self.close()  # nobody asked
            return
        try:
            if exchange.is_streamed and exchange.reader is not None:
                exchange.reader.advance(nbytes)
                is_whole = exchange.reader.done
            else:
                is_whole = exchange.feed(bytes(self._space[:nbytes]))
        except (h11.ProtocolError, DecodeError, TooLargeError, LostError) as exc:
            self._fail(exc if isinstance(exc, LostError) else lost_answer(exc))
            return
        if is_whole:
            self._exchange = None
            if not exchange.future.done():
                exchange.future.set_result(None)

    def eof_received(self) -> None:
        """Take note that the server hung up."""
        self._fail(LostError("the server closed the connection before its answer"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        self._fail(LostError(f"the connection broke before the answer: {exc or 'closed'}"))

    def pause_writing(self) -> None:
        """Hold pieces back."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    def close(self) -> None:
        """Hang up."""
        self.is_lost = True
        self._writable.set()
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, request: _Request) -> _Exchange:
        """Send a request and wait until its answer is whole.

        Raises:
            LostError: The connection broke.
        """
        protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=HTTP_HEAD_BYTES)
        exchange = self._exchange = _Exchange(protocol, asyncio.get_running_loop().create_future())
        method, target, headers, pieces = request
        head = protocol.send(h11.Request(method=method, target=target, headers=list(headers.items()))) or b""
        await self._send(exchange, head, list(joined(pieces)))
        await exchange.future
        return exchange

    async def _send(self, exchange: _Exchange, head: bytes, body: list[Buffer]) -> None:
        if self._transport is None:
            raise LostError("the connection is not open", maybe_ran=False)
        first = head + bytes(body.pop(0)) if body and len(body[0]) <= _ROOM_BYTES else head
        self._transport.write(first)
        for piece in body:
            await self._writable.wait()
            if exchange.future.done() or self.is_lost:
                return  # the answer, or the loss, says why
            self._transport.write(piece)
        exchange.was_sent = True

    def _fail(self, error: LostError) -> None:
        exchange, self._exchange = self._exchange, None
        self.close()
        if exchange is not None and not exchange.future.done():
            error.maybe_ran = error.maybe_ran and exchange.was_sent
            exchange.future.set_exception(error)


class AsyncHttpShell:
    """Send requests to one server from the loop that made it."""

    def __init__(self, address: Address, *, token: str | None) -> None:
        self._address = address
        self._token = token
        self._idle: list[_Line] = []
        self._end = LoopEnd(partial(_close_all, self._idle))

    async def post(
        self, target: str, message: wire.Message, *, connect_s: float | None, timeout_s: float | None
    ) -> Any:
        """Send encoded arguments and return the value of the answer.

        Raises:
            ConnectError: No connection; nothing was sent.
            LostError: The connection broke; `maybe_ran` tells whether the call may have run.
            KsrpcError: As the server or the library has it.
        """
        headers = {"Content-Type": wire.MEDIA_TYPE, "Content-Length": str(message.nbytes)}
        request = _Request("POST", target, headers | self._headers(timeout_s), tuple(message.segments))
        return await self._exchange(request, connect_s, timeout_s)

    async def get(self, target: str, *, connect_s: float | None, timeout_s: float | None) -> Any:
        """Return the value at an address that is read only."""
        return await self._exchange(_Request("GET", target, self._headers(timeout_s), ()), connect_s, timeout_s)

    @property
    def is_usable(self) -> bool:
        """Tell whether new calls may be made: always, each may have a connection of its own."""
        return True

    def close(self) -> None:
        """Close the idle connections."""
        _close_all(self._idle)

    def _headers(self, timeout_s: float | None) -> dict[str, str]:
        return call_headers(self._address, self._token, timeout_s)

    async def _exchange(self, request: _Request, connect_s: float | None, timeout_s: float | None) -> Any:
        line = await self._borrow(connect_s)
        keeps = False
        try:
            async with asyncio.timeout(None if timeout_s is None else timeout_s + _GRACE_S):
                exchange = await line.ask(request)
            value, keeps = exchange.value(), exchange.keeps and not line.is_lost
        except TimeoutError as exc:
            if isinstance(exc, KsrpcError):
                raise
            raise DeadlineError("no answer within the call's time") from None
        except (DecodeError, TooLargeError) as exc:
            raise lost_answer(exc) from exc
        finally:
            if keeps:
                self._idle.append(line)
            else:
                line.close()
        return unwrap(value)

    async def _borrow(self, connect_s: float | None) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if not line.is_lost:
                return line
        line = _Line()
        try:
            async with asyncio.timeout(connect_s):
                await join(self._address, line)
        except TimeoutError:
            raise ConnectError(explain_silence(self._address, connect_s)) from None
        await self._end.arm()
        return line


def _close_all(lines: list[_Line]) -> None:
    while lines:
        lines.pop().close()
