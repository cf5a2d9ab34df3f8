"""Compress answers while they go out: for whom, and without holding the event loop up.

Source: docs/explanation/compression.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from ksrpc import wire
from ksrpc.errors import NotAcceptableError
from ksrpc.gateway import Answer, Gateway
from ksrpc.gateway.identify import Visitor
from ksrpc.limits import MIB, STREAM_QUEUE_BYTES
from ksrpc.protocol import Buffer, Callee
from ksrpc.server.exchange import Headers, HttpExchange
from ksrpc.server.outflow import Step, bounded

__all__ = ["NOTHING", "Compression", "choose_compression", "compression_of", "send_body", "send_frames"]


class Compression(NamedTuple):
    """Say what is done for one client.

    Attributes:
        codecs: Codecs that it inflates and that are used for it, best first.
        is_fixed: Whether that is done however fast its network is.
        headers: Tell the client of an HTTP answer which codecs its arguments may have.
    """

    codecs: tuple[str, ...] = ()
    is_fixed: bool = False
    headers: Headers = ()

    def suits(self, answer: Answer) -> bool:
        """Tell whether trying to compress an answer is worth the while."""
        return bool(self.codecs) and answer.size >= wire.LEAST_BYTES and answer.flow is None

    async def begin(self, answer: Answer) -> wire.Compaction | None:
        """Look at an answer, in a thread; None if it goes as it lies."""
        pace = wire.Pace(self.codecs, time.perf_counter, is_fixed=self.is_fixed)
        return await asyncio.to_thread(wire.open_compaction, answer.pieces, pace)


NOTHING: Final = Compression()
_OFFER: Final = ((b"accept-post", wire.accept_text().encode()),)


def choose_compression(gateway: Gateway, visitor: Visitor, codecs: Sequence[str]) -> Compression:
    """Decide for a client that inflates these codecs."""
    mode = gateway.config.server.compression
    named = tuple(name for name in codecs if name != "none")
    if not named or mode == "off" or (mode == "auto" and gateway.door.is_near(visitor)):
        return NOTHING
    return Compression(named, mode == "always", _OFFER)


def compression_of(gateway: Gateway, exchange: HttpExchange) -> Compression:
    """Decide for who made a request; once for all requests with the same head."""
    request, config = exchange.request, gateway.config
    if request.compression is None or request.compression[0] is not config:
        try:
            agreed = wire.negotiate(request.headers.get("accept"))
        except NotAcceptableError:
            agreed = None
        request.compression = config, choose_compression(gateway, exchange.visitor, agreed.codecs if agreed else ())
    found: Compression = request.compression[1]
    return found


async def send_body(
    exchange: HttpExchange, media_type: str, answer: Answer, *, headers: Headers, compression: Compression
) -> None:
    """Answer a request with a value in compressed chunks, or as it lies if it does not shrink."""
    compaction = await compression.begin(answer)
    if compaction is None:
        await exchange.send_pieces(200, media_type, answer.pieces, answer.size, headers=headers)
    elif answer.size <= MIB:
        body = await asyncio.to_thread(b"".join, compaction)
        await exchange.send_body(200, media_type, body, headers=headers)
    else:
        await _send_parts(exchange, media_type, compaction, headers)


async def _send_parts(exchange: HttpExchange, media_type: str, compaction: wire.Compaction, headers: Headers) -> None:
    """Compress one chunk while the last one is on its way."""
    gone = asyncio.ensure_future(exchange.wait_gone())
    try:
        await exchange.begin(200, media_type, headers=headers)
        while not gone.done() and (piece := await _next(compaction)) is not None:
            await exchange.send_part(piece)
        if not gone.done():
            await exchange.send_part(b"", is_last=True)
    finally:
        gone.cancel()


async def send_frames(
    session: Callee, call: int, answer: Answer, compression: Compression, steps: tuple[Step, Step]
) -> None:
    """Answer a call of a session with a value in compressed chunks, or as it lies if it does not shrink.

    Args:
        session: Where the call came from.
        call: Its number.
        answer: The value.
        compression: What is agreed.
        steps: Sends what waits; waits until the peer or the carrier moved on.

    Raises:
        LostError: The client takes nothing of it.
    """
    compaction = await compression.begin(answer)
    if compaction is None:
        session.answer(call, answer.pieces, size=answer.size, meta=answer.labels)
        return
    if answer.size <= MIB:
        pieces = await asyncio.to_thread(list, compaction)
        session.answer(call, pieces, size=sum(map(len, pieces)), meta=answer.labels)
        return
    flush, moved = steps
    session.open_answer(call, answer.labels)
    while (piece := await _next(compaction)) is not None:
        session.send_answer(call, (piece,), ended=False)
        await flush()
        while session.waiting_bytes(call) > STREAM_QUEUE_BYTES:
            await bounded(moved())
    session.send_answer(call, (), ended=True)


async def _next(compaction: wire.Compaction) -> Buffer | None:
    return await asyncio.to_thread(next, compaction, None)
