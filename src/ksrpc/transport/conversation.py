"""A session with a gateway over WebSocket, sans I/O: handshake, greeting, and who waits for which answer.

A shell owns the socket and drives this from one thread at a time (it brings its own lock if it has several):

* sends `request()`, feeds what comes into `room()` and tells `shake(count)` until that returns True;
* then feeds `receive(count)`, and sends what `pull()` gives whenever there may be something;
* calls `tick(now)` every few seconds;
* when the socket breaks and `may_resume`, calls `restart()`, and does all of this again on another socket; it is
  through when `is_attached`. Else it calls `lose(reason)`.

Source: docs/spec/protocol.md "Carriers", "Resume".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ksrpc import __version__, wire
from ksrpc.errors import ConnectError, KsrpcError, LostError, ProtocolError
from ksrpc.limits import RESUME, SESSION
from ksrpc.protocol import Buffer, Caller, FrameType, Meta, pack_head
from ksrpc.protocol.event import Event, GoAwayCame, Greeted, RaiseCame, ResultCame, StatusCame
from ksrpc.protocol.ledger import Ledger, parse_count
from ksrpc.transport.feed import Feed
from ksrpc.transport.held import RELEASE, Held
from ksrpc.transport.inlet import Inlet
from ksrpc.transport.problem import parse_problem
from ksrpc.transport.sight import News, look_at
from ksrpc.transport.watch import Sight, Watch

#: Small frames go out together until they are so many bytes.
_JOIN_BYTES = 1 << 14
_MAX_MESSAGE = SESSION.frame_bytes + SESSION.meta_bytes + 64


class Waiting(Protocol):
    """Say what is told to who waits for an answer."""

    is_done: bool
    feed: Feed | None
    news: News | None
    path: str

    def take(self, event: ResultCame) -> int:
        """Take a piece of the value; return how many of its bytes need not be waited for."""

    def hear(self, event: StatusCame) -> None:
        """Take what informs only."""

    def fail(self, event: RaiseCame) -> None:
        """Take the end without a value."""

    def lose(self, error: KsrpcError) -> None:
        """End without an answer."""


class Conversation:
    """Hold the state of one session and of the WebSocket that carries it now.

    Attributes:
        welcome: The server's greeting; empty before it came.
        loss: Why the connection is lost; empty while it is not.
        waiters: Who waits, by call.
        held: Handles of this session that were not let go.
        is_suspect: Whether the server has kept silent where it owed an answer: new calls go elsewhere.
        is_attached: Whether this WebSocket carries the session: the greeting is over, or what takes its place later.
    """

    def __init__(self, url: str, *, token: str | None, watch: Watch | None = None) -> None:
        self.welcome: Meta = {}
        self.loss = ""
        self.is_suspect = False
        self.waiters: dict[int, Waiting] = {}
        self.held: set[str] = set()
        self.session = Caller(now=time.monotonic())
        self._ledger: Ledger | None = Ledger(self.session)
        self._pull = self._ledger.pull
        self._url = url
        self._token = token
        self._watch = watch
        if watch is not None:
            watch.add(self)
        self.restart()

    def restart(self) -> None:
        """Begin on another socket."""
        self.is_attached = False
        self._parts: list[Buffer] = []
        self._inlet = Inlet(_MAX_MESSAGE)
        self.room = self._inlet.room
        self._protocol = ClientProtocol(parse_uri(self._url), max_size=_MAX_MESSAGE)
        self._protocol.reader = self._inlet
        self._protocol.parser = self._protocol.parse()
        next(self._protocol.parser)

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
        if not self.welcome:
            self.session.greet({"ksrpc": __version__, "features": sorted(wire.FEATURES), "resume": True})
        return True

    # another socket

    @property
    def resume_s(self) -> float:
        """Return how long the server keeps this session without a connection; 0 if this one ends it."""
        told = self.welcome.get("resume_s") if self._ledger is not None else None
        return max(0.0, min(told, RESUME.window_s)) if isinstance(told, int | float) else 0.0

    @property
    def may_resume(self) -> bool:
        """Tell whether going on on another socket can be tried, and there is a call or an object for which to do so."""
        is_wanted = bool(self.session.tracks or self.held)
        return is_wanted and self.resume_s > 0 and not self.loss and not self.session.is_leaving

    @property
    def is_wanted(self) -> bool:
        """Tell whether somebody waits, or holds an object."""
        return bool(self.waiters or self.held)

    def attach(self) -> bytes:
        """Return the first bytes on a socket that is to take up the session."""
        received = self._ledger.received if self._ledger is not None else 0
        meta = {"session": self.welcome.get("session")}
        self._protocol.send_binary(pack_head(FrameType.ATTACH, meta=meta, offset=received))
        return b"".join(self._protocol.data_to_send())

    def _on_attached(self, message: Buffer, now: float) -> None:
        """Take the server's first word on such a socket: how much it has."""
        if self._ledger is None or not message or message[0] != FrameType.ACK:
            raise ProtocolError("ATTACH must be answered by ACK")
        self._ledger.rewind(parse_count(message))
        self.session.hear(now)
        self.is_attached = True
        self.is_suspect = False

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
        if self._watch is not None:
            self._show(waiter, meta["path"])
        self.waiters[call] = waiter
        return call

    def describe(self, path: str, waiter: Waiting) -> int:
        """Ask what stands at a path."""
        call = self.session.describe(path)
        self._show(waiter, path)
        self.waiters[call] = waiter
        return call

    def abandon(self, call: int) -> bool:
        """Give a call up; return whether the server may have it."""
        was_sent = self.session.was_sent(call)
        self.waiters.pop(call, None)
        self.session.abandon(call, "the caller gave up")
        return was_sent

    def hold(self, handle: str, description: Any, release: Callable[[str], None]) -> Held:
        """Return what an answer stands for."""
        self.held.add(handle)
        return Held(handle, description, release)

    def release(self, handles: list[str]) -> None:
        """Let the server forget objects; nobody waits for its answer.

        Raises:
            BusyError: As `call`.
        """
        self.held.difference_update(handles)
        message = wire.pack_arguments((handles,), {})
        call = self.session.call({"path": RELEASE}, message.segments)
        self.session.tracks[call].is_abandoned = True

    def take_items(self, call: int, feed: Feed) -> list[bytes]:
        """Return the items of a stream that has news, still encoded; none at the end.

        Raises:
            BaseException: What ended the stream.
        """
        try:
            bodies, taken = feed.take()
        except BaseException:
            self.waiters.pop(call, None)
            raise
        if taken:
            self.session.consume(call, taken)
        if not bodies:
            self.waiters.pop(call, None)
        return bodies

    def _show(self, waiter: Waiting, path: str) -> None:
        waiter.path = path
        if self._watch is not None and not self._watch.is_awake:
            self._watch.wake()

    def look(self) -> Iterator[Sight]:
        """Show the calls under way; from any thread."""
        return look_at(self)

    def settle(self, call: int) -> None:
        """Have what is shown of a call taken away, before its caller goes on."""
        if self._watch is not None and self._watch.shown:
            self._watch.settle((id(self), call))

    def doubt(self, since: float) -> None:
        """Take note of a call over its time; if nothing at all came since then, the connection may be a dead one."""
        if self.session.heard_at < since:
            self.is_suspect = True

    def lose(self, reason: str) -> None:
        """Fail every call under way, each with the truth about whether it may have run."""
        self.loss = self.loss or reason
        for call, waiter in list(self.waiters.items()):
            if not waiter.is_done or waiter.feed is not None:
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
        if self._ledger is not None:
            if not self.is_attached and self.welcome:
                self._on_attached(message, now)
                return
            if self._ledger.hear(message):
                self.session.hear(now)
                return
        event = self.session.receive(message, now)
        if event is not None:
            self._act(event)

    def pull(self) -> tuple[bytes, bool]:
        """Return the bytes of the next frames, small ones together, and whether there is more."""
        if self._protocol.state is not State.OPEN:
            return b"", False
        count = 0
        while count < _JOIN_BYTES and (frame := self._pull()) is not None:
            self._protocol.send_binary(b"".join(frame))
            count += len(frame[1])
        return b"".join(self._protocol.data_to_send()), count >= _JOIN_BYTES and self.has_sendable

    @property
    def has_sendable(self) -> bool:
        """Tell whether something waits that credit, and the ledger, allow to be sent."""
        outbox = self.session.outbox
        if outbox.is_empty:
            return False
        is_full = self._ledger is not None and self._ledger.is_full
        return bool(outbox.control_frames) if is_full else bool(outbox)

    def tick(self, now: float) -> None:
        """Send a heartbeat if one is due.

        Raises:
            LostError: Nothing was heard from the server for too long.
        """
        self.session.tick(now)
        if self._ledger is not None:
            self._ledger.tell()

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
            taken = len(event.body) if waiter is None else waiter.take(event)
            if event.credited and taken:
                self.session.consume(event.call, taken)
        elif isinstance(event, RaiseCame):
            waiter = self.waiters.get(event.call)
            if waiter is not None:
                waiter.fail(event)
        elif isinstance(event, StatusCame):
            if (waiter := self.waiters.get(event.call)) is not None:
                waiter.hear(event)
        elif isinstance(event, Greeted):
            self._on_welcome(event.meta)
        elif isinstance(event, GoAwayCame):
            self.session.is_leaving = True

    def _on_welcome(self, meta: Meta) -> None:
        self.welcome = meta
        self.is_attached = True
        if self.resume_s <= 0 or not isinstance(meta.get("session"), str):
            self._ledger = None
            self._pull = self.session.pull


def _refusal(error: KsrpcError) -> KsrpcError:
    """Say of a failed handshake what it is: nothing was called yet."""
    return ConnectError(str(error)) if isinstance(error, LostError) else error
