"""Hostile messages, built by hand from what the specification says."""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ksrpc import wire

HEADER = struct.Struct("<BBHIQ")
HELLO, CALL, BODY, RESULT, CREDIT, CANCEL = 1, 4, 5, 9, 11, 12
FIN = 1


def frame(
    kind: int, call: int = 0, meta: object = None, body: bytes = b"", *, flags: int = 0, offset: int = 0
) -> bytes:
    """Pack one frame of the call protocol."""
    packed = b"" if meta is None else msgspec.msgpack.encode(meta)
    return HEADER.pack(kind, flags, len(packed), call, offset) + packed + body


def hello() -> bytes:
    """Pack the greeting that every session begins with."""
    return frame(HELLO, meta={"versions": [1]})


def call_of(path: str, body: bytes, *, number: int = 1) -> bytes:
    """Pack a whole call."""
    return frame(CALL, number, {"path": path}, body, flags=FIN)


def message(head: bytes, *, buffers: int = 1, sizes: tuple[int, ...] | None = None) -> bytes:
    """Pack a message of one uncompressed head, as large as it says or not."""
    told = struct.pack("<4sBBHII", b"KSW1", 1, 0, 0, buffers, 0)
    table = struct.pack(f"<{buffers}Q", *(sizes or (len(head),)))
    return told + table + struct.pack("<BBBBIII", 0, 0, 0, 0, len(head), len(head), 0) + head


def pickled(marks: Path) -> bytes:
    """Write a pickle that leaves a mark when it is loaded, as versions below 1 would have done."""
    command = f"touch {marks}/unpickled".encode()
    return b"\x80\x04cos\nsystem\n(V" + command + b"\ntR."


def honest() -> bytes:
    """Pack arguments with every kind of part: tags, buffers, chunks."""
    arguments = ((1, "text", [np.arange(2000.0), (b"x" * 70_000, {"a": None})]), {"key": 2.5})
    return wire.pack_arguments(*arguments).join()


def cut() -> Iterator[bytes]:
    """Yield the honest message, broken off at many places."""
    whole = honest()
    for at in (*range(0, 120, 7), *range(120, len(whole), len(whole) // 12)):
        yield whole[:at]
    yield whole + b"\0"
    yield whole + whole


def mutated(count: int = 150) -> Iterator[bytes]:
    """Yield the honest message with single bytes changed, mostly in its first part, where the structure is."""
    whole = honest()
    chance = random.Random(20_240_102)
    for _ in range(count):
        data = bytearray(whole)
        at = chance.randrange(200) if chance.random() < 0.8 else chance.randrange(len(data))
        data[at] ^= 1 << chance.randrange(8)
        yield bytes(data)


def results_only() -> Iterator[bytes]:
    """Yield arguments with tags that only results may have, or nobody yet."""
    for number in (
        0x30,
        0x34,
        0x05,
        0x06,
        0x07,
        0x08,
        0x10,
        0x16,
        0x41,
        0x23,
        0x31,
        0x32,
        0x33,
        0x35,
        0x70,
        0x78,
        0x7F,
    ):
        tagged = [msgspec.msgpack.Ext(1, bytes([number])), "builtins.ValueError", ["x"], ["y"], [], None, {}, ""]
        yield message(msgspec.msgpack.encode([[tagged], {}]))


def shapes() -> Iterator[bytes]:
    """Yield values that are whole but no arguments."""
    values: tuple[Any, ...] = (None, 1, [], [1], [[], {}, 1], [{}, []], [[], []], {"args": []}, [[], {1: 2}], "text")
    for value in values:
        yield message(msgspec.msgpack.encode(value))


def bombs() -> Iterator[bytes]:
    """Yield small messages that say they are large, deep, or many."""
    yield message(b"\x92\x90\x80", sizes=(1 << 40,))
    yield message(b"\x92\x90\x80", buffers=4, sizes=(3, 1 << 62, 1 << 62, 1 << 62))
    yield struct.pack("<4sBBHII", b"KSW1", 1, 0, 0, 0xFFFFFFFF, 0)
    yield message(b"\x92" + b"\x91" * 100_000 + b"\x90\x80")
    yield message(b"\x92\xdd\xff\xff\xff\xff\x80")
    yield message(b"\x92\x90\xdf\xff\xff\xff\xff")
    yield message(b"\x92\x91\xc6\xff\xff\xff\xff\x80")
    yield message(b"\x92\x91" + b"\xc9\xff\xff\xff\xff\x01" + b"\x80")
    packed = gzip.compress(bytes(8 << 20))
    for codec in (1, 2, 3):
        chunk = struct.pack("<BBBBIII", codec, 0, 0, 0, 1 << 30, len(packed), 0) + packed
        yield struct.pack("<4sBBHIIQ", b"KSW1", 1, 0, 0, 1, 0, 1 << 30) + chunk
    for name in wire.CODECS:
        if name != "none":
            yield _compressed(name)


def _compressed(codec: str) -> bytes:
    """Compress 40 MiB of nothing into one chunk; its header says 4 MiB."""
    from ksrpc.wire.codec import NUMBERS, Compressor

    stored = Compressor(codec).compress(bytes(40 << 20), 0)
    chunk = struct.pack("<BBBBIII", NUMBERS[codec], 0, 0, 0, 4 << 20, len(stored), 0) + stored
    return struct.pack("<4sBBHIIQ", b"KSW1", 1, 0, 0, 1, 0, 4 << 20) + chunk
