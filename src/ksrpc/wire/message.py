"""The container, sending side: prelude, table, chunks. Large buffers go out as they lie.

Rules: little endian; every buffer holds at least one byte; chunks fill the buffers in order and never straddle two;
an uncompressed chunk of an array begins at a multiple of 64 in the message; nothing follows the last chunk.

Source: docs/spec/wire.md "Framing".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ksrpc.errors import KsrpcError
from ksrpc.wire import codec as codecs

__all__ = ["CHUNK", "MAGIC", "PRELUDE", "SINGLE", "VERSION", "Buffer", "Message", "pack_abort", "pack_buffers"]

VERSION: Final = 1
MAGIC: Final = b"KSW1"
#: magic, version, flags, zero, buffers, zero
PRELUDE: Final = struct.Struct("<4sBBHII")
#: codec, pad, kind, filter, raw, stored, crc
CHUNK: Final = struct.Struct("<BBBBIII")
#: A message of one small head: prelude, its length, its one chunk header.
SINGLE: Final = struct.Struct("<16sQIIII")
SINGLE_PRELUDE: Final = PRELUDE.pack(MAGIC, VERSION, 0, 0, 1, 0)

DATA: Final = 0
ABORT: Final = 1
ALIGNMENT: Final = 64
ABORT_BYTES: Final = 64 << 10
#: Pieces below this are joined with their neighbours.
JOIN_BYTES: Final = 64 << 10
PLAIN_CHUNK_BYTES: Final = 1 << 30
PACKED_CHUNK_BYTES: Final = 1 << 20

Piece = bytes | memoryview
_prefixes: dict[int, bytes] = {}
_PREFIX_SIZES: Final = 4096


@dataclass(frozen=True, slots=True)
class Message:
    """Hold one encoded value as pieces that can be written one after another.

    Attributes:
        segments: The pieces in order. Those of large arrays are views of the live array: write them before it changes.
        nbytes: Length of the whole.
    """

    segments: tuple[Piece, ...]
    nbytes: int

    def join(self) -> bytes:
        """Copy all pieces into one."""
        return self.segments[0] if self._is_flat() else b"".join(self.segments)  # type: ignore[return-value]

    def _is_flat(self) -> bool:
        return len(self.segments) == 1 and type(self.segments[0]) is bytes


@dataclass(frozen=True, slots=True)
class Buffer:
    """Be one buffer on its way out. `item_bytes` lets the compressor shuffle; 1 is plain bytes."""

    data: Piece
    item_bytes: int = 1


def single_prefix(size: int) -> bytes:
    """Return what stands before a head of `size` bytes without buffers; made once for each of the small sizes."""
    prefix = _prefixes.get(size)
    if prefix is None:
        prefix = SINGLE.pack(SINGLE_PRELUDE, size, 0, size, size, 0)
        if size <= _PREFIX_SIZES:
            _prefixes[size] = prefix
    return prefix


def pack_single(head: bytes) -> Message:
    """Wrap a head without buffers: one piece, one copy."""
    size = len(head)
    return Message((single_prefix(size) + head,), SINGLE.size + size)


def pack_buffers(buffers: Sequence[Buffer], *, codec: str = "none") -> Message:
    """Lay out buffers, the head first.

    Args:
        buffers: None of them empty.
        codec: Name of a codec; it is used where a sample says that it pays.
    """
    if codec == "none" and len(buffers) == 1 and len(buffers[0].data) <= PACKED_CHUNK_BYTES:
        return pack_single(bytes(buffers[0].data))
    layout = _Layout()
    layout.add(PRELUDE.pack(MAGIC, VERSION, 0, 0, len(buffers), 0))
    layout.add(struct.pack(f"<{len(buffers)}Q", *(len(buffer.data) for buffer in buffers)))
    compressor = codecs.Compressor(codec) if codec != "none" else None
    for number, buffer in enumerate(buffers):
        shuffle = compressor.choose(buffer.data, buffer.item_bytes) if compressor else None
        if compressor is None or shuffle is None:
            layout.add_plain(buffer.data, aligned=number > 0)
        else:
            layout.add_packed(buffer.data, compressor, shuffle)
    return layout.finish()


def pack_abort(error: KsrpcError) -> bytes:
    """Make the chunk that ends a message whose value failed after its beginning had been sent."""
    payload = codecs.encode_plain({"code": type(error).code, "text": str(error)[:8192]})
    return CHUNK.pack(codecs.NONE, 0, ABORT, 0, len(payload), len(payload), 0) + payload


class _Layout:
    """Gather pieces; small ones are joined, large ones kept."""

    __slots__ = ("_pending", "_segments", "nbytes")

    def __init__(self) -> None:
        self._segments: list[Piece] = []
        self._pending: list[Piece] = []
        self.nbytes = 0

    def add(self, piece: Piece) -> None:
        self.nbytes += len(piece)
        if len(piece) < JOIN_BYTES:
            self._pending.append(piece)
        else:
            self._flush()
            self._segments.append(piece)

    def add_plain(self, data: Piece, *, aligned: bool) -> None:
        for part in _slices(data, PLAIN_CHUNK_BYTES):
            pad = -(self.nbytes + CHUNK.size) % ALIGNMENT if aligned else 0
            size = len(part)
            self.add(CHUNK.pack(codecs.NONE, pad, DATA, 0, size, size, 0) + bytes(pad))
            self.add(part)

    def add_packed(self, data: Piece, compressor: codecs.Compressor, shuffle: int) -> None:
        for part in _slices(data, PACKED_CHUNK_BYTES):
            stored = compressor.compress(part, shuffle)
            if len(stored) >= len(part):
                self.add_plain(part, aligned=False)
                continue
            crc = codecs.checksum(stored)
            self.add(CHUNK.pack(compressor.number, 0, DATA, shuffle, len(part), len(stored), crc))
            self.add(stored)

    def finish(self) -> Message:
        self._flush()
        return Message(tuple(self._segments), self.nbytes)

    def _flush(self) -> None:
        if self._pending:
            self._segments.append(b"".join(self._pending))
            self._pending = []


def _slices(data: Piece, size: int) -> Iterable[Piece]:
    if len(data) <= size:
        return (data,)
    view = memoryview(data)
    return (view[start : start + size] for start in range(0, len(view), size))
