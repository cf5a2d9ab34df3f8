"""What waits to be sent, and in which order: control, then small answers, then round robin over the bodies.

Source: docs/spec/protocol.md "Scheduling", "Credit".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ksrpc.limits import SessionLimits
from ksrpc.protocol.frame import FIN, Buffer, Meta, pack_head


@dataclass(slots=True)
class Stream:
    """Hold the bytes of one call's value that are still to be sent. `ended` = nothing will be added."""

    kind: int
    call: int
    credit: int
    meta: Meta | None = None  # goes out with the first slice
    pieces: deque[memoryview] = field(default_factory=deque)
    waiting_bytes: int = 0
    offset: int = 0
    ended: bool = False
    source: Iterator[Buffer] | None = None  # gives further pieces when those that are there have gone out
    is_dry: bool = True

    def draw_from(self, source: Iterator[Buffer]) -> None:
        """Take pieces from here, each when it is wanted; nothing else will be added."""
        self.source, self.is_dry, self.ended = source, False, True
        self._refill()

    def _refill(self) -> None:
        while not self.pieces and not self.is_dry and self.source is not None:
            piece = next(self.source, None)
            self.is_dry = piece is None
            self.extend(() if piece is None else (piece,))

    def extend(self, pieces: Iterable[Buffer]) -> None:
        """Add pieces without copying them."""
        for piece in pieces:
            view = memoryview(piece).cast("B")
            if len(view):
                self.pieces.append(view)
                self.waiting_bytes += len(view)

    @property
    def is_sendable(self) -> bool:
        """Tell whether a slice, or the bare end, may go out now as far as this call is concerned."""
        return self.credit > 0 if self.pieces else self.ended or self.meta is not None

    def take(self, limit: int) -> tuple[bytes, memoryview]:
        """Cut the next frame off, its body at most `limit` bytes and inside one piece."""
        body = memoryview(b"")
        if self.pieces:
            piece = self.pieces[0]
            size = min(limit, self.credit, len(piece))
            body = piece[:size]
            if size == len(piece):
                self.pieces.popleft()
                if not self.is_dry:
                    self._refill()
            else:
                self.pieces[0] = piece[size:]
        fin = FIN if self.ended and not self.pieces else 0
        head = pack_head(self.kind, self.call, self.meta, flags=fin, offset=self.offset)
        self.meta = None
        self.offset += len(body)
        self.credit -= len(body)
        self.waiting_bytes -= len(body)
        return head, body

    @property
    def is_finished(self) -> bool:
        """Tell whether the frame with FIN has been cut off."""
        return self.ended and not self.pieces and self.meta is None


class Outbox:
    """Schedule the frames of one session. Pulled by the shell whenever its carrier takes more.

    Attributes:
        slice_bytes: Body of one slice; a large one delays what overtakes it.
    """

    def __init__(self, limits: SessionLimits) -> None:
        self.slice_bytes = limits.slice_bytes
        self._control: deque[tuple[bytes, Buffer]] = deque()
        self._small: deque[tuple[bytes, Buffer]] = deque()
        self._turns: deque[Stream] = deque()
        self.streams: dict[int, Stream] = {}
        self.credit = limits.connection_window_bytes

    def __bool__(self) -> bool:
        """Tell whether `pull` would return a frame now."""
        if self._control or self._small:
            return True
        return any(s.is_sendable and (self.credit > 0 or not s.pieces) for s in self._turns)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits at all, sendable or not; may be asked without the session's lock."""
        return not (self._control or self._small or self._turns)

    @property
    def has_waiting(self) -> bool:
        """Tell whether bytes, or the end, of some value wait for credit."""
        return any(stream.pieces or stream.ended or stream.meta is not None for stream in self._turns)

    @property
    def control_frames(self) -> int:
        """Return how many control frames wait."""
        return len(self._control)

    @property
    def value_bytes(self) -> int:
        """Return how many bytes of values and arguments wait."""
        return sum(stream.waiting_bytes for stream in self._turns)

    @property
    def small_frames(self) -> int:
        """Return how many small frames wait."""
        return len(self._small)

    def put_control(self, head: bytes) -> None:
        """Queue a frame without body, ahead of everything with one."""
        self._control.append((head, b""))

    def put_back(self, frames: Sequence[tuple[bytes, Buffer]]) -> None:
        """Queue frames that were sent already once more, ahead of all others."""
        self._control.extendleft(reversed(frames))

    def drop_control(self, kinds: Container[int]) -> None:
        """Forget control frames of these types."""
        self._control = deque(frame for frame in self._control if frame[0][0] not in kinds)

    def pull_control(self) -> tuple[bytes, Buffer] | None:
        """Return the next control frame, None if none waits."""
        return self._control.popleft() if self._control else None

    def put_small(self, head: bytes, body: Buffer) -> None:
        """Queue a frame with a body that needs no credit."""
        self._small.append((head, body))

    def open(self, stream: Stream) -> None:
        """Give a stream its turn."""
        self.streams[stream.call] = stream
        self._turns.append(stream)

    def has_small(self, call: int, kinds: Container[int]) -> bool:
        """Tell whether a small frame of this call and one of these types is still queued."""
        return any(head[0] in kinds and int.from_bytes(head[4:8], "little") == call for head, _ in self._small)

    def drop(self, call: int) -> None:
        """Forget what of this call is not yet sent."""
        stream = self.streams.pop(call, None)
        if stream is not None:
            self._turns.remove(stream)

    def pull(self) -> tuple[bytes, Buffer] | None:
        """Return the next frame as (header and meta, body), or None if nothing may be sent now."""
        if self._control:
            return self._control.popleft()
        if self._small:
            return self._small.popleft()
        for _ in range(len(self._turns)):
            stream = self._turns[0]
            self._turns.rotate(-1)
            if stream.is_sendable and (self.credit > 0 or not stream.pieces):
                head, body = stream.take(min(self.slice_bytes, max(self.credit, 0)))
                self.credit -= len(body)
                if stream.is_finished:
                    self.drop(stream.call)
                return head, body
        return None
