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

from ksrpc import __version__, wire
from ksrpc.errors import KsrpcError, LostError, ProtocolError
from ksrpc.limits import CLIENT_SESSION, RESUME
from ksrpc.protocol import Buffer, Caller, FrameType, Meta, pack_head
from ksrpc.protocol.event import Event, GoAwayCame, Greeted, RaiseCame, ResultCame, StatusCame
from ksrpc.protocol.ledger import Ledger, parse_count
from ksrpc.transport.feed import Feed
from ksrpc.transport.held import RELEASE, Held
from ksrpc.transport.landing import Landing, Receiver, open_landing
from ksrpc.transport.passage import Passage
from ksrpc.transport.sight import News, look_at
from ksrpc.transport.upload import WHOLE_BYTES, compact
from ksrpc.transport.watch import Sight, Watch

_LIMITS = CLIENT_SESSION
#: Small frames go out together until they are so many bytes.
_JOIN_BYTES = 1 << 14


class Waiting(Receiver, Protocol):
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
        self._codecs: tuple[str, ...] = ()  # what the server inflates, and wants
        self.loss = ""
        self.is_suspect = False
        self.waiters: dict[int, Waiting] = {}
        self.held: set[str] = set()
        self.session = Caller(now=time.monotonic(), limits=_LIMITS)
        self._ledger: Ledger | None = Ledger(self.session)
        self._pull = self._ledger.pull
        self._url = url
        self._token = token
        self._watch = watch
        self._landing: Landing | None = None
        if watch is not None:
            watch.add(self)
        self.restart()

    def restart(self) -> None:
        """Begin on another socket."""
        if self._landing is not None:
            self._landing.break_off()
        self.is_attached = False
        self._landing = None
        self._passage = Passage(self._url, self._token)
        self._inlet = self._passage.inlet

    def room(self) -> memoryview:
        """Return where the next bytes go."""
        spare = self._inlet.room()
        return spare if self._landing is None else self._landing.room(spare)

    @property
    def is_landing(self) -> bool:
        """Tell whether all of that place belongs to a frame that has begun."""
        return self._landing is not None

    # the handshake

    def request(self) -> bytes:
        """Return the handshake's request."""
        return self._passage.request()

    def shake(self, data: memoryview) -> bool:
        """Take what the server answers to it (nothing: it hung up); return whether the handshake is over.

        Raises:
            ConnectError: There is no ksrpc WebSocket.
            KsrpcError: The server refuses; the class says why.
        """
        if not self._passage.shake(data):
            return False
        if not self.welcome:
            sizes = {"frame_bytes": _LIMITS.frame_bytes, "window_bytes": _LIMITS.value_window_bytes}
            can = {"features": sorted(wire.FEATURES), "codecs": wire.INFLATED, "resume": True}
            self.session.greet({"ksrpc": __version__, **can, **sizes})
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
        self._passage.send(pack_head(FrameType.ATTACH, meta=meta, offset=received))
        return self._passage.pull()

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
        call = self._open_compact(meta, pieces) if self._codecs else self.session.call(meta, pieces)
        if self._watch is not None:
            self._show(waiter, meta["path"])
        self.waiters[call] = waiter
        return call

    def _open_compact(self, meta: Meta, pieces: Sequence[Buffer]) -> int:
        """Open a call with compressed arguments, if that makes them smaller."""
        compaction = compact(pieces, self._codecs)
        if compaction is None:
            return self.session.call(meta, pieces)
        if compaction.total_bytes <= WHOLE_BYTES:
            return self.session.call(meta, list(compaction))
        return self.session.call_from(meta, compaction)

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
        if self._landing is not None:
            self.session.hear(now)
            if self._landing.take(data):
                self._end_landing(self._landing, now)
            return
        inlet, passage = self._inlet, self._passage
        inlet.feed_data(data)
        if self.session.peer is not None and passage.is_plain:
            while (message := inlet.take_message()) is not None:
                self._hear(message, now)
            if inlet.is_empty or self._wait_on():
                return
        for whole in passage.messages():
            self._hear(whole, now)

    def _wait_on(self) -> bool:
        """Let the rest of a message go straight to its value if it can; return False if it is for the parser."""
        begun = self._inlet.peek()
        if begun is not None and self.is_attached and (landing := open_landing(*begun, self.waiters)) is not None:
            self._landing = landing
            self._inlet.discard()
        return begun is not None

    def _end_landing(self, landing: Landing, now: float) -> None:
        """Count a frame whose body is where it belongs."""
        self._landing = None
        self._inlet.expect_head(not landing.frame.fin)
        if self._ledger is not None:
            self._ledger.hear(landing.head, landing.body_bytes)
        event = self.session.accept(landing.frame._replace(body=self._inlet.stand_in(landing.body_bytes)), now)
        if isinstance(event, ResultCame):
            landing.finish()
            if event.credited:
                self.session.consume(event.call, landing.body_bytes)

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
        passage = self._passage
        if not passage.is_open:
            return b"", False
        count = 0
        while count < _JOIN_BYTES and (frame := self._pull()) is not None:
            passage.send(b"".join(frame))
            count += len(frame[1])
        return passage.pull(), count >= _JOIN_BYTES and self.has_sendable

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
        return self._passage.part()

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
        self._codecs = wire.share_codecs(meta.get("codecs"))
        self.is_attached = True
        if self.resume_s <= 0 or not isinstance(meta.get("session"), str):
            self._ledger = None
            self._pull = self.session.pull
