"""The container, receiving side: every rule of the framing, checked before memory is asked for.

Source: docs/spec/wire.md "Framing", "Chunks", "Limits".
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import msgpack
import numpy as np

from ksrpc.errors import BY_CODE, DecodeError, LostError, TooLargeError
from ksrpc.limits import WireLimits
from ksrpc.wire import codec as codecs
from ksrpc.wire.message import ABORT, ABORT_BYTES, ALIGNMENT, CHUNK, DATA, MAGIC, PRELUDE, VERSION

__all__ = ["Assembly", "Chunk", "check_pad"]


class Chunk(NamedTuple):
    """Describe one chunk as its header declares it, after all checks."""

    codec: int
    pad: int
    kind: int
    shuffle: int
    raw: int
    stored: int
    crc: int


class Assembly:
    """Put the buffers of one message together, chunk by chunk.

    Call `open` with the prelude, `lay` with the table, then for each chunk `begin` with its header and either `put`
    with its stored bytes, or, if `room` gives a place, receive them there and call `filled`. `done` says when to stop.

    Attributes:
        lengths: Raw length of each buffer, the head first.
        buffers: The buffers that are complete, or being filled.
        filled_bytes: Raw bytes so far.
    """

    __slots__ = ("_at", "_chunks_left", "_inflater", "_limits", "buffers", "filled_bytes", "lengths")

    def __init__(self, limits: WireLimits) -> None:
        self._limits = limits
        self._at = 0  # filled part of the last buffer
        self._chunks_left = 0
        self._inflater: codecs.Decompressor | None = None
        self.lengths: tuple[int, ...] = ()
        self.buffers: list[Any] = []
        self.filled_bytes = 0

    @property
    def done(self) -> bool:
        """Tell whether every buffer is complete."""
        count = len(self.buffers)
        return 0 < count == len(self.lengths) and self._at == self.lengths[-1]

    def open(self, prelude: bytes | memoryview) -> int:
        """Check the first 16 bytes.

        Returns:
            How many buffers follow.
        """
        magic, version, flags, zero, count, rest = PRELUDE.unpack(prelude)
        if magic != MAGIC:
            raise DecodeError("not a value of the ksrpc wire format")
        if version != VERSION:
            raise DecodeError(f"the other side speaks wire version {version}, this one {VERSION}: update the older")
        if flags or zero or rest:
            raise DecodeError("unknown flags in the prelude: the other side is newer")
        if not 1 <= count <= self._limits.buffers:
            raise TooLargeError(f"{count} buffers, the limit is {self._limits.buffers}")
        return int(count)

    def lay(self, table: bytes | memoryview) -> None:
        """Check the lengths of all buffers; nothing is allocated yet."""
        lengths = struct.unpack(f"<{len(table) // 8}Q", table)
        if min(lengths) < 1:
            raise DecodeError("a buffer without bytes")
        if lengths[0] > self._limits.head_bytes:
            raise TooLargeError(f"a head of {lengths[0]} bytes, the limit is {self._limits.head_bytes}")
        if sum(lengths) > self._limits.message_bytes:
            raise TooLargeError(f"a value of {sum(lengths)} bytes, the limit is {self._limits.message_bytes}")
        self.lengths = lengths
        self._chunks_left = len(lengths) + self._limits.spare_chunks + sum(lengths) // self._limits.least_chunk_bytes

    def begin(self, header: bytes | memoryview) -> Chunk:
        """Check the header of the next chunk; make its buffer if it is the first one of it.

        Raises:
            DecodeError: A header that breaks a rule.
            TooLargeError: So many chunks came before it that each is a few bytes.
            KsrpcError: The sender gave up: the chunk is an abort. It has to be read first, see `put`.
        """
        chunk = Chunk(*CHUNK.unpack(header))
        if chunk.pad >= ALIGNMENT or chunk.kind not in (DATA, ABORT) or chunk.shuffle not in codecs.SHUFFLES:
            raise DecodeError("a chunk header with unknown fields")
        if chunk.kind == ABORT:
            _check_abort(chunk)
            return chunk
        self._chunks_left -= 1
        if self._chunks_left < 0:
            raise TooLargeError("too many small chunks: send larger ones")
        self._advance()
        self._check_size(chunk)
        return chunk

    def room(self, chunk: Chunk) -> memoryview | None:
        """Return where the stored bytes may be received directly; None if they have to pass `put`."""
        if chunk.kind == ABORT or chunk.codec != codecs.NONE:
            return None
        return memoryview(self._allocated())[self._at : self._at + chunk.raw]

    def filled(self, chunk: Chunk) -> None:
        """Take note that the place given by `room` is full."""
        if chunk.crc:
            _check_crc(chunk, memoryview(self.buffers[-1])[self._at : self._at + chunk.raw])
        self._count(chunk.raw)

    def put(self, chunk: Chunk, stored: memoryview) -> None:
        """Take a chunk's stored bytes; adopt them without a copy where they may be written to."""
        _check_crc(chunk, stored)
        if chunk.kind == ABORT:
            raise _aborted(stored)
        if chunk.codec != codecs.NONE:
            self._inflater = self._inflater or codecs.Decompressor()
            stored = memoryview(self._inflater.inflate(chunk.codec, stored, chunk.raw, shuffle=chunk.shuffle))
        if self._is_adoptable(chunk, stored):
            self.buffers[-1] = stored
        else:
            memoryview(self._allocated())[self._at : self._at + chunk.raw] = stored
        self._count(chunk.raw)

    def _is_adoptable(self, chunk: Chunk, stored: memoryview) -> bool:
        if chunk.codec != codecs.NONE or chunk.raw != self.lengths[len(self.buffers) - 1]:
            return False
        if len(self.buffers) == 1:
            return True
        return not stored.readonly and np.frombuffer(stored, np.uint8).ctypes.data % 16 == 0

    def _advance(self) -> None:
        if not self.buffers or self._at == self.lengths[len(self.buffers) - 1]:
            if len(self.buffers) == len(self.lengths):
                raise DecodeError("more chunks than buffers")
            self.buffers.append(None)
            self._at = 0

    def _check_size(self, chunk: Chunk) -> None:
        left = self.lengths[len(self.buffers) - 1] - self._at
        if not 1 <= chunk.raw <= left:
            raise DecodeError(f"a chunk of {chunk.raw} bytes where {left} are missing")
        if chunk.codec == codecs.NONE:
            if chunk.stored != chunk.raw or chunk.shuffle:
                raise DecodeError("an uncompressed chunk with two sizes or a filter")
            if chunk.raw > self._limits.plain_chunk_bytes:
                raise TooLargeError(f"a chunk of {chunk.raw} bytes")
            return
        if chunk.codec not in (codecs.LZ4, codecs.ZSTD):
            raise DecodeError(f"unknown codec {chunk.codec}: the other side is newer")
        if chunk.raw > self._limits.chunk_bytes:
            raise TooLargeError(f"a compressed chunk of {chunk.raw} bytes, the limit is {self._limits.chunk_bytes}")
        if not 1 <= chunk.stored <= chunk.raw or (chunk.shuffle and chunk.raw % chunk.shuffle):
            raise DecodeError("a compressed chunk whose sizes cannot be")

    def _allocated(self) -> Any:
        if self.buffers[-1] is None:
            try:
                self.buffers[-1] = np.empty(self.lengths[len(self.buffers) - 1], np.uint8)
            except MemoryError as error:
                raise TooLargeError("not enough memory for this value") from error
        return self.buffers[-1]

    def _count(self, raw: int) -> None:
        self._at += raw
        self.filled_bytes += raw


def check_pad(pad: bytes | bytearray | memoryview) -> None:
    """Refuse padding that hides bytes."""
    if any(pad):
        raise DecodeError("padding that is not zero")


def _check_crc(chunk: Chunk, stored: memoryview) -> None:
    if chunk.crc and codecs.checksum(stored) != chunk.crc:
        raise DecodeError("a chunk with a wrong checksum")


def _check_abort(chunk: Chunk) -> None:
    if chunk.codec or chunk.shuffle or chunk.pad or not 1 <= chunk.raw == chunk.stored <= ABORT_BYTES:
        raise DecodeError("an abort that breaks the rules of its chunk")


def _aborted(stored: memoryview) -> Exception:
    try:
        told = msgpack.unpackb(stored, strict_map_key=True)
        code, text = told["code"], told["text"]
    except Exception as error:
        raise DecodeError("an abort that cannot be read") from error
    if type(code) is not str or type(text) is not str:
        raise DecodeError("an abort that cannot be read")
    return BY_CODE.get(code, LostError)(text)
