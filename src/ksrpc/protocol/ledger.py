"""What was sent on a session and not yet acknowledged, so that a new carrier can take up where a broken one ended.

Both sides count the frames of the session itself, sent and received; the numbers never travel with a frame. What went
out is kept, by reference, until the peer says how many frames it has. When the carrier breaks, each side tells the
other how many it has, and what is missing goes out again, in order. So the sessions above see every frame exactly
once, and nothing of the loss.

Source: docs/spec/protocol.md "Resume".
"""

from __future__ import annotations

from collections import deque

from ksrpc.errors import ProtocolError
from ksrpc.limits import KIB, RESUME, ResumeLimits
from ksrpc.protocol.frame import FIN, HEADER, HEADER_BYTES, Buffer, FrameType, pack_head
from ksrpc.protocol.session import Session

T = FrameType
#: Frames of one carrier: each has its own, so they are neither counted nor sent again.
UNCOUNTED = frozenset(int(kind) for kind in (T.HELLO, T.WELCOME, T.ACK, T.ATTACH, T.PING, T.PONG))
_ACK = int(T.ACK)
#: Only a value of more than one slice has a frame of this size; its sender holds the memory of all of it to the end.
_LARGE_BYTES = 64 * KIB


class Ledger:
    """Count and keep the frames of one session. `pull` and `hear` stand before those of the session.

    Each frame counts for its bytes and for `frame_bytes` more, so that one number bounds frames and bytes.

    Attributes:
        received: Frames of the peer so far.
        kept_bytes: What is held because the peer has not acknowledged it.
    """

    __slots__ = (
        "_acknowledged",
        "_frame_bytes",
        "_has_large",
        "_kept",
        "_limits",
        "_most_bytes",
        "_outbox",
        "_pull",
        "_told",
        "_untold_bytes",
        "kept_bytes",
        "received",
    )

    def __init__(self, session: Session, limits: ResumeLimits = RESUME) -> None:
        self._outbox = session.outbox
        self._pull = session.pull
        self._limits = limits
        self._frame_bytes = limits.frame_bytes
        self._most_bytes = limits.kept_bytes
        self._kept: deque[tuple[bytes, Buffer]] = deque()
        self._acknowledged = 0
        self._told = 0
        self._untold_bytes = 0
        self._has_large = False
        self.received = 0
        self.kept_bytes = 0

    @property
    def sent(self) -> int:
        """Return how many frames were sent so far."""
        return self._acknowledged + len(self._kept)

    @property
    def is_full(self) -> bool:
        """Tell whether values have to wait until the peer acknowledges what it got."""
        return self.kept_bytes >= self._most_bytes

    def pull(self) -> tuple[bytes, Buffer] | None:
        """Return the next frame to send, and keep it; of a full ledger only frames without a body."""
        frame = self._pull() if self.kept_bytes < self._most_bytes else self._outbox.pull_control()
        if frame is not None:
            head, body = frame
            if head[0] not in UNCOUNTED:
                self._kept.append(frame)
                self.kept_bytes += len(head) + len(body) + self._frame_bytes
        return frame

    def hear(self, message: Buffer, more_bytes: int = 0) -> bool:
        """Count a message of the peer; return whether it was for the ledger alone.

        Args:
            message: All of it, or its head.
            more_bytes: How much of it follows that.

        Raises:
            ProtocolError: It acknowledges what was never sent, or nothing for too long.
        """
        size = len(message) + more_bytes
        if size < HEADER_BYTES:  # the session refuses it
            return False
        if message[0] in UNCOUNTED:
            if message[0] != _ACK:
                return False
            self.acknowledge(parse_count(message))
            return True
        self.received += 1
        self._untold_bytes += size + self._frame_bytes
        if size > _LARGE_BYTES:
            self._has_large = True
        if self._untold_bytes >= self._limits.ack_bytes or (self._has_large and message[1] & FIN):
            self.tell()
        return False

    def tell(self) -> None:
        """Acknowledge what has come, if it was not yet.

        Raises:
            ProtocolError: The peer acknowledges nothing.
        """
        if self.kept_bytes >= 2 * self._most_bytes:
            raise ProtocolError(f"{len(self._kept)} frames were not acknowledged")
        if self.received > self._told:
            self._begin()
            self._outbox.put_control(pack_head(T.ACK, offset=self.received))

    def _begin(self) -> None:
        """Count from the number that the peer is told now."""
        self._told = self.received
        self._untold_bytes = 0
        self._has_large = False

    def acknowledge(self, count: int) -> None:
        """Forget what the peer has.

        Raises:
            ProtocolError: So many frames were never sent, or more were acknowledged before.
        """
        if not self._acknowledged <= count <= self.sent:
            raise ProtocolError(f"{count} frames acknowledged, {self._acknowledged} to {self.sent} were possible")
        fresh, freed_bytes, drop = count - self._acknowledged, 0, self._kept.popleft
        for _ in range(fresh):
            head, body = drop()
            freed_bytes += len(head) + len(body)
        self.kept_bytes -= freed_bytes + fresh * self._frame_bytes
        self._acknowledged = count

    def rewind(self, count: int) -> None:
        """Begin anew on another carrier, for a peer that has so many frames: the others go out again, first of all.

        Raises:
            ProtocolError: As `acknowledge`.
        """
        self.acknowledge(count)
        again, self._kept, self.kept_bytes = self._kept, deque(), 0
        self._outbox.drop_control(UNCOUNTED)
        self._outbox.put_back(again)
        self._begin()


def parse_count(message: Buffer) -> int:
    """Return the number that ACK and ATTACH carry.

    Raises:
        ProtocolError: The frame is cut short.
    """
    if len(message) < HEADER_BYTES:
        raise ProtocolError(f"frame of {len(message)} bytes is shorter than its header")
    return int(HEADER.unpack_from(message)[4])
