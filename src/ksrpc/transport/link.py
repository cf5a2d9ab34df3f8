"""A socket pair between the gateway and a worker process: the gateway's side, on its loop.

Source: docs/spec/protocol.md "Carriers", "Hand-over".
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from ksrpc.errors import KsrpcError, LostError, ProtocolError
from ksrpc.limits import HANDOVER_BYTES, RESULT
from ksrpc.protocol import Buffer, Caller, Framer, Meta, pack_length
from ksrpc.protocol.event import Event, Greeted, HandoverCame, RaiseCame, ResultCame
from ksrpc.protocol.fault import RAISED, parse_fault
from ksrpc.transport.descriptor import Region, Regions, send_descriptor

#: Argument bytes queued towards a worker before the sender has to wait.
_QUEUE_BYTES = 1 << 20
#: The step that lets a worker forget what it keeps.
_DROP = "!drop"


class RaisedError(KsrpcError):
    """Carry what a library raised, still encoded: the gateway passes it on and never decodes it."""

    code = RAISED

    def __init__(self, meta: Meta, body: bytes) -> None:
        super().__init__("the library raised")
        self.meta = meta
        self.body = body


class Received(NamedTuple):
    """Hold an encoded value, and what its RESULT frame said beside it."""

    pieces: tuple[Buffer, ...]
    meta: Meta


class Inbound:
    """Collect the value of one call from a worker; with a sink each piece goes there as it comes."""

    __slots__ = ("announced_bytes", "future", "meta", "pieces", "region", "sink", "size")

    def __init__(self, future: asyncio.Future[Received], sink: Callable[[Buffer], None] | None = None) -> None:
        self.future = future
        self.sink = sink
        self.meta: Meta = {}
        self.pieces: list[Buffer] = []
        self.size = 0
        self.announced_bytes = 0
        self.region: Region | None = None


class WorkerLink(asyncio.Protocol):
    """Drive a Caller over the gateway's end of the pair."""

    def __init__(self, channel: socket.socket) -> None:
        self.session = Caller(now=time.monotonic())
        self.greeted: asyncio.Future[Meta] = asyncio.get_running_loop().create_future()
        self.is_lost = False
        self._channel = channel
        self._framer = Framer(self.session.limits)
        self._transport: asyncio.WriteTransport | None = None
        self._may_write = True
        self._drained = asyncio.Event()
        self._inbound: dict[int, Inbound] = {}
        self._regions = Regions()

    def call(self, meta: Meta, arguments: Buffer) -> tuple[int, asyncio.Future[Received]]:
        """Send a call whose arguments are all there."""
        return self._expect(self.session.call(meta, [arguments]))

    def open_call(self, meta: Meta) -> tuple[int, asyncio.Future[Received]]:
        """Begin a call whose arguments follow."""
        return self._expect(self.session.open_call(meta))

    def describe(self, path: str) -> tuple[int, asyncio.Future[Received]]:
        """Ask what stands at a path."""
        return self._expect(self.session.describe(path))

    def use(
        self, number: int | list[int], what: str, sink: Callable[[Buffer], None] | None = None
    ) -> tuple[int, asyncio.Future[Received]]:
        """Take a step with what the worker keeps; pieces of the answer that come early go to `sink`."""
        return self._expect(self.session.call({"path": what, "held": number}, [b""]), sink)

    async def send_body(self, call: int, pieces: Sequence[Buffer], *, ended: bool) -> None:
        """Send argument bytes; waits while the worker takes them slowly."""
        self.session.send_body(call, pieces, ended=ended)
        self.flush()
        while self.session.waiting_bytes(call) > _QUEUE_BYTES and not self.is_lost:
            self._drained.clear()
            await self._drained.wait()

    def cancel(self, call: int) -> None:
        """Ask the worker to stop; its answer still comes."""
        self.session.cancel(call)
        self.flush()

    def forget_regions(self) -> None:
        """Give back the memory that is kept for the next large answer."""
        self._regions.close()

    def close(self) -> None:
        """Close the pair; the worker ends by it."""
        if self._transport is not None:
            self._transport.close()
        self._channel.close()

    def flush(self) -> None:
        """Write what the session has, as far as the carrier takes it."""
        outbox = self.session.outbox
        while self._transport is not None and self._may_write and not outbox.is_empty:
            frame = self.session.pull()
            if frame is None:
                break
            head, body = frame
            self._transport.write(b"".join((pack_length(head, body), body)))
        self._drained.set()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one without saying so
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Feed the session and settle what is answered; a worker that breaks a rule is cut off."""
        try:
            for message in self._framer.feed(data):
                event = self.session.receive(message, 0.0)
                if event is not None:
                    self._act(event)
        except (ProtocolError, OSError) as exc:
            self._lose(f"the worker broke the protocol: {exc}")
            self.close()
            return
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        self._lose("the worker process ended during the call")
        self._channel.close()

    def pause_writing(self) -> None:
        """Hold frames back."""
        self._may_write = False

    def resume_writing(self) -> None:
        """Go on."""
        self._may_write = True
        self.flush()

    # events

    def _expect(self, call: int, sink: Callable[[Buffer], None] | None = None) -> tuple[int, asyncio.Future[Received]]:
        future: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self._inbound[call] = Inbound(future, sink)
        self.flush()
        return call, future

    def _act(self, event: Event) -> None:
        if isinstance(event, ResultCame):
            self._on_result(event)
        elif isinstance(event, RaiseCame):
            self._on_raise(event)
        elif isinstance(event, HandoverCame):
            self._on_handover(event)
        elif isinstance(event, Greeted) and not self.greeted.done():
            self.greeted.set_result(event.meta)

    def _on_result(self, event: ResultCame) -> None:
        entry = self._inbound[event.call]
        if event.credited:
            self.session.consume(event.call, len(event.body))
        entry.size += len(event.body)
        if entry.size > HANDOVER_BYTES:
            raise ProtocolError("a large value that was not handed over")
        if event.meta:
            entry.meta = event.meta
        if not event.fin:
            self._keep(entry, event.body)
            return
        entry.pieces.append(event.body)
        if entry.region is not None:
            entry.pieces = [entry.region.view(entry.announced_bytes)]
        del self._inbound[event.call]
        self._release(entry)
        if not entry.future.done():
            entry.future.set_result(Received(tuple(entry.pieces), entry.meta))
        elif "held" in entry.meta:  # nobody waits any more for what is kept for it
            with contextlib.suppress(KsrpcError):
                self.use(entry.meta["held"], _DROP)

    def _keep(self, entry: Inbound, body: Buffer) -> None:
        if entry.sink is None or "size" in entry.meta:
            entry.pieces.append(body)
        else:
            entry.sink(bytes(body))

    def _on_raise(self, event: RaiseCame) -> None:
        entry = self._inbound.pop(event.call)
        self._release(entry)
        if not entry.future.done():
            raised = event.meta.get("code") == RAISED
            entry.future.set_exception(
                RaisedError(event.meta, bytes(event.body)) if raised else parse_fault(event.meta)
            )

    def _on_handover(self, event: HandoverCame) -> None:
        entry = self._inbound[event.call]
        if event.size == 0:
            raise ProtocolError("an empty value is not handed over")
        if event.size > RESULT.message_bytes:
            send_descriptor(self._channel, event.call, None)
            return
        entry.announced_bytes = event.size
        entry.region = self._regions.take(event.size)
        send_descriptor(self._channel, event.call, entry.region.fd)

    def _release(self, entry: Inbound) -> None:
        if entry.region is not None:
            self._regions.give_back(entry.region)
            entry.region = None

    def _lose(self, reason: str) -> None:
        self.is_lost = True
        self._drained.set()
        if not self.greeted.done():
            self.greeted.set_exception(LostError("the worker process ended before it was ready", maybe_ran=False))
            with contextlib.suppress(LostError):
                self.greeted.exception()
        for call, entry in self._inbound.items():
            self._release(entry)
            if not entry.future.done():
                entry.future.set_exception(LostError(reason, maybe_ran=self.session.was_sent(call)))
                entry.future.exception()
        self._inbound.clear()
        self._regions.close()
