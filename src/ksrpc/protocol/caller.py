"""The side that calls: a client, a gateway towards its workers, a controller in a relay room.

Source: docs/spec/protocol.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from ksrpc.errors import BusyError, ProtocolError
from ksrpc.protocol.credit import Window
from ksrpc.protocol.event import Event, HandoverCame, RaiseCame, ResultCame, StatusCame
from ksrpc.protocol.frame import FIN, Buffer, Flag, Frame, FrameType, Meta, pack_head
from ksrpc.protocol.outbox import Stream
from ksrpc.protocol.session import Session, Track

T = FrameType
_LAST_CALL = 2**32 - 1
_OPENING = (int(T.CALL), int(T.DESCRIBE))


class Caller(Session):
    """Open calls and follow them to their answers."""

    _greeting = T.WELCOME
    _handlers: ClassVar[dict[int, str]] = {
        int(T.QUEUED): "_on_status",
        int(T.STARTED): "_on_status",
        int(T.PROGRESS): "_on_status",
        int(T.RESULT): "_on_result",
        int(T.RAISE): "_on_raise",
        int(T.HANDOVER): "_on_handover",
    }

    def greet(self, meta: Meta) -> None:
        """Send HELLO; the first frame of the session. `window_bytes` in it is the credit of each value."""
        self._value_window_bytes = meta.get("window_bytes", self.limits.window_bytes)
        self._send_greeting(T.HELLO, meta)

    def describe(self, path: str) -> int:
        """Ask what stands at `path`; the answer comes as a result."""
        call = self._new_call()
        self._step(call, T.DESCRIBE, 1)
        self.outbox.put_small(pack_head(T.DESCRIBE, call, {"path": path}, flags=FIN), b"")
        return call

    def call(self, meta: Meta, pieces: Sequence[Buffer], *, flags: int = 0) -> int:
        """Open a call whose arguments are all there; small ones travel in the CALL frame itself.

        Raises:
            BusyError: The peer is leaving, too many calls are open, or the call ids are used up.
        """
        size = sum(len(memoryview(p).cast("B")) for p in pieces) if len(pieces) != 1 else len(pieces[0])
        if size > self.limits.inline_bytes:
            call = self.open_call(meta, flags=flags)
            self.send_body(call, pieces, ended=True)
            return call
        call = self._new_call()
        self._step(call, T.CALL, 1)
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.outbox.put_small(pack_head(T.CALL, call, meta, flags=flags | FIN), body)
        return call

    def open_call(self, meta: Meta, *, flags: int = 0) -> int:
        """Open a call whose arguments follow with `send_body`."""
        call = self._new_call()
        self._step(call, T.CALL, 0)
        self.outbox.put_small(pack_head(T.CALL, call, meta, flags=flags & ~Flag.FIN), b"")
        self.outbox.open(Stream(T.BODY, call, self.limits.window_bytes))
        return call

    def call_from(self, meta: Meta, source: Iterator[Buffer]) -> int:
        """Open a call whose arguments are made while they go out; `source` is asked whenever something may be sent.

        Raises:
            BusyError: As `call`.
        """
        call = self.open_call(meta)
        self._step(call, T.BODY, 1)
        self.outbox.streams[call].draw_from(source)
        return call

    def send_body(self, call: int, pieces: Sequence[Buffer], *, ended: bool) -> None:
        """Queue argument bytes. Does nothing for a call that has been answered meanwhile."""
        stream = self.outbox.streams.get(call)
        if stream is not None:
            stream.extend(pieces)
            stream.ended = ended
            self._step(call, T.BODY, int(ended))

    def cancel(self, call: int, reason: str = "") -> None:
        """Ask the callee to stop. The call ends with its answer as ever."""
        if call in self.tracks:
            self._step(call, T.CANCEL, 0)
            head = pack_head(T.CANCEL, call, {"reason": reason} if reason else None)
            if self.outbox.has_small(call, _OPENING):  # it must not overtake the CALL it is about
                self.outbox.put_small(head, b"")
            else:
                self.outbox.put_control(head)

    def abandon(self, call: int, reason: str = "") -> None:
        """Cancel, and swallow whatever still comes for this call."""
        track = self.tracks.get(call)
        if track is not None and not track.is_abandoned:
            track.is_abandoned = True
            self.cancel(call, reason)

    def was_sent(self, call: int) -> bool:
        """Tell whether the last byte of the call's arguments was handed to the carrier."""
        if call in self.outbox.streams:
            return False
        return not self.outbox.has_small(call, _OPENING)

    def _new_call(self) -> int:
        if self.is_leaving:
            raise BusyError("the server is going away and takes nothing new")
        if len(self.tracks) >= self.limits.calls:
            raise BusyError(f"{self.limits.calls} calls are open on this connection already")
        if self.highest_call >= _LAST_CALL:
            self.is_leaving = True
            raise BusyError("the call ids of this connection are used up; connect anew")
        self.highest_call += 1
        self.tracks[self.highest_call] = Track()
        return self.highest_call

    def _known(self, frame: Frame) -> bool:
        if frame.call in self.tracks:
            return True
        if not 0 < frame.call <= self.highest_call:
            raise ProtocolError(f"{T(frame.type).name} for call {frame.call}, which was never made")
        return False

    def _on_status(self, frame: Frame) -> Event | None:
        if not self._known(frame):
            return None
        track = self._step(frame.call, frame.type, frame.flags & FIN)
        return None if track.is_abandoned else StatusCame(frame.call, frame.type, frame.meta)

    def _on_result(self, frame: Frame) -> Event | None:
        if not self._known(frame):
            raise ProtocolError(f"RESULT for call {frame.call}, which has ended")
        fin = frame.flags & FIN
        track = self.tracks[frame.call]
        is_whole = fin and frame.offset == track.offset == 0
        credited = not (is_whole and len(frame.body) <= self.limits.small_answer_bytes)
        if credited:
            self._count(frame, track)
        self._step(frame.call, T.RESULT, fin)
        if track.is_abandoned:
            if credited:
                self.consume(frame.call, len(frame.body))
            return None
        return ResultCame(frame.call, frame.meta, frame.body, bool(fin), credited)

    def _open_window(self, meta: Meta) -> Window:
        if meta.get("kind") == "stream":
            return super()._open_window(meta)
        size_bytes = self._value_window_bytes
        return Window(size_bytes, max(size_bytes, self.limits.window_max_bytes))

    def _on_raise(self, frame: Frame) -> Event | None:
        if not self._known(frame):
            return None
        if len(frame.body) > self.limits.inline_bytes:
            raise ProtocolError("RAISE with a body over its limit")
        track = self._step(frame.call, T.RAISE, frame.flags & FIN)
        return None if track.is_abandoned else RaiseCame(frame.call, frame.meta, frame.body)

    def _on_handover(self, frame: Frame) -> Event | None:
        if not self._known(frame):
            return None
        self._step(frame.call, T.HANDOVER, frame.flags & FIN)
        return HandoverCame(frame.call, frame.offset)
