"""The side that is called: a gateway towards its clients, a worker.

Source: docs/spec/protocol.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ksrpc.errors import ProtocolError
from ksrpc.limits import SESSION, SessionLimits
from ksrpc.protocol.event import BodyCame, Called, CancelCame, Described, Event
from ksrpc.protocol.frame import FIN, Buffer, Frame, FrameType, Meta, pack_head
from ksrpc.protocol.outbox import Stream
from ksrpc.protocol.session import Session, Track
from ksrpc.protocol.state import NEXT

T = FrameType
_RESULT = int(T.RESULT)


class Callee(Session):
    """Take calls and answer each exactly once.

    Attributes:
        accepted_bytes: How large the body of a frame may be that the peer takes.
    """

    _greeting = T.HELLO
    _handlers: ClassVar[dict[int, str]] = {
        int(T.CALL): "_on_call",
        int(T.DESCRIBE): "_on_describe",
        int(T.BODY): "_on_body",
        int(T.CANCEL): "_on_cancel",
    }

    def __init__(self, *, now: float, limits: SessionLimits = SESSION) -> None:
        super().__init__(now=now, limits=limits)
        self.accepted_bytes = limits.frame_bytes

    def welcome(self, meta: Meta) -> None:
        """Answer HELLO."""
        self._send_greeting(T.WELCOME, meta)

    def status(self, call: int, kind: FrameType, meta: Meta | None = None) -> None:
        """Send QUEUED, STARTED or PROGRESS; not while it would be out of place, since a status only informs."""
        track = self.tracks.get(call)
        if track is not None and (track.state, int(kind), 0) in NEXT:
            self._step(call, kind, 0)
            self.outbox.put_control(pack_head(kind, call, meta))

    def handover(self, call: int, size: int) -> None:
        """Ask the caller for a descriptor that takes `size` bytes."""
        if call in self.tracks:
            self._step(call, T.HANDOVER, 0)
            self.outbox.put_control(pack_head(T.HANDOVER, call, offset=size))

    def answer(self, call: int, pieces: Sequence[Buffer], *, size: int, meta: Meta | None = None) -> None:
        """Send a value that is all there: small ones at once, large ones by credit, without copying."""
        if call not in self.tracks:
            return
        if size <= self.limits.small_answer_bytes:
            self._step(call, T.RESULT, 1)
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self.outbox.put_small(pack_head(T.RESULT, call, meta, flags=FIN), body)
            return
        self._step(call, T.RESULT, 0)
        stream = Stream(T.RESULT, call, self._value_window_bytes, {"size": size, **(meta or {})})
        stream.extend(pieces)
        stream.ended = True
        self.outbox.open(stream)

    def open_answer(self, call: int, meta: Meta) -> None:
        """Begin a value whose bytes follow with `send_answer`; the peer learns of it at once."""
        if call in self.tracks:
            self._step(call, T.RESULT, 0)
            is_stream = meta.get("kind") == "stream"
            credit = self.limits.window_bytes if is_stream else self._value_window_bytes
            self.outbox.open(Stream(T.RESULT, call, credit, meta))

    def send_answer(self, call: int, pieces: Sequence[Buffer], *, ended: bool) -> None:
        """Queue bytes of a value that was begun. Does nothing for a call that has ended meanwhile."""
        stream = self.outbox.streams.get(call)
        if stream is not None:
            stream.extend(pieces)
            stream.ended = ended

    def is_answering(self, call: int) -> bool:
        """Tell whether a value was begun whose end is still to come."""
        stream = self.outbox.streams.get(call)
        return stream is not None and not stream.ended

    def fail(self, call: int, meta: Meta, body: Buffer = b"") -> None:
        """End a call without a value; also after a value has begun."""
        if call in self.tracks:
            self._step(call, T.RAISE, 1)
            self.outbox.put_small(pack_head(T.RAISE, call, meta, flags=FIN), body)

    def pull(self) -> tuple[bytes, Buffer] | None:
        """Return the next frame; a call whose last slice goes out with it is done."""
        frame = self.outbox.pull()
        if frame is not None and frame[0][0] == _RESULT and frame[0][1] & FIN:
            call = int.from_bytes(frame[0][4:8], "little")
            if call in self.tracks:
                self._forget(call)
        return frame

    def _on_greeting(self, frame: Frame) -> Event:
        event = super()._on_greeting(frame)
        self.accepted_bytes = _told(frame.meta, "frame_bytes", self.limits.frame_bytes)
        self._value_window_bytes = _told(frame.meta, "window_bytes", self.limits.window_bytes)
        return event

    def _on_call(self, frame: Frame) -> Event:
        fin = frame.flags & FIN
        if len(frame.body) > self.limits.inline_bytes:
            raise ProtocolError("inline arguments over their limit")
        self._open(frame)
        self._step(frame.call, T.CALL, fin)
        return Called(frame.call, frame.meta, frame.flags, frame.body, bool(fin))

    def _on_describe(self, frame: Frame) -> Event:
        self._open(frame)
        self._step(frame.call, T.DESCRIBE, frame.flags & FIN)
        return Described(frame.call, frame.meta)

    def _open(self, frame: Frame) -> None:
        if frame.call <= self.highest_call:
            raise ProtocolError(f"call id {frame.call} is not above {self.highest_call}")
        if len(self.tracks) + self.outbox.small_frames >= self.limits.calls:
            raise ProtocolError(f"more than {self.limits.calls} calls open")
        if type(frame.meta.get("path")) is not str:
            raise ProtocolError("a call without a path")
        self.highest_call = frame.call
        self.tracks[frame.call] = Track()

    def _on_body(self, frame: Frame) -> Event | None:
        track = self.tracks.get(frame.call)
        if track is None:
            self._check_ended(frame)
            self._window.receive(len(frame.body))
            self._grant(0, self._window.consume(len(frame.body)))
            return None
        self._count(frame, track)
        fin = frame.flags & FIN
        self._step(frame.call, T.BODY, fin)
        return BodyCame(frame.call, frame.body, bool(fin))

    def _check_ended(self, frame: Frame) -> None:
        """Let frames pass that crossed the answer to their call on the way."""
        if not 0 < frame.call <= self.highest_call:
            raise ProtocolError(f"{T(frame.type).name} for call {frame.call}, which was never opened")

    def _on_cancel(self, frame: Frame) -> Event | None:
        if frame.call not in self.tracks:
            self._check_ended(frame)
            return None
        self._step(frame.call, T.CANCEL, frame.flags & FIN)
        return CancelCame(frame.call, frame.meta)


def _told(meta: Meta, key: str, least: int) -> int:
    """Return a size that the greeting names.

    Raises:
        ProtocolError: It is below what every peer has to take.
    """
    size = meta.get(key, least)
    if type(size) is not int or not least <= size < 2**40:
        raise ProtocolError(f"{key} in the greeting must be a number of at least {least}")
    return size
