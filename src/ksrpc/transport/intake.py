"""Read from a blocking socket so that the reader looks up now and then."""

from __future__ import annotations

import select
import socket
import ssl
import struct

#: A reader looks up after so long, to see whether its time is over [s].
POLL_S = 1


def arm(sock: socket.socket) -> None:
    """Make a socket ready for `receive`: sending blocks without limit."""
    sock.settimeout(None)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", POLL_S, 0))


def receive(sock: socket.socket, room: memoryview, *, fill: bool = False) -> int | None:
    """Read once; return how much came, 0 at the end, None if nothing did within the poll time.

    Args:
        sock: Was made ready by `arm`.
        room: Where to.
        fill: Whether to wait until it is full, or for the poll time: the system then looks up, not this process.

    Raises:
        OSError: The connection broke.
        ValueError: It was hung up here meanwhile.
    """
    try:
        if isinstance(sock, ssl.SSLSocket):
            is_there = sock.pending() or select.select([sock], [], [], POLL_S)[0]
            return sock.recv_into(room) if is_there else None
        return sock.recv_into(room, 0, socket.MSG_WAITALL if fill else 0)
    except (BlockingIOError, ssl.SSLWantReadError):
        return None


def has_news(sock: socket.socket) -> bool:
    """Tell whether a read would not wait."""
    try:
        return bool(select.select([sock], [], [], 0)[0])
    except (OSError, ValueError):  # hung up by another thread just now
        return False
