"""Send the items of a call as they come, no faster than the client takes them.

Source: docs/spec/protocol.md "Streams", docs/reference/http.md "Streams".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from ksrpc.errors import LostError
from ksrpc.gateway import Answer
from ksrpc.gateway.flow import Flow
from ksrpc.limits import STREAM_IDLE_S, STREAM_QUEUE_BYTES
from ksrpc.protocol import Buffer, Callee
from ksrpc.protocol.fault import pack_fault
from ksrpc.server.exchange import Headers, HttpExchange
from ksrpc.transport.link import RaisedError
from ksrpc.wire.item import MEDIA_TYPE, pack_end

#: Sends what waits; waits until the peer or the carrier moved on.
Step = Callable[[], Awaitable[object]]


async def stream_frames(session: Callee, call: int, answer: Answer, *, flush: Step, moved: Step) -> None:
    """Answer a call of a session with its items; waits while its client takes none.

    Raises:
        RaisedError: The library raised.
        KsrpcError: The stream cannot go on.
    """
    flow = answer.flow
    if flow is None:
        return
    try:
        session.open_answer(call, {"kind": "stream", **answer.labels})
        await flush()
        while records := await flow.take():
            session.send_answer(call, records, ended=False)
            await flush()
            while session.waiting_bytes(call) > STREAM_QUEUE_BYTES:
                await _bounded(moved())
        session.send_answer(call, (), ended=True)
    finally:
        flow.close()


async def stream_body(exchange: HttpExchange, flow: Flow, headers: Headers) -> None:
    """Answer a request with records; the last one tells whether they are all."""
    gone = asyncio.ensure_future(exchange.wait_gone())
    try:
        await exchange.begin(200, MEDIA_TYPE, headers=headers)
        async for piece in _body(flow, gone):
            await _bounded(exchange.send_part(piece))
        if not gone.done():
            await exchange.send_part(b"", is_last=True)
    except LostError:
        pass  # nobody takes it: the connection is closed with the request
    finally:
        gone.cancel()
        flow.close()


async def _body(flow: Flow, gone: asyncio.Future[None]) -> AsyncIterator[Buffer]:
    """Give the pieces of the records, the last one too, until the client is gone."""
    while True:
        taking = asyncio.ensure_future(flow.take())
        await asyncio.wait((taking, gone), return_when=asyncio.FIRST_COMPLETED)
        if not taking.done():
            taking.cancel()
            return
        try:
            records = taking.result()
        except RaisedError as exc:
            yield pack_end(exc.meta, exc.body)
            return
        except Exception as exc:
            yield pack_end(pack_fault(exc))
            return
        if not records:
            yield pack_end()
            return
        for piece in records:
            yield piece


async def _bounded(step: Awaitable[object]) -> None:
    try:
        async with asyncio.timeout(STREAM_IDLE_S):
            await step
    except TimeoutError:
        raise LostError(f"nothing of the stream was taken for {STREAM_IDLE_S:g} s") from None
