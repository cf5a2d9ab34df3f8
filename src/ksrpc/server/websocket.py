"""Many calls on one WebSocket: drives a Callee session over ASGI.

Source: docs/spec/protocol.md; docs/reference/websocket.md.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import asdict
from functools import partial
from typing import Any, cast

from ksrpc import __version__, wire
from ksrpc.errors import BusyError, LostError, ProtocolError, TooLargeError
from ksrpc.gateway import Answer, Arguments, Call, Gateway
from ksrpc.gateway.identify import Visitor
from ksrpc.limits import INFLOWS, REQUEST
from ksrpc.model import User
from ksrpc.protocol import Buffer, Callee, FrameType
from ksrpc.protocol.event import BodyCame, Called, CancelCame, Described, Event, Greeted
from ksrpc.protocol.fault import pack_fault
from ksrpc.server.negotiation import OLD_CLIENT, PICKLE_STARTS
from ksrpc.server.shell import Message, Receive, Send, Shell
from ksrpc.transport.link import RaisedError

_NUMBER = (int, float)
_STATUS = {"queued": FrameType.QUEUED, "started": FrameType.STARTED}


class _Inflow:
    """Hold the argument bytes of one call between the socket and the worker; the session's credit bounds it."""

    def __init__(self, consume: Callable[[int], None]) -> None:
        self._queue: asyncio.Queue[tuple[Buffer, bool]] = asyncio.Queue()
        self._consume = consume
        self._total = 0

    def put(self, body: Buffer, *, fin: bool) -> None:
        self._total += len(body)
        if self._total > REQUEST.message_bytes:
            raise TooLargeError(f"the arguments are over {REQUEST.message_bytes >> 20} MiB")
        self._queue.put_nowait((body, fin))

    async def pieces(self) -> AsyncIterator[Buffer]:
        fin = False
        while not fin:
            body, fin = await self._queue.get()
            yield body
            self._consume(len(body))


