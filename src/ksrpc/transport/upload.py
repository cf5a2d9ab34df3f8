"""Arguments on their way up: as they lie, or compressed while they go out.

Source: docs/explanation/compression.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from ksrpc import wire
from ksrpc.errors import NotAcceptableError
from ksrpc.limits import MIB
from ksrpc.protocol import Buffer
from ksrpc.transport.watch import State, Trail

__all__ = ["LAST_CHUNK", "WHOLE_BYTES", "compact", "pack_body", "pack_chunk", "read_codecs", "recompact", "send_chunks"]

#: Arguments up to this are compressed before they go out: then their length is known.
WHOLE_BYTES: Final = MIB
#: Others hold up who sends them by one such chunk at a time.
_CHUNK_BYTES: Final = 256 << 10
#: What ends a body in chunks (RFC 9112 section 7.1).
LAST_CHUNK: Final = b"0\r\n\r\n"


def compact(pieces: Sequence[Buffer], codecs: tuple[str, ...]) -> wire.Compaction | None:
    """Begin to compress arguments; None if they go as they lie."""
    if not codecs or sum(map(len, pieces)) < wire.LEAST_BYTES:
        return None
    return wire.open_compaction(pieces, wire.Pace(codecs, time.perf_counter), chunk_bytes=_CHUNK_BYTES)


def recompact(pieces: Sequence[Buffer], codecs: tuple[str, ...]) -> wire.Compaction:
    """Begin anew with arguments of which it is known that they shrink."""
    return wire.Compaction(pieces, wire.Pace(codecs, time.perf_counter), chunk_bytes=_CHUNK_BYTES)


def pack_body(
    message: wire.Message, codecs: tuple[str, ...]
) -> tuple[dict[str, str], Sequence[Buffer], tuple[str, ...]]:
    """Lay out the body of a request.

    Returns:
        The headers that tell its length, its pieces, and the codecs by which it is compressed while it goes out.
    """
    compaction = compact(message.segments, codecs)
    if compaction is None:
        return {"Content-Length": str(message.nbytes)}, message.segments, ()
    if compaction.total_bytes > WHOLE_BYTES:
        return {"Transfer-Encoding": "chunked"}, message.segments, codecs
    body = b"".join(compaction)
    return {"Content-Length": str(len(body))}, (body,), ()


def read_codecs(accept_post: str | None) -> tuple[str, ...]:
    """Return the codecs that a server names in the Accept-Post of an answer."""
    if not accept_post:
        return ()
    try:
        agreed = wire.negotiate(accept_post)
    except NotAcceptableError:
        return ()
    return tuple(name for name in agreed.codecs if name != "none") if agreed is not None else ()


def send_chunks(send: Callable[[bytes], object], trail: Trail, compaction: wire.Compaction) -> None:
    """Send a body in chunks, by a function that waits until each is on its way."""
    waiting = 0
    trail.turn(
        State.SENDING,
        lambda: (compaction.sent_bytes(waiting), compaction.total_bytes, compaction.wire_bytes - waiting),
    )
    for piece in compaction:
        waiting = len(piece)
        send(pack_chunk(piece))
        waiting = 0
    send(LAST_CHUNK)


def pack_chunk(piece: Buffer) -> bytes:
    """Return a piece as one chunk of an HTTP body (RFC 9112 section 7.1)."""
    return b"".join((b"%x\r\n" % len(piece), piece, b"\r\n"))
