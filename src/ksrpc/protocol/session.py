"""One session of the call protocol, sans I/O: what both sides share.

The shell that owns the carrier does four things, in any order, from one thread at a time:

* gives every message it receives to `receive(data, now)` and acts on the events that come back;
* calls `pull()` until it returns None whenever the carrier takes more, and sends what it gets;
* calls `tick(now)` at the time that `next_timer()` names, and closes the carrier if it raises;
* tells `consume(call, count)` when it has taken credited bytes away.

A ProtocolError out of any of them means that the peer broke a rule: send what `pull()` still gives, close,
forget.

Source: docs/spec/protocol.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ksrpc.errors import LostError, ProtocolError
from ksrpc.limits import SESSION, SessionLimits
from ksrpc.protocol.credit import Window
from ksrpc.protocol.event import Event, GoAwayCame, Greeted
from ksrpc.protocol.frame import Buffer, Flag, Frame, FrameType, Meta, is_known, pack_head, parse_frame
from ksrpc.protocol.outbox import Outbox
from ksrpc.protocol.state import NEXT, State, advance

VERSION = 1
_DONE = State.DONE
T = FrameType
#: A peer that lets so many control frames wait may not ask for more of them.
_CONTROL_FRAMES = 16_384


@dataclass(slots=True)
class Track:
    """Follow one call: its state and, for the direction that we receive, its window."""

    state: State = State.IDLE
    window: Window | None = None
    offset: int = 0
    is_abandoned: bool = False


class Session:
    """Be the part that caller and callee share. Use `Caller` or `Callee`."""

    #: Frame type → method that returns the event, or None.
    _handlers: ClassVar[dict[int, str]] = {}
    #: The first frame of the other side.
    _greeting: ClassVar[FrameType]

    def __init__(self, *, now: float, limits: SessionLimits = SESSION) -> None:
        self.limits = limits
        self.outbox = Outbox(limits)
        self.tracks: dict[int, Track] = {}
        self.highest_call = 0
        self.peer: Meta | None = None  # HELLO or WELCOME of the other side
        self.is_leaving = False
        self._window = Window(limits.connection_window_bytes, limits.connection_window_bytes)
        self._value_window_bytes = limits.window_bytes  # credit of a value, but for a stream, at its first byte
        self._heard_at = now
        self._pinged_at = now
        self._dispatch: dict[int, Callable[[Frame], Event | None]] = {
            int(T.CREDIT): self._on_credit,
            int(T.PING): self._on_ping,
            int(T.PONG): self._on_pong,
            int(T.GOAWAY): self._on_goaway,
            int(self._greeting): self._on_greeting,
            **{kind: getattr(self, name) for kind, name in self._handlers.items()},
        }

    # what the shell calls

    def receive(self, data: Buffer, now: float) -> Event | None:
        """Take one whole message of the carrier.

        Raises:
            ProtocolError: The peer broke a rule; its text names it.
        """
        return self.accept(parse_frame(data, limits=self.limits), now)

    def accept(self, frame: Frame, now: float) -> Event | None:
        """Take a message that is parsed already.

        Raises:
            ProtocolError: As `receive`.
        """
        self._heard_at = now
        if self.peer is None and frame.type != self._greeting:
            raise ProtocolError(f"the first frame must be {self._greeting.name}")
        handler = self._dispatch.get(frame.type)
        if handler is None:
            self._on_unknown(frame)
            return None
        return handler(frame)

    def pull(self) -> tuple[bytes, Buffer] | None:
        """Return the next frame to send as (header and meta, body), None if there is none now."""
        return self.outbox.pull()

    def consume(self, call: int, count: int) -> None:
        """Say that `count` credited bytes were taken away; grants the peer more when it is time.

        What was not taken when a call ended counts as taken by then: a shell that drops it loses no credit.
        """
        track = self.tracks.get(call)
        if track is not None and track.window is not None:
            self._grant(call, track.window.consume(count))
            self._grant(0, self._window.consume(count))

    def waiting_bytes(self, call: int) -> int:
        """Return how many bytes of this call are queued and not yet sent."""
        stream = self.outbox.streams.get(call)
        return stream.waiting_bytes if stream is not None else 0

    def next_timer(self) -> float:
        """Return the time [s, the clock of `now`] at which `tick` wants to be called."""
        return min(self._pinged_at + self.limits.heartbeat_s, self._heard_at + self.limits.silence_s)

    def tick(self, now: float) -> None:
        """Send a heartbeat if one is due.

        Raises:
            LostError: Nothing was heard from the peer for `silence_s`.
        """
        if now - self._heard_at >= self.limits.silence_s:
            raise LostError(f"nothing heard from the peer for {self.limits.silence_s:g} s")
        if now - self._pinged_at >= self.limits.heartbeat_s:
            self._pinged_at = now
            self.outbox.put_control(pack_head(T.PING, offset=int(now * 1000) & (2**63 - 1)))

    @property
    def heard_at(self) -> float:
        """Return when the last message of the peer came [s, the clock of `now`]."""
        return self._heard_at

    def hear(self, now: float) -> None:
        """Take note of a sign of life that is not a frame of this session."""
        self._heard_at = now

    def go_away(self, reason: str) -> None:
        """Tell the peer that nothing new is taken; what runs is finished."""
        self.is_leaving = True
        self.outbox.put_control(pack_head(T.GOAWAY, meta={"reason": reason}))

    # what the two sides build on

    def _send_greeting(self, kind: FrameType, meta: Meta) -> None:
        self.outbox.put_control(pack_head(kind, meta={"versions": [VERSION], **meta}))

    def _step(self, call: int, frame_type: int, fin: int) -> Track:
        """Advance a call by a frame that we send or receive; forget it when it is done."""
        track = self.tracks[call]
        state = NEXT.get((track.state, frame_type, fin))  # `advance`, spelled out: each call comes by several times
        track.state = state if state is not None else advance(track.state, frame_type, fin)
        if state is _DONE:
            self._forget(call)
        return track

    def _forget(self, call: int) -> None:
        """Drop an ended call; the connection's credit for what nobody will take any more goes back."""
        track = self.tracks.pop(call)
        if self.outbox.streams:
            self.outbox.drop(call)
        if track.window is not None:
            self._grant(0, self._window.consume(track.window.received - track.window.consumed))

    def _count(self, frame: Frame, track: Track) -> None:
        """Count a slice of a value against its windows and check that none is missing."""
        if frame.offset != track.offset:
            raise ProtocolError(f"slice at offset {frame.offset}, expected {track.offset}")
        size = len(frame.body)
        track.offset += size
        if track.window is None:
            track.window = self._open_window(frame.meta)
        track.window.receive(size)
        self._window.receive(size)

    def _open_window(self, meta: Meta) -> Window:
        """Return the window of what begins with this meta."""
        return Window(self.limits.window_bytes, self.limits.window_max_bytes)

    def _grant(self, call: int, count: int) -> None:
        if count:
            self.outbox.put_control(pack_head(T.CREDIT, call, offset=count))

    # frames that both sides get

    def _on_greeting(self, frame: Frame) -> Event:
        if self.peer is not None:
            raise ProtocolError("a second greeting")
        versions = frame.meta.get("versions")
        if not isinstance(versions, list) or VERSION not in versions:
            raise ProtocolError(f"this side speaks version {VERSION} of the call protocol, the peer {versions}")
        self.peer = frame.meta
        return Greeted(frame.meta)

    def _on_credit(self, frame: Frame) -> None:
        if frame.offset > 2**40:
            raise ProtocolError("credit beyond reason")
        if frame.call == 0:
            self.outbox.credit += frame.offset
        elif stream := self.outbox.streams.get(frame.call):
            stream.credit += frame.offset

    def _on_ping(self, frame: Frame) -> None:
        if self.outbox.control_frames > _CONTROL_FRAMES:
            raise ProtocolError("PING sent faster than PONG is taken")
        self.outbox.put_control(pack_head(T.PONG, offset=frame.offset))

    def _on_pong(self, frame: Frame) -> None:
        pass

    def _on_goaway(self, frame: Frame) -> Event:
        return GoAwayCame(frame.meta)

    def _on_unknown(self, frame: Frame) -> None:
        if is_known(frame.type):
            raise ProtocolError(f"{T(frame.type).name} is not for this side")
        if not frame.flags & Flag.IGNORABLE:
            raise ProtocolError(f"unknown frame type {frame.type}")