class SessionShell(Shell):
    """Drive the session of one connection: its running calls, its writer."""

    def __init__(self, gateway: Gateway, user: User, visitor: Visitor, send: Send) -> None:
        super().__init__(gateway, user, visitor, send)
        self._opened_at = time.monotonic()
        self._session = Callee(now=self._opened_at)
        self._inflows: dict[int, _Inflow] = {}
        self._is_writing = False
        self._fault: Exception | None = None

    async def serve(self, receive: Receive) -> None:
        """Take messages by plain calls where the connection offers that, by `receive` where it does not."""
        if self.steady is not None:
            self.steady.divert(self._take_now)
        try:
            await super().serve(receive)
        finally:
            if self.steady is not None:
                self.steady.divert(None)
        if self._fault is not None:
            raise self._fault

    def _take_now(self, message: Message) -> None:
        try:
            rest = self._take(message)
        except Exception as exc:
            self._fault = exc
            if self.steady is not None:
                self.steady.stop()
        else:
            if rest is not None:
                self._spawn(rest)

    def _take(self, message: Message) -> Coroutine[Any, Any, None] | None:
        event = self._session.receive(self._read(message), time.monotonic())
        if event is not None:
            self._act(event)
        return None if self._session.outbox.is_empty or self._flush_now() else self._flush()

    def _read(self, message: Message) -> bytes:
        """Return a message's bytes; say to those who speak something else what is wrong."""
        data: bytes | None = message.get("bytes")
        if data is None:
            raise ProtocolError("text messages are not spoken here, only binary ones")
        if self._session.peer is None and data.startswith(PICKLE_STARTS):
            raise ProtocolError(OLD_CLIENT)
        return data

    def _check_greeted(self) -> None:
        if self._session.peer is None and time.monotonic() - self._opened_at >= self._session.limits.hello_s:
            raise LostError(f"no HELLO within {self._session.limits.hello_s:g} s")

    def _tick(self, now: float) -> None:
        self._check_greeted()
        self._session.tick(now)
        self._spawn_flush()

    def _act(self, event: Event) -> None:
        if isinstance(event, Called):
            self._on_call(event)
        elif isinstance(event, BodyCame):
            self._on_body(event)
        elif isinstance(event, Described):
            self._start(event.call, self._describe(event))
        elif isinstance(event, CancelCame):
            self._on_cancel(event.call)
        elif isinstance(event, Greeted):
            self._session.welcome(
                {
                    "ksrpc": __version__,
                    "session": secrets.token_hex(16),
                    "features": sorted(wire.FEATURES),
                    "heartbeat_s": self._session.limits.heartbeat_s,
                    "timeout_s": self._gateway.config.call.timeout_s,
                }
            )

    def _on_call(self, event: Called) -> None:
        try:
            arguments = self._arguments(event)
        except BusyError as exc:
            self._session.fail(event.call, pack_fault(exc))
        else:
            self._handle(event, arguments)

    def _start(self, call: int, work: Any) -> None:
        self._tasks[call] = self._loop.create_task(work)

    def _end(self, call: int) -> None:
        self._tasks.pop(call, None)
        self._inflows.pop(call, None)

    def _handle(self, event: Called, arguments: Arguments) -> None:
        """Answer at once from the cache, or begin the call."""
        session, call_id = self._session, event.call
        call = Call(
            self._user,
            event.meta["path"],
            arguments,
            self._loop.time() + self._timeout_s(event.meta),
            is_main=event.meta.get("executor") == "main",
            cache_get=event.meta.get("cache_get") is not False,
            cache_expire=self._expire_s(event.meta),
            tell=lambda kind, meta: session.status(call_id, _STATUS[kind], meta),
        )
        try:
            answer = self._gateway.glance(call)
        except Exception as exc:
            session.fail(call_id, pack_fault(exc))
            return
        if answer is None:
            self._start(call_id, self._answer(call_id, self._gateway.handle(call)))
        else:
            session.answer(call_id, answer.pieces, size=answer.size, meta=answer.labels)

    async def _describe(self, event: Described) -> None:
        call = Call(self._user, event.meta["path"], Arguments(), self._loop.time() + self._timeout_s(event.meta))

        async def pack() -> Answer:
            message = wire.pack(asdict(await self._gateway.describe(call)))
            return Answer(tuple(message.segments), message.nbytes)

        await self._answer(event.call, pack())

    async def _answer(self, call_id: int, work: Awaitable[Answer]) -> None:
        try:
            answer = await work
        except asyncio.CancelledError:
            self._session.fail(call_id, {"code": "cancelled", "maybe_ran": True})
        except RaisedError as exc:
            self._session.fail(call_id, exc.meta, exc.body)
        except Exception as exc:
            self._session.fail(call_id, pack_fault(exc))
        else:
            self._session.answer(call_id, answer.pieces, size=answer.size, meta=answer.labels)
        self._end(call_id)
        if not self._flush_now():
            await self._flush()

    def _arguments(self, event: Called) -> Arguments:
        """Open the way for the rest of the arguments; it may come before the call's task takes its first step."""
        if event.fin:
            return Arguments(event.body)
        if len(self._inflows) >= INFLOWS:
            raise BusyError(f"the arguments of {INFLOWS} calls are on their way on this connection already")
        inflow = _Inflow(partial(self._consume, event.call))
        self._inflows[event.call] = inflow
        return Arguments(event.body, inflow.pieces())

    def _consume(self, call: int, count: int) -> None:
        self._session.consume(call, count)
        if self._session.outbox:
            self._spawn_flush()

    def _on_body(self, event: BodyCame) -> None:
        inflow = self._inflows.get(event.call)
        try:
            if inflow is not None:
                inflow.put(event.body, fin=event.fin)
            else:
                self._session.consume(event.call, len(event.body))
        except TooLargeError as exc:
            self._session.fail(event.call, pack_fault(exc))
            self._on_cancel(event.call)

    def _on_cancel(self, call_id: int) -> None:
        task = self._tasks.get(call_id)
        if task is None:
            return
        if inspect.getcoroutinestate(cast(Coroutine[Any, Any, None], task.get_coro())) == inspect.CORO_CREATED:
            self._end(call_id)  # cancelled before its first step, it will never answer for itself
            self._session.fail(call_id, {"code": "cancelled", "maybe_ran": False})
        task.cancel()

    def _expire_s(self, meta: dict[str, Any]) -> float | None:
        asked = meta.get("cache_expire")
        return asked if isinstance(asked, _NUMBER) and 0 <= asked < math.inf else None

    def _timeout_s(self, meta: dict[str, Any]) -> float:
        limit = self._gateway.config.call.timeout_s
        asked = meta.get("deadline_ms")
        return min(asked / 1000, limit) if isinstance(asked, _NUMBER) and asked > 0 else limit

    def _spawn_flush(self) -> None:
        if not self._flush_now():
            self._spawn(self._flush())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._loop.create_task(work).add_done_callback(_forget)

    def _flush_now(self) -> bool:
        """Send what waits as far as the connection takes it by plain calls; return whether nothing is left to send."""
        steady, outbox = self.steady, self._session.outbox
        if steady is None or self._is_writing:
            return False
        while steady.is_writable:
            frame = None if outbox.is_empty else self._session.pull()
            if frame is None:
                return True
            steady.put(*frame)
        return False

    async def _flush(self) -> None:
        """Send what waits; whoever comes while another sends leaves it to that one."""
        if self._is_writing:
            return
        self._is_writing = True
        try:
            outbox = self._session.outbox
            while not outbox.is_empty and (frame := self._session.pull()) is not None:
                if self.steady is not None:
                    await self.steady.drain()
                    self.steady.put(*frame)
                else:
                    head, body = frame
                    await self._send({"type": "websocket.send", "bytes": b"".join(frame) if body else head})
        except OSError:
            pass  # the peer is gone; `serve` learns it from the next message
        finally:
            self._is_writing = False


def _forget(task: asyncio.Task[None]) -> None:
    """Keep the loop from reporting a flush that was cut off with its connection."""
    if not task.cancelled():
        task.exception()
