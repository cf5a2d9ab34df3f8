"""Run coroutine functions side by side on one loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Coroutine
from typing import Any, cast

from ksrpc.errors import KsrpcError, ProtocolError, TooLargeError
from ksrpc.limits import HANDOVER_BYTES
from ksrpc.protocol import Callee, Framer, pack_length
from ksrpc.protocol.event import BodyCame, Called, CancelCame, Described, Event
from ksrpc.transport.descriptor import receive_descriptor, write_descriptor
from ksrpc.wire import Message
from ksrpc.worker.ferry import apull
from ksrpc.worker.holding import PULL, STEPS
from ksrpc.worker.host import NOTHING, Host, Outcome, refused
from ksrpc.worker.intake import Intake


class ConcurrentWorker(asyncio.Protocol):
    """Serve the gateway over its socket pair from an asyncio loop."""

    def __init__(self, session: Callee, host: Host, channel: socket.socket) -> None:
        self._session = session
        self._host = host
        self._intake = Intake(host)
        self._channel = channel
        self._framer = Framer(session.limits)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._grants: dict[int, asyncio.Future[int]] = {}
        self._transport: asyncio.WriteTransport | None = None
        self._may_write = True
        self.gone = asyncio.Event()

    async def serve(self, sock: socket.socket) -> None:
        """Serve until the gateway closes its end."""
        loop = asyncio.get_running_loop()
        self._channel.setblocking(False)
        loop.add_reader(self._channel, self._on_descriptor)
        await loop.create_unix_connection(lambda: self, sock=sock)
        await self.gone.wait()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one without saying so
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Feed the session; a broken rule ends the process, the gateway starts another."""
        try:
            for message in self._framer.feed(data):
                event = self._session.receive(message, time.monotonic())
                if event is not None:
                    self._act(event)
        except ProtocolError:
            self.gone.set()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """End with the gateway."""
        self.gone.set()

    def pause_writing(self) -> None:
        """Hold further frames back."""
        self._may_write = False

    def resume_writing(self) -> None:
        """Go on."""
        self._may_write = True
        self._flush()

    def _flush(self) -> None:
        while self._transport is not None and self._may_write:
            frame = self._session.pull()
            if frame is None:
                return
            head, body = frame
            self._transport.write(b"".join((pack_length(head, body), body)))

    # events

    def _act(self, event: Event) -> None:
        if isinstance(event, Called) and event.meta["path"] in STEPS:
            self._begin(event.call, self._use(event.call, event.meta["path"], event.meta.get("held", 0)))
        elif isinstance(event, Called | BodyCame):
            step = self._intake.take(event)
            if isinstance(event, BodyCame):
                self._session.consume(event.call, len(event.body))
            if isinstance(step, Outcome):
                self._reply(event.call, step)
            elif step is not None:
                self._begin(step.call, self._host.run_async(step))
        elif isinstance(event, Described):
            try:
                self._reply(event.call, Outcome(self._host.describe(event.meta["path"])))
            except Exception as exc:
                self._reply(event.call, refused(exc))
        elif isinstance(event, CancelCame):
            self._cancel(event.call)

    def _begin(self, call: int, work: Coroutine[Any, Any, Outcome]) -> None:
        task = asyncio.get_running_loop().create_task(self._run(call, work))
        self._tasks[call] = task
        task.add_done_callback(lambda _: self._tasks.pop(call, None))

    async def _run(self, call: int, work: Coroutine[Any, Any, Outcome]) -> None:
        try:
            outcome = await work
            if outcome.fault is None and outcome.message.nbytes > HANDOVER_BYTES:
                await self._hand_over(call, outcome.message)
            else:
                self._reply(call, outcome)
        except asyncio.CancelledError:
            self._session.fail(call, {"code": "cancelled", "maybe_ran": True})
        except (KsrpcError, OSError) as exc:
            self._reply(call, refused(exc, maybe_ran=True))
        self._flush()

    async def _use(self, call: int, what: str, number: int | list[int]) -> Outcome:
        """Take a step with something that is kept here."""
        holding = self._host.holding
        try:
            if what == PULL:
                return await apull(call, holding.get(number), self._send_early)
            for kept in holding.drop(number):
                await kept.aclose()
            return NOTHING
        except Exception as exc:
            return refused(exc)

    def _send_early(self, call: int, message: Message) -> None:
        """Send items while the next one is awaited."""
        if not self._session.is_answering(call):
            self._session.open_answer(call, {})
        self._session.send_answer(call, message.segments, ended=False)
        self._flush()

    def _cancel(self, call: int) -> None:
        task = self._tasks.get(call)
        if task is not None:
            task.cancel()
        else:
            self._intake.drop(call)
            self._session.fail(call, {"code": "cancelled", "maybe_ran": False})

    def _reply(self, call: int, outcome: Outcome) -> None:
        if outcome.fault is not None:
            self._session.fail(call, outcome.fault, outcome.message.join())
        elif self._session.is_answering(call):
            self._session.send_answer(call, outcome.message.segments, ended=True)
        else:
            self._session.answer(call, outcome.message.segments, size=outcome.message.nbytes, meta=outcome.label)

    async def _hand_over(self, call: int, message: Message) -> None:
        loop = asyncio.get_running_loop()
        grant = self._grants[call] = loop.create_future()
        self._session.handover(call, message.nbytes)
        self._flush()
        fd = await grant
        writing = loop.run_in_executor(None, _fill, fd, message)
        try:
            await asyncio.shield(writing)
        finally:
            while not writing.done():  # once this call has ended the gateway gives the region to another
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([writing])
        self._session.answer(call, [b""], size=0, meta={"descriptor": message.nbytes})

    def _on_descriptor(self) -> None:
        try:
            call, fd = receive_descriptor(self._channel)
        except BlockingIOError:
            return
        except (EOFError, OSError):
            self.gone.set()
            return
        grant = self._grants.pop(call, None)
        if grant is None or grant.done():
            if fd is not None:
                os.close(fd)
        elif fd is None:
            grant.set_exception(TooLargeError("the result is larger than the gateway takes"))
        else:
            grant.set_result(fd)


def _fill(fd: int, message: Message) -> None:
    try:
        write_descriptor(fd, message.segments)
    finally:
        os.close(fd)
