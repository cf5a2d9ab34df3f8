"""HTTP on an event loop: one call a request, kept-alive connections shared by its tasks.

h11 speaks HTTP; values are received straight into their buffers. Redirects are not followed: a token goes only where
it was sent.

Source: docs/reference/http.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, cast

import h11

from ksrpc import wire
from ksrpc.errors import DeadlineError, DecodeError, KsrpcError, LostError, TooLargeError
from ksrpc.limits import ANSWER_GRACE_S, HTTP_HEAD_BYTES
from ksrpc.protocol import Buffer
from ksrpc.transport.dial import Address, join
from ksrpc.transport.ending import LoopEnd
from ksrpc.transport.exchange import Exchange
from ksrpc.transport.feed import Feed
from ksrpc.transport.held import HEADER, HandleSession
from ksrpc.transport.http import Failure, Request, call_headers, joined, unwrap
from ksrpc.transport.items import AsyncInlet, AsyncRemoteIterator
from ksrpc.transport.problem import lost_answer
from ksrpc.transport.retry import Names, Retry
from ksrpc.transport.upload import LAST_CHUNK, pack_body, pack_chunk, read_codecs, recompact
from ksrpc.transport.watch import Sizes, State, Trail, Trails, Watch

_GRACE_S = ANSWER_GRACE_S
_ROOM_BYTES = 1 << 16
_SLICE_BYTES = 1 << 20
#: So much of a stream is taken in before its items are taken.
_ITEMS_BYTES = 1 << 18


class _Line(asyncio.BufferedProtocol):
    """Carry one exchange after the other."""

    def __init__(self) -> None:
        self.is_lost = False
        self._transport: asyncio.WriteTransport | None = None
        self._exchange: Exchange | None = None
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
                exchange.came_bytes += nbytes
                exchange.reader.advance(nbytes)
                is_whole = exchange.reader.done
            else:
                is_whole = exchange.feed(bytes(self._space[:nbytes]))
        except (h11.ProtocolError, DecodeError, TooLargeError, LostError) as exc:
            self._fail(exc if isinstance(exc, LostError) else lost_answer(exc))
            return
        if exchange.items is not None:
            self._on_items(exchange, exchange.items, is_whole=is_whole)
        elif is_whole:
            self._exchange = None
        if (is_whole or exchange.items is not None) and not exchange.future.done():
            exchange.future.set_result(None)

    def _on_items(self, exchange: Exchange, items: Feed, *, is_whole: bool) -> None:
        """Let go on who waits for an item; take no more in while nobody takes them."""
        if is_whole:
            self._exchange = None
            items.end(LostError("the server broke the stream off"))
        elif items.owed_bytes > _ITEMS_BYTES:
            self.read_on(on=False)
        exchange.news.set()

    def read_on(self, *, on: bool) -> None:
        """Read from the connection, or leave it to wait."""
        transport = cast(asyncio.Transport | None, self._transport)
        if transport is not None and not self.is_lost and transport.is_reading() != on:
            (transport.resume_reading if on else transport.pause_reading)()

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

    @property
    def is_idle(self) -> bool:
        """Tell whether another request may be sent."""
        return self._exchange is None and not self.is_lost

    def close(self) -> None:
        """Hang up."""
        self.is_lost = True
        self._writable.set()
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, request: Request, common: dict[str, str], trail: Trail) -> Exchange:
        """Send a request and wait until its answer is whole.

        Raises:
            LostError: The connection broke.
        """
        protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=HTTP_HEAD_BYTES)
        exchange = self._exchange = Exchange(protocol, asyncio.get_running_loop().create_future(), trail)
        sent = h11.Request(method=request.method, target=request.target, headers=request.lines(common))
        head = protocol.send(sent) or b""
        if request.codecs:
            await self._send_compact(exchange, head, recompact(request.pieces, request.codecs))
        else:
            await self._send(exchange, head, list(joined(request.pieces)))
        await exchange.future
        return exchange

    async def _send(self, exchange: Exchange, head: bytes, body: list[Buffer]) -> None:
        if self._transport is None:
            raise LostError("the connection is not open", maybe_ran=False)
        first = head + bytes(body.pop(0)) if body and len(body[0]) <= _ROOM_BYTES else head
        exchange.trail.turn(State.WAITING)
        self._transport.write(first)
        transport, written, total = self._transport, 0, sum(map(len, body))
        if body:
            exchange.trail.turn(State.SENDING, lambda: _left(transport, written, total))
        for piece in _sliced(body):
            await self._writable.wait()
            if exchange.future.done() or self.is_lost:
                return  # the answer, or the loss, says why
            transport.write(piece)
            written += len(piece)
        exchange.was_sent = True

    async def _send_compact(self, exchange: Exchange, head: bytes, compaction: wire.Compaction) -> None:
        if self._transport is None:
            raise LostError("the connection is not open", maybe_ran=False)
        transport = self._transport
        transport.write(head)
        exchange.trail.turn(State.SENDING, lambda: _sent(transport, compaction))
        for piece in compaction:
            transport.write(pack_chunk(piece))
            await self._writable.wait()
            if exchange.future.done() or self.is_lost:
                return  # the answer, or the loss, says why
        transport.write(LAST_CHUNK)
        exchange.was_sent = True

    def _fail(self, error: LostError) -> None:
        exchange, self._exchange = self._exchange, None
        self.close()
        if exchange is not None and exchange.items is not None:
            exchange.items.end(error)
            exchange.news.set()
        elif exchange is not None and not exchange.future.done():
            error.maybe_ran = error.maybe_ran and exchange.was_sent
            exchange.future.set_exception(error)


def _sliced(pieces: Sequence[Buffer]) -> Iterator[memoryview]:
    """Cut large pieces: a transport copies what of one cannot be sent at once."""
    for piece in pieces:
        view = memoryview(piece).cast("B")
        for start in range(0, len(view), _SLICE_BYTES):
            yield view[start : start + _SLICE_BYTES]


class AsyncHttpShell:
    """Send requests to one server from the loop that made it."""

    def __init__(
        self,
        address: Address,
        *,
        token: str | None,
        handles: HandleSession | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._trails = Trails(watch)
        self._address = address
        self._token = token
        self._handles = handles or HandleSession()
        self._names = Names()
        self._codecs: tuple[str, ...] = ()  # what the server inflates, and wants
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
        lines, pieces, codecs = pack_body(message, self._codecs)
        headers = {"Content-Type": wire.MEDIA_TYPE, **lines, **self._handles.headers()}
        request = Request("POST", target, headers, pieces, self._names.next(), codecs=codecs)
        return await self._deliver(request, connect_s, timeout_s)

    async def get(self, target: str, *, connect_s: float | None, timeout_s: float | None) -> Any:
        """Return the value at an address that is read only."""
        return await self._deliver(Request("GET", target, {}, ()), connect_s, timeout_s)

    @property
    def is_usable(self) -> bool:
        """Tell whether new calls may be made: always, each may have a connection of its own."""
        return True

    def close(self) -> None:
        """Close the idle connections."""
        _close_all(self._idle)

    async def wait_closed(self) -> None:
        """Return: nobody has to be told."""

    async def _deliver(self, request: Request, connect_s: float | None, timeout_s: float | None) -> Any:
        """Exchange a request, once more if its connection broke."""
        began = time.monotonic()
        try:
            value = await self._exchange(request, connect_s, timeout_s)
        except LostError as exc:
            retry = Retry(exc, began, timeout_s)
            await asyncio.sleep(retry.pause_s)
            with retry:
                value = await self._exchange(request._replace(retry=retry), retry.connect_s(connect_s), retry.left_s)
                retry.check(value.error if isinstance(value, Failure) else None)
        return unwrap(value)

    async def _exchange(self, request: Request, connect_s: float | None, timeout_s: float | None) -> Any:
        trail = self._trails.open(request.target, State.CONNECTING)
        line: _Line | None = None
        keeps: bool | None = False
        try:
            line = await (self._connect(connect_s) if request.retry else self._borrow(connect_s))
            async with asyncio.timeout(None if timeout_s is None else timeout_s + _GRACE_S):
                exchange = await line.ask(request, call_headers(self._address, self._token, timeout_s), trail)
            if request.method == "POST" and exchange.status == 200:
                self._codecs = read_codecs(exchange.headers.get(b"accept-post", b"").decode("latin-1"))
            if exchange.items is not None:
                keeps = None  # the stream has it
                return AsyncRemoteIterator(_LineItems(self._idle, line, exchange, timeout_s))
            value, keeps = exchange.value(), exchange.keeps and not line.is_lost
            if exchange.is_held and exchange.reader is not None:
                value = self._handles.adopt(exchange.headers.get(HEADER.lower().encode(), b"").decode("latin-1"), value)
        except TimeoutError as exc:
            if isinstance(exc, KsrpcError):
                raise
            raise DeadlineError("no answer within the call's time") from None
        except (DecodeError, TooLargeError) as exc:
            raise lost_answer(exc) from exc
        finally:
            if keeps is not None:
                trail.close()
                self._give_back(line, keep=keeps)
        return value

    def _give_back(self, line: _Line | None, *, keep: bool) -> None:
        if keep and line is not None:
            self._idle.append(line)
        elif line is not None:
            line.close()

    async def _borrow(self, connect_s: float | None) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if not line.is_lost:
                return line
        return await self._connect(connect_s)

    async def _connect(self, connect_s: float | None) -> _Line:
        line = _Line()
        await join(self._address, line, connect_s)
        await self._end.arm()
        return line


class _LineItems(AsyncInlet):
    """Be the way in of one stream; the line is its own until it is over."""

    def __init__(self, idle: list[_Line], line: _Line, exchange: Exchange, timeout_s: float | None) -> None:
        self._idle = idle
        self._line = line
        self._exchange = exchange
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()

    async def next_bodies(self) -> list[bytes]:
        """Wait for the next items."""
        items, news = self._exchange.items, self._exchange.news
        if items is None:
            return []
        if not items.has_news:
            await self._wait(items, news)
        bodies, _ = items.take()
        if not bodies:
            await self._end()
        return bodies

    async def _wait(self, items: Feed, news: asyncio.Event) -> None:
        self._exchange.trail.wait(on=True)
        try:
            while not items.has_news:
                news.clear()
                self._line.read_on(on=True)
                async with asyncio.timeout(None if self._timeout_s is None else self._timeout_s + _GRACE_S):
                    await news.wait()
        except TimeoutError:
            raise DeadlineError("no item within the call's time") from None
        finally:
            self._exchange.trail.wait(on=False)

    def close(self) -> None:
        """Hang up: there the call ends by it."""
        self._exchange.trail.close()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._line.close)

    async def _end(self) -> None:
        """Read past the end of the body, so that the connection can take another call."""
        line = self._line
        self._exchange.trail.close()
        line.read_on(on=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                while not line.is_lost and not line.is_idle:
                    self._exchange.news.clear()
                    await self._exchange.news.wait()
        if line.is_idle and self._exchange.keeps:
            self._idle.append(line)
        else:
            line.close()


def _sent(transport: asyncio.WriteTransport, compaction: wire.Compaction) -> Sizes:
    waiting = transport.get_write_buffer_size()
    return compaction.sent_bytes(waiting), compaction.total_bytes, max(0, compaction.wire_bytes - waiting)


def _left(transport: asyncio.WriteTransport, written: int, total: int) -> Sizes:
    sent = max(0, written - transport.get_write_buffer_size())
    return sent, total, sent


def _close_all(lines: list[_Line]) -> None:
    while lines:
        lines.pop().close()
