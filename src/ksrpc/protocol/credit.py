"""Receive windows: how much the peer may send before we have consumed it.

Source: docs/spec/protocol.md "Credit".
"""

from __future__ import annotations

from dataclasses import dataclass

from ksrpc.errors import ProtocolError


@dataclass(slots=True)
class Window:
    """Count what was received and consumed of one call (or of the connection) and say when to grant more.

    A window doubles, up to its maximum, each time it was wholly consumed: whoever reads as fast as the peer
    sends stops being the bottleneck after a few round trips; whoever reads slowly never holds more than it.
    """

    size_bytes: int
    max_bytes: int
    received: int = 0
    consumed: int = 0
    granted: int = 0  # absolute: how far the peer may have sent
    grown_at: int = 0

    def __post_init__(self) -> None:
        self.granted = self.size_bytes

    def receive(self, count: int) -> None:
        """Count bytes that came in.

        Raises:
            ProtocolError: The peer sent more than it was granted.
        """
        self.received += count
        if self.received > self.granted:
            raise ProtocolError(f"{self.received - self.granted} bytes over the credit that was granted")

    def consume(self, count: int) -> int:
        """Count bytes that were taken away; return the credit to grant now, 0 for none yet."""
        self.consumed += count
        if self.consumed - self.grown_at >= self.size_bytes and self.size_bytes < self.max_bytes:
            self.grown_at = self.consumed
            self.size_bytes = min(self.size_bytes * 2, self.max_bytes)
        grant = self.consumed + self.size_bytes - self.granted
        if grant * 2 < self.size_bytes:
            return 0
        self.granted += grant
        return grant
