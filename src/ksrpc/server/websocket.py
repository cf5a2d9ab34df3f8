"""Many calls on one WebSocket: drives a Callee session.

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
from typing import TYPE_CHECKING, Any, cast

from ksrpc import __version__, wire
from ksrpc.errors import BusyError, ProtocolError, TooLargeError
from ksrpc.gateway import Answer, Arguments, Call, Gateway
from ksrpc.limits import INFLOWS, REQUEST
from ksrpc.model import User
from ksrpc.protocol import Buffer, Callee, FrameType, pack_head
from ksrpc.protocol.event import BodyCame, Called, CancelCame, Described, Event, Greeted
from ksrpc.protocol.fault import pack_fault
from ksrpc.protocol.ledger import Ledger
from ksrpc.server.compression import NOTHING, choose_compression, send_frames
from ksrpc.server.feature import expect_decodable
from ksrpc.server.outflow import stream_frames
from ksrpc.server.resume import Sessions
from ksrpc.transport.link import RaisedError

if TYPE_CHECKING:
    from ksrpc.gateway.identify import Visitor
    from ksrpc.server.carrier import Carrier

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


class SessionShell:
    """Drive one session, whichever connection carries it: its running calls, its writer.

    Attributes:
        user: Whose it is.
        name: Its id, once it may go on on another connection; empty if it ends with the one that it began on.
        carrier: The connection; None while there is none.
        visitor: Who was at the other end last.
    """

    def __init__(self, gateway: Gateway, user: User, sessions: Sessions, carrier: Carrier) -> None:
        self.user = user
        self.name = ""
        self.carrier: Carrier | None = carrier
        self.visitor = carrier.visitor
        self._steady = carrier.steady
        self._gateway = gateway
        self._sessions = sessions
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._session = Callee(now=time.monotonic())
        self._suit(self.visitor)
        self._ledger: Ledger | None = None
        self._pull = self._session.pull
        self._inflows: dict[int, _Inflow] = {}
        self._objects = f"ws {secrets.token_hex(16)}"  # what objects that are kept for this session belong to
        self._moved = asyncio.Event()
        self._compression = NOTHING
        self._features: frozenset[str] = frozenset()

    def take(self, data: bytes) -> Coroutine[Any, Any, None] | None:
        """Act on one message; return what is to be awaited before the next one is taken, if anything.

        Raises:
            ProtocolError: The peer broke a rule.
        """
        now = time.monotonic()
        if self._ledger is not None and self._ledger.hear(data):
            self._session.hear(now)
        else:
            event = self._session.receive(data, now)
            if event is not None:
                self._act(event)
        self._moved.set()
        return None if self._session.outbox.is_empty or self._flush_now() else self._flush()

    def tick(self, now: float) -> None:
        """Do what is due; called every second.

        Raises:
            LostError: The peer was silent for too long.
        """
        self._session.tick(now)
        if self._ledger is not None:
            self._ledger.tell()
        self._spawn_flush()

    # connections come and go

    def attach(self, carrier: Carrier, received: int) -> None:
        """Go on on another connection, whose peer has so many of our frames; a connection still there is cut off.

        Raises:
            ProtocolError: The peer cannot have so many, or so few.
        """
        if self._ledger is None:
            raise ProtocolError("this session ends with its connection")
        self._ledger.rewind(received)
        self._session.hear(time.monotonic())
        self._session.outbox.put_back([(pack_head(FrameType.ACK, offset=self._ledger.received), b"")])
        old, self.carrier = self.carrier, carrier
        self._steady, self.visitor = carrier.steady, carrier.visitor
        self._suit(self.visitor)
        if old is not None:
            old.drop()
        self._sessions.resume(self)
        self._spawn_flush()

    def _suit(self, visitor: Visitor) -> None:
        """Send in large slices where they take no time on the way; know whence calls come."""
        limits = self._session.limits
        self._place = self._gateway.door.place_of(visitor)
        is_near = self._gateway.door.is_near(visitor)
        near_bytes = min(limits.near_slice_bytes, self._session.accepted_bytes)
        self._session.outbox.slice_bytes = near_bytes if is_near else limits.slice_bytes

    def leave(self, carrier: Carrier, *, is_broken: bool) -> None:
        """Part from a connection: wait for another one if this one broke, end if it was closed."""
        if self.carrier is not carrier:
            return
        self.carrier = self._steady = None
        if is_broken and self.name:
            self._sessions.keep(self)
        else:
            self.end()

    def end(self) -> None:
        """Cancel what runs."""
        self._sessions.forget(self)
        for task in list(self._tasks.values()):
            task.cancel()
        self._gateway.end_session(self._objects)

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of answers and arguments wait here."""
        return self._session.outbox.value_bytes + (self._ledger.kept_bytes if self._ledger is not None else 0)

    # calls

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
            self._greet(event)

    def _greet(self, event: Greeted) -> None:
        fields = {
            "ksrpc": __version__,
            "features": sorted(wire.FEATURES),
            "heartbeat_s": self._session.limits.heartbeat_s,
            "timeout_s": self._gateway.config.call.timeout_s,
        }
        if event.meta.get("resume") is True:
            self._ledger = Ledger(self._session)
            self._pull = self._ledger.pull
            self.name = self._sessions.add(self)
            fields |= {"session": self.name, "resume_s": self._sessions.limits.window_s}
        self._suit(self.visitor)
        self._features = wire.share_features(event.meta.get("features"))
        codecs = wire.share_codecs(event.meta.get("codecs"))
        self._compression = choose_compression(self._gateway, self.visitor, codecs)
        if self._compression.codecs:
            fields["codecs"] = wire.INFLATED
        self._session.welcome(fields)

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
            self.user,
            event.meta["path"],
            arguments,
            self._loop.time() + self._timeout_s(event.meta),
            place=self._place,
            is_main=event.meta.get("executor") == "main",
            cache_get=event.meta.get("cache_get") is not False,
            cache_expire=self._expire_s(event.meta),
            tell=partial(self._tell, call_id),
            session=self._objects,
        )
        try:
            answer = self._gateway.glance(call)
            if answer is not None:
                expect_decodable(answer, self._features)
        except Exception as exc:
            session.fail(call_id, pack_fault(exc))
            return
        if answer is None:
            self._start(call_id, self._answer(call_id, self._gateway.handle(call)))
        elif self._compression.suits(answer):
            self._start(call_id, self._answer(call_id, _ready(answer)))
        else:
            session.answer(call_id, answer.pieces, size=answer.size, meta=answer.labels)

    async def _describe(self, event: Described) -> None:
        call = Call(self.user, event.meta["path"], Arguments(), self._loop.time() + self._timeout_s(event.meta))

        async def pack() -> Answer:
            message = wire.pack(asdict(await self._gateway.describe(call)))
            return Answer(tuple(message.segments), message.nbytes)

        await self._answer(event.call, pack())

    async def _answer(self, call_id: int, work: Awaitable[Answer]) -> None:
        try:
            answer = await work
            expect_decodable(answer, self._features)
            if answer.flow is not None:
                await stream_frames(self._session, call_id, answer, flush=self._push, moved=self._await_move)
            elif self._compression.suits(answer):
                await send_frames(self._session, call_id, answer, self._compression, (self._push, self._await_move))
            else:
                self._session.answer(call_id, answer.pieces, size=answer.size, meta=answer.labels)
        except asyncio.CancelledError:
            self._session.fail(call_id, {"code": "cancelled", "maybe_ran": True})
        except RaisedError as exc:
            self._session.fail(call_id, exc.meta, exc.body)
        except Exception as exc:
            self._session.fail(call_id, pack_fault(exc))
        self._end(call_id)
        await self._push()

    async def _push(self) -> None:
        if not self._flush_now():
            await self._flush()

    async def _await_move(self) -> None:
        """Wait until the peer said something or bytes went out: credit may be there."""
        self._moved.clear()
        await self._moved.wait()

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

    def _tell(self, call_id: int, kind: str, meta: dict[str, Any]) -> None:
        self._session.status(call_id, _STATUS[kind], meta)
        self._spawn_flush()

    def _expire_s(self, meta: dict[str, Any]) -> float | None:
        asked = meta.get("cache_expire")
        return asked if isinstance(asked, _NUMBER) and 0 <= asked < math.inf else None

    def _timeout_s(self, meta: dict[str, Any]) -> float:
        limit = self._gateway.config.call.timeout_s
        asked = meta.get("deadline_ms")
        return min(asked / 1000, limit) if isinstance(asked, _NUMBER) and asked > 0 else limit

    def _spawn_flush(self) -> None:
        if self._flush_now():
            self._moved.set()  # who holds an answer back until there is room has it now
        else:
            self.spawn(self._flush())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something be done beside."""
        self._loop.create_task(work).add_done_callback(_forget)

    def _flush_now(self) -> bool:
        """Send what waits as far as the connection takes it by plain calls; return whether nothing is left to send."""
        steady, outbox = self._steady, self._session.outbox
        is_soon = bool(self._tasks)  # others' answers may come in the same turn of the loop
        if steady is None or self.carrier is None or self.carrier.is_writing:
            return False
        while steady.is_writable:
            frame = None if outbox.is_empty else self._pull()
            if frame is None:
                return True
            steady.put(*frame, is_soon=is_soon)
        return False

    async def _flush(self) -> None:
        """Send what waits; whoever comes while another sends leaves it to that one."""
        carrier = self.carrier
        if carrier is None or carrier.is_writing:
            return
        carrier.is_writing = True
        try:
            outbox = self._session.outbox
            while carrier is self.carrier and not outbox.is_empty and (frame := self._pull()) is not None:
                await self._send(carrier, *frame)
        except OSError:
            pass  # the peer is gone; the carrier learns it from its next message
        finally:
            carrier.is_writing = False
            self._moved.set()

    async def _send(self, carrier: Carrier, head: bytes, body: Buffer) -> None:
        """Send one frame; if the session has another connection by the time it could go out, it goes out there."""
        if carrier.steady is None:
            await carrier.send({"type": "websocket.send", "bytes": b"".join((head, body)) if body else head})
            return
        await carrier.steady.drain()
        if carrier is self.carrier:
            carrier.steady.put(head, body)


async def _ready(answer: Answer) -> Answer:
    return answer


def _forget(task: asyncio.Task[None]) -> None:
    """Keep the loop from reporting a flush that was cut off with its connection."""
    if not task.cancelled():
        task.exception()
