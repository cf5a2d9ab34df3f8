"""Compress a message that is there as it lies, while it goes out: nothing is decoded, and little is held.

Rules: what comes out is the same value in other chunks; a buffer of which a sample does not shrink, and a chunk that
does not, stay as they lie; a message that is compressed already, or is not laid out as ours are, is left alone.

Source: docs/spec/wire.md "Chunks", docs/explanation/compression.md.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator, Sequence
from heapq import nlargest
from typing import Final

from ksrpc.errors import DecodeError
from ksrpc.wire.codec import NONE, Compressor, checksum
from ksrpc.wire.message import (
    ALIGNMENT,
    CHUNK,
    DATA,
    JOIN_BYTES,
    MAGIC,
    PACKED_CHUNK_BYTES,
    PRELUDE,
    VERSION,
    Piece,
)
from ksrpc.wire.pace import Pace

__all__ = ["LEAST_BYTES", "Compaction", "open_compaction"]

#: Smaller messages, and smaller buffers, go as they lie.
LEAST_BYTES: Final = 10_000
#: So many of the largest buffers are looked at before anything is sent.
_LOOKED_AT: Final = 16
#: A chunk that lies in several pieces is put together up to this size.
_COPIED_BYTES: Final = 1 << 20
_BUFFERS: Final = 65_536
Given = bytes | bytearray | memoryview


class Compaction:
    """Give the pieces of one message one by one; each step takes the time of one chunk at most.

    Attributes:
        total_bytes: Raw size of the value.
        done_bytes: So much of it lies in the pieces that were given.
        wire_bytes: Length of the pieces that were given.
    """

    __slots__ = (
        "_buffers",
        "_chunk_bytes",
        "_compressors",
        "_last",
        "_made",
        "_pace",
        "_raw",
        "done_bytes",
        "total_bytes",
        "wire_bytes",
    )

    def __init__(self, pieces: Sequence[Given], pace: Pace, *, chunk_bytes: int = PACKED_CHUNK_BYTES) -> None:
        """Read the framing.

        Raises:
            DecodeError: It is not plain: damaged, or compressed already.
        """
        self._buffers = _read(pieces)
        self._pace = pace
        self._chunk_bytes = chunk_bytes
        self._compressors: dict[str, Compressor] = {}
        self._raw = 0  # in the pieces that are not given yet
        self._made: Iterator[Piece] | None = None  # at the first piece: before, it would only hold this object
        self.total_bytes = sum(len(part) for parts in self._buffers for part in parts)
        self.done_bytes = self.wire_bytes = 0
        self._last = (0, 1)  # of the last piece: what it stands for, and its length

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        if self._made is None:
            self._made = self._give()
        return next(self._made)

    def sent_bytes(self, waiting_bytes: int) -> int:
        """Return how much of the value has left while so many bytes of the last piece wait."""
        raw, length = self._last
        return self.done_bytes - raw * min(waiting_bytes, length) // length

    def pays(self) -> bool:
        """Tell whether a sample of any of the largest parts shrinks."""
        parts = [part for parts in self._buffers for part in parts]
        return any(self._choose(part) is not None for part in nlargest(_LOOKED_AT, parts, key=len))

    def _give(self) -> Iterator[Piece]:
        """Join small pieces, and time who takes the pieces."""
        pending = bytearray()
        for piece, raw in self._layout():
            if len(piece) >= JOIN_BYTES:
                yield from self._hand(bytes(pending))
                self._raw += raw
                yield from self._hand(piece)
                pending.clear()
            else:
                self._raw += raw
                pending += piece
                if len(pending) >= JOIN_BYTES:
                    yield from self._hand(bytes(pending))
                    pending.clear()
        yield from self._hand(bytes(pending))

    def _hand(self, piece: Piece) -> Iterator[Piece]:
        if not len(piece):
            return
        self.done_bytes += self._raw
        self._last, self._raw = (self._raw, len(piece)), 0
        self.wire_bytes += len(piece)
        began = self._pace.clock()
        yield piece
        self._pace.took(len(piece), self._pace.clock() - began)

    def _layout(self) -> Iterator[tuple[Piece, int]]:
        """Give headers and data, each with the bytes of the value that it stands for."""
        lengths = [sum(map(len, parts)) for parts in self._buffers]
        lead = PRELUDE.pack(MAGIC, VERSION, 0, 0, len(lengths), 0) + struct.pack(f"<{len(lengths)}Q", *lengths)
        at = len(lead)
        yield lead, 0
        for number, parts in enumerate(self._buffers):
            for part in parts:
                for piece, raw in self._part(part, at, aligned=number > 0):
                    at += len(piece)
                    yield piece, raw

    def _part(self, part: memoryview, at: int, *, aligned: bool) -> Iterator[tuple[Piece, int]]:
        shuffle = self._choose(part)
        if shuffle is None:
            yield from self._plain(part, at, aligned=aligned)
            return
        start = 0
        while start < len(part):
            size = len(part) - start if self._is_given_up else self._chunk_bytes
            for piece, raw in self._chunk(part[start : start + size], at, shuffle=shuffle, aligned=aligned):
                at += len(piece)
                yield piece, raw
            start += size

    @property
    def _is_given_up(self) -> bool:
        return self._pace.is_settled and self._pace.codec == "none"

    def _chunk(self, part: memoryview, at: int, *, shuffle: int, aligned: bool) -> Iterator[tuple[Piece, int]]:
        compressor = self._compressor()
        stored: bytes | None = None
        if compressor is not None:
            began = self._pace.clock()
            stored = compressor.compress(part, shuffle)
            self._pace.packed(len(part), len(stored), self._pace.clock() - began)
        if compressor is None or stored is None or len(stored) >= len(part):
            yield from self._plain(part, at, aligned=aligned)
            return
        yield CHUNK.pack(compressor.number, 0, DATA, shuffle, len(part), len(stored), checksum(stored)), 0
        yield stored, len(part)

    def _plain(self, part: memoryview, at: int, *, aligned: bool) -> Iterator[tuple[Piece, int]]:
        pad = -(at + CHUNK.size) % ALIGNMENT if aligned else 0
        yield CHUNK.pack(NONE, pad, DATA, 0, len(part), len(part), 0) + bytes(pad), 0
        for start in range(0, len(part), PACKED_CHUNK_BYTES):
            slice_ = part[start : start + PACKED_CHUNK_BYTES]
            yield slice_, len(slice_)

    def _choose(self, part: memoryview) -> int | None:
        compressor = self._compressor() if len(part) >= LEAST_BYTES else None
        return None if compressor is None else compressor.choose(part, 0)

    def _compressor(self) -> Compressor | None:
        name = self._pace.codec
        if name == "none":
            return None
        if name not in self._compressors:
            self._compressors[name] = Compressor(name)
        return self._compressors[name]


def open_compaction(pieces: Sequence[Given], pace: Pace, *, chunk_bytes: int = PACKED_CHUNK_BYTES) -> Compaction | None:
    """Begin to compress a message; None if it had better go as it lies."""
    try:
        compaction = Compaction(pieces, pace, chunk_bytes=chunk_bytes)
    except DecodeError:
        return None
    return compaction if compaction.pays() else None


class _Source:
    """Cut pieces anew, without copying what lies in one."""

    def __init__(self, pieces: Sequence[Given]) -> None:
        self._views = deque(memoryview(piece).cast("B") for piece in pieces if len(piece))

    def take(self, size: int) -> memoryview:
        if self._views and size <= len(self._views[0]):
            return self._cut(size)
        if size > _COPIED_BYTES:
            raise DecodeError("a large chunk in several pieces")
        found: list[memoryview] = []
        while size:
            if not self._views:
                raise DecodeError("the value ends too early")
            found.append(self._cut(min(size, len(self._views[0]))))
            size -= len(found[-1])
        return memoryview(b"".join(found))

    def _cut(self, size: int) -> memoryview:
        view = self._views[0]
        if size == len(view):
            self._views.popleft()
        else:
            self._views[0] = view[size:]
        return view[:size]

    @property
    def is_empty(self) -> bool:
        return not self._views


def _read(pieces: Sequence[Given]) -> list[list[memoryview]]:
    """Return the parts of each buffer, the head first."""
    source = _Source(pieces)
    magic, version, flags, zero, count, rest = PRELUDE.unpack(source.take(PRELUDE.size))
    if (magic, version, flags, zero, rest) != (MAGIC, VERSION, 0, 0, 0) or not 1 <= count <= _BUFFERS:
        raise DecodeError("not a message of this version")
    lengths = struct.unpack(f"<{count}Q", source.take(8 * count))
    buffers = [_read_buffer(source, length) for length in lengths]
    if not source.is_empty:
        raise DecodeError("bytes after the end of the value")
    return buffers


def _read_buffer(source: _Source, length: int) -> list[memoryview]:
    parts: list[memoryview] = []
    while length:
        codec, pad, kind, shuffle, raw, stored, crc = CHUNK.unpack(source.take(CHUNK.size))
        if (codec, kind, shuffle, crc) != (NONE, DATA, 0, 0) or not 1 <= raw == stored <= length:
            raise DecodeError("a chunk that is not plain")
        source.take(pad)
        parts.append(source.take(raw))
        length -= raw
    return parts
