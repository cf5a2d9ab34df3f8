"""Messages taken apart and laid out again with right lengths and checksums, so that changes inside them are reached."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ksrpc.errors import KsrpcError
from ksrpc.wire import CODECS
from ksrpc.wire.assembly import Assembly
from ksrpc.wire.codec import NONE, NUMBERS, Compressor, checksum
from ksrpc.wire.message import CHUNK, MAGIC, PRELUDE, VERSION
from ksrpc.wire.table import REQUEST_TABLE
from ksrpc.wire.value import disassemble

__all__ = ["declared_bytes", "lay", "take_apart"]

_SHUFFLES = (0, 0, 2, 4, 8, 16)


def declared_bytes(data: bytes) -> int:
    """Return what the buffers of a message would have together, by its table; 0 if it has none."""
    count = int.from_bytes(data[8:12], "little")
    table = data[PRELUDE.size : PRELUDE.size + 8 * min(count, len(data))]
    return sum(int.from_bytes(table[at : at + 8], "little") for at in range(0, len(table), 8))


def take_apart(data: bytes) -> list[bytes] | None:
    """Return the buffers of a message; None if it is none."""
    if declared_bytes(data) > 1 << 20:
        return None
    try:
        return [bytes(buffer) for buffer in disassemble(memoryview(data), Assembly(REQUEST_TABLE.limits))]
    except KsrpcError:
        return None


def lay(buffers: Sequence[bytes], chance: Random, *, is_plain: bool) -> bytes:
    """Lay buffers out: as one plain chunk each, or in chunks of any size, padding, codec and filter."""
    buffers = [buffer or b"\x00" for buffer in buffers]
    made = [PRELUDE.pack(MAGIC, VERSION, 0, 0, len(buffers), 0)]
    made += [len(buffer).to_bytes(8, "little") for buffer in buffers]
    for buffer in buffers:
        at = 0
        while at < len(buffer):
            size = len(buffer) - at if is_plain else chance.randint(1, len(buffer) - at)
            made.append(_chunk(buffer[at : at + size], chance, is_plain=is_plain))
            at += size
    return b"".join(made)


def _chunk(part: bytes, chance: Random, *, is_plain: bool) -> bytes:
    codec = "none" if is_plain else chance.choice(CODECS)
    if codec != "none":
        shuffle = chance.choice([size for size in _SHUFFLES if size == 0 or len(part) % size == 0])
        stored = Compressor(codec).compress(part, shuffle)
        if len(stored) <= len(part):
            return CHUNK.pack(NUMBERS[codec], 0, 0, shuffle, len(part), len(stored), checksum(stored)) + stored
    pad = 0 if is_plain else chance.choice((0, 0, 1, 63))
    crc = 0 if is_plain else checksum(part)
    return CHUNK.pack(NONE, pad, 0, 0, len(part), len(part), crc) + bytes(pad) + part
