"""One WebSocket connection to a gateway, sans I/O: its handshake, its session, and who waits for which answer.

A shell owns the socket and drives this from one thread at a time (it brings its own lock if it has several):

* sends `request()`, feeds what comes into `room()` and tells `shake(count)` until that returns True;
* then feeds `receive(count)`, and sends what `pull()` gives whenever there may be something;
* calls `tick(now)` every few seconds, and `lose(reason)` when the carrier breaks.

Source: docs/spec/protocol.md "Carriers".
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ksrpc import __version__, wire
from ksrpc.errors import ConnectError, KsrpcError, LostError
from ksrpc.limits import SESSION
from ksrpc.protocol import Buffer, Caller, Meta
from ksrpc.protocol.event import Event, GoAwayCame, Greeted, RaiseCame, ResultCame
from ksrpc.transport.inlet import Inlet
from ksrpc.transport.problem import parse_problem

_MAX_MESSAGE = SESSION.frame_bytes + SESSION.meta_bytes + 64


class Waiting(Protocol):
    """Say what is told to who waits for an answer."""

    is_done: bool

    def take(self, event: ResultCame) -> None:
        """Take a piece of the value."""

    def fail(self, event: RaiseCame) -> None:
        """Take the end without a value."""

    def lose(self, error: KsrpcError) -> None:
        """End without an answer."""


class Conversation:
    """Hold the state of one connection.

    Attributes:
        welcome: The server's greeting; empty before it came.
        loss: Why the connection is lost; empty while it is not.
        waiters: Who waits, by call.
        is_suspect: Whether the server has kept silent where it owed an answer: new calls go elsewhere.
    """

    def __init__(self, url: str, *, token: str | None) -> None:
        self.welcome: Meta = {}
        self.loss = ""
        self.is_suspect = False
        self.waiters: dict[int, Waiting] = {}
        self.session = Caller(now=time.monotonic())
        self._parts: list[Buffer] = []
        self._inlet = Inlet(_MAX_MESSAGE)
        self.room = self._inlet.room
        self._protocol = ClientProtocol(parse_uri(url), max_size=_MAX_MESSAGE)
        self._protocol.reader = self._inlet
        self._protocol.parser = self._protocol.parse()
        next(self._protocol.parser)
        self._token = token

    # the handshake

    def request(self) -> bytes:
        """Return the handshake's request."""
        request = self._protocol.connect()
        request.headers["User-Agent"] = f"ksrpc/{__version__}"
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        self._protocol.send_request(request)
        return b"".join(self._protocol.data_to_send())

    def shake(self, data: memoryview) -> bool:
        """Take what the server answers to it (nothing: it hung up); return whether the handshake is over.

        Raises:
            ConnectError: There is no ksrpc WebSocket.
            KsrpcError: The server refuses; the class says why.
        """
        protocol = self._protocol
        if len(data):
            protocol.receive_data(data)  # type: ignore[arg-type]  # our inlet takes it
        else:
            protocol.receive_eof()
        failure = protocol.handshake_exc
        if protocol.state is State.CONNECTING and failure is None and len(data):
            return False
        if isinstance(failure, InvalidStatus):
            raise _refusal(parse_problem(failure.response.status_code, bytes(failure.response.body or b"")))
        if failure is not None or protocol.state is not State.OPEN:
            reason = failure if isinstance(failure, InvalidHandshake) else "no answer"
            raise ConnectError(f"this is not a ksrpc WebSocket: {reason}")
        self.session.greet({"ksrpc": __version__, "features": sorted(wire.FEATURES)})
        return True

    # calls

    @property
    def is_usable(self) -> bool:
        """Tell whether new calls may be made."""
        return not self.loss and not self.is_suspect and not self.session.is_leaving

    def call(self, meta: Meta, pieces: Sequence[Buffer], waiter: Waiting) -> int:
        """Open a call; its waiter is told the answer.

        Raises:
            BusyError: No further call can be made on this connection.
        """
        call = self.session.call(meta, pieces)
        self.waiters[call] = waiter
        return call

    def describe(self, path: str, waiter: Waiting) -> int:
        """Ask what stands at a path."""
        call = self.session.describe(path)
        self.waiters[call] = waiter
        return call

    def abandon(self, call: int) -> bool:
        """Give a call up; return whether the server may have it."""
        was_sent = self.session.was_sent(call)
        self.waiters.pop(call, None)
        self.session.abandon(call, "the caller gave up")
        return was_sent

    def doubt(self, since: float) -> None:
        """Take note of a call over its time; if nothing at all came since then, the connection may be a dead one."""
        if self.session.heard_at < since:
            self.is_suspect = True

    def lose(self, reason: str) -> None:
        """Fail every call under way, each with the truth about whether it may have run."""
        self.loss = self.loss or reason
        for call, waiter in list(self.waiters.items()):
            if not waiter.is_done:
                waiter.lose(LostError(reason, maybe_ran=self.session.was_sent(call)))
        self.waiters.clear()

    # bytes

    def receive(self, data: memoryview) -> None:
        """Take the filled part of `room()`.

        Raises:
            KsrpcError: The connection is over; the text says why.
        """
        now = time.monotonic()
        message: Buffer | None
        self._inlet.feed_data(data)
        if self.session.peer is not None and self._protocol.state is State.OPEN and not self._parts:
            while (message := self._inlet.take_message()) is not None:
                self._hear(message, now)
            if self._inlet.is_empty:
                return
        self._protocol.receive_data(data[:0])  # type: ignore[arg-type]  # our inlet has it
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame) and (message := self._assemble(frame)) is not None:
                self._hear(message, now)
        if self._protocol.state is not State.OPEN:
            close = self._protocol.close_rcvd
            reason = f"{close.code} {close.reason}" if close is not None else "without a reason"
            raise LostError(f"the server closed the connection: {reason}")

    def _hear(self, message: Buffer, now: float) -> None:
        event = self.session.receive(message, now)
        if event is not None:
            self._act(event)

    def pull(self) -> tuple[bytes, bool]:
        """Return the bytes of the next frames, at most one with a body, and whether there is more."""
        if self._protocol.state is not State.OPEN:
            return b"", False
        while (frame := self.session.pull()) is not None:
            self._protocol.send_binary(b"".join(frame))
            if frame[1]:
                break
        outbox = self.session.outbox
        return b"".join(self._protocol.data_to_send()), not outbox.is_empty and bool(outbox)

    def tick(self, now: float) -> None:
        """Send a heartbeat if one is due.

        Raises:
            LostError: Nothing was heard from the server for too long.
        """
        self.session.tick(now)

    def part(self) -> bytes:
        """Return the bytes of a good-bye."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
        return b"".join(self._protocol.data_to_send())

    def _assemble(self, frame: Frame) -> Buffer | None:
        """Return a whole message; proxies may cut messages into fragments."""
        if frame.opcode not in (Opcode.BINARY, Opcode.CONT):
            return None
        if frame.fin and not self._parts:
            return frame.data
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        whole, self._parts = b"".join(self._parts), []
        return whole

    def _act(self, event: Event) -> None:
        if isinstance(event, ResultCame):
            waiter = self.waiters.get(event.call)
            if waiter is not None:
                waiter.take(event)
            if event.credited:
                self.session.consume(event.call, len(event.body))
        elif isinstance(event, RaiseCame):
            waiter = self.waiters.get(event.call)
            if waiter is not None:
                waiter.fail(event)
        elif isinstance(event, Greeted):
            self.welcome = event.meta
        elif isinstance(event, GoAwayCame):
            self.session.is_leaving = True


def _refusal(error: KsrpcError) -> KsrpcError:
    """Say of a failed handshake what it is: nothing was called yet."""
    return ConnectError(str(error)) if isinstance(error, LostError) else error
