"""Send the items of a call as they come, no faster than the client takes them.

Source: docs/spec/protocol.md "Streams", docs/reference/http.md "Streams".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from ksrpc.errors import LostError
from ksrpc.gateway import Answer, View
from ksrpc.gateway.flow import Flow
from ksrpc.limits import STREAM_IDLE_S, STREAM_QUEUE_BYTES
from ksrpc.protocol import Buffer, Callee
from ksrpc.protocol.fault import pack_fault
from ksrpc.server.exchange import Headers, HttpExchange
from ksrpc.transport.link import RaisedError
from ksrpc.wire.item import MEDIA_TYPE, pack_end

_log = logging.getLogger("ksrpc")
#: How often a stream looks whether its caller may still have it [s].
CHECK_S = 1.0
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
                await bounded(moved())
        session.send_answer(call, (), ended=True)
    finally:
        flow.close()


async def stream_body(exchange: HttpExchange, flow: Flow, headers: Headers, *, check: Callable[[], object]) -> None:
    """Answer a request with records; the last one tells whether they are all.

    Args:
        exchange: The request.
        flow: What the call gives.
        headers: Headers beside the common ones.
        check: Raises once the caller has lost the right; asked every second.
    """
    gone = asyncio.ensure_future(exchange.wait_gone())
    try:
        await exchange.begin(200, MEDIA_TYPE, headers=headers)
        is_over = False
        while not is_over and not gone.done():
            records, is_over = await _next_records(flow, gone, check)
            for piece in records:
                await bounded(exchange.send_part(piece))
        if not gone.done():
            await exchange.send_part(b"", is_last=True)
    except LostError:
        pass  # nobody takes it: the connection is closed with the request
    finally:
        gone.cancel()
        flow.close()


async def send_view(exchange: HttpExchange, view: View, *, headers: Headers) -> None:
    """Answer a request with a view; a large one piece by piece. One that breaks off never ends as a whole one does."""
    if view.rest is None:
        await exchange.send_body(200, view.media_type, view.body, headers=headers)
        return
    gone = asyncio.ensure_future(exchange.wait_gone())
    try:
        async with contextlib.aclosing(view.rest) as rest:
            await exchange.begin(200, view.media_type, headers=headers)
            await bounded(exchange.send_part(view.body))
            async for piece in rest:
                if gone.done():
                    return
                await bounded(exchange.send_part(piece))
            await exchange.send_part(b"", is_last=True)
    except LostError:
        pass  # nobody takes it: the connection is closed with the request
    except Exception as exc:
        _log.warning("a view broke off, its connection is closed: %s", exc)
    finally:
        gone.cancel()


async def _next_records(
    flow: Flow, gone: asyncio.Future[None], check: Callable[[], object]
) -> tuple[tuple[Buffer, ...], bool]:
    """Return what is to be sent next, and whether it is the last of it."""
    taking = asyncio.ensure_future(flow.take())
    try:
        while not taking.done() and not gone.done():
            await asyncio.wait((taking, gone), return_when=asyncio.FIRST_COMPLETED, timeout=CHECK_S)
            check()
        if not taking.done():
            return (), True
        records = taking.result()
    except RaisedError as exc:
        return (pack_end(exc.meta, exc.body),), True
    except Exception as exc:
        return (pack_end(pack_fault(exc)),), True
    finally:
        taking.cancel()
    return (records, False) if records else ((pack_end(),), True)


async def bounded(step: Awaitable[object]) -> None:
    """Wait for a step of a client that takes what it is sent.

    Raises:
        LostError: It took nothing for too long.
    """
    try:
        async with asyncio.timeout(STREAM_IDLE_S):
            await step
    except TimeoutError:
        raise LostError(f"nothing of the stream was taken for {STREAM_IDLE_S:g} s") from None
