"""The rules of the framing, each broken once."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import REQUEST_TABLE, pack, parse
from ksrpc.wire.message import CHUNK, MAGIC, PRELUDE
from tests.helpers.feed import FEEDS, Feed
from tests.unit.wire.carry import container, read

HEAD = b"\x93\x01\x02\x03"


def build(*chunks: bytes, lengths: tuple[int, ...] = (4,), prelude: dict[str, Any] | None = None) -> bytes:
    """Make a message of a table and chunks as they come."""
    parts = {"magic": MAGIC, "version": 1, "flags": 0, "zero": 0, "count": len(lengths), "rest": 0, **(prelude or {})}
    return PRELUDE.pack(*parts.values()) + b"".join(size.to_bytes(8, "little") for size in lengths) + b"".join(chunks)


def chunk(data: bytes, **fields: int) -> bytes:
    """Make a chunk with some fields of its header replaced."""
    parts = {"codec": 0, "pad": 0, "kind": 0, "filter": 0, "raw": len(data), "stored": len(data), "crc": 0, **fields}
    return CHUNK.pack(*parts.values()) + bytes(parts["pad"]) + data


def test_the_layout_is_the_documented_one() -> None:
    assert pack([1, 2, 3]).join() == build(chunk(HEAD))
    assert pack([1, 2, 3]).join().hex() == (
        "4b535731" "01" "00" "0000" "01000000" "00000000" "0400000000000000" "00000000" "04000000" "04000000" "00000000"
        "93010203"
    )  # fmt: skip


def test_arrays_begin_at_multiples_of_64() -> None:
    arrays = [np.arange(1000, dtype=np.int8) + 0, np.arange(301.0), np.arange(5000)]
    data = pack([*arrays, "x"]).join()
    for array in arrays:
        if array.nbytes > 2048:
            assert data.index(array.tobytes()) % 64 == 0


GOOD = [
    build(chunk(HEAD)),
    build(chunk(HEAD, pad=63)),
    build(chunk(HEAD, crc=zlib.crc32(HEAD))),
    build(chunk(HEAD[:1]), chunk(HEAD[1:3], pad=5), chunk(HEAD[3:])),
]


@pytest.mark.parametrize("data", GOOD, ids=["plain", "padded", "checked", "pieces"])
@pytest.mark.parametrize("feed", FEEDS)
def test_what_is_allowed_is_read(data: bytes, feed: Feed) -> None:
    assert parse(data) == read(data, feed) == [1, 2, 3]


BAD = {
    "magic": build(chunk(HEAD), prelude={"magic": b"KSW2"}),
    "pickle": b"\x80\x04\x95" + bytes(60),
    "gzip": b"\x1f\x8b\x08" + bytes(60),
    "version": build(chunk(HEAD), prelude={"version": 2}),
    "flags": build(chunk(HEAD), prelude={"flags": 1}),
    "zero": build(chunk(HEAD), prelude={"zero": 1}),
    "rest": build(chunk(HEAD), prelude={"rest": 1}),
    "no buffers": build(prelude={"count": 0}, lengths=()) + bytes(64),
    "empty head": build(chunk(b""), lengths=(0,)) + bytes(8),
    "empty buffer": build(chunk(HEAD), lengths=(4, 0)),
    "kind": build(chunk(HEAD, kind=2)),
    "codec": build(chunk(HEAD, codec=3)),
    "filter": build(chunk(HEAD, filter=3)),
    "filter without codec": build(chunk(HEAD, filter=4)),
    "pad 64": build(chunk(HEAD, pad=64)),
    "two sizes": build(chunk(HEAD, raw=3)),
    "too much": build(chunk(HEAD + b"\x04")),
    "nothing": build(chunk(b""), chunk(HEAD)),
    "crc": build(chunk(HEAD, crc=1)),
    "dirty pad": build(CHUNK.pack(0, 2, 0, 0, 4, 4, 0) + b"\x00\x01" + HEAD),
    "missing chunk": build(chunk(HEAD), lengths=(4, 4)),
    "unreferred buffer": build(chunk(HEAD), chunk(HEAD), lengths=(4, 4)),
    "stored over raw": build(chunk(HEAD, codec=1, raw=2)),
    "uneven shuffle": build(chunk(HEAD[:3], codec=1, filter=2, raw=3), chunk(HEAD[3:])),
    "straddling": build(chunk(HEAD + b"abcd"), lengths=(4, 4)),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("feed", FEEDS)
def test_what_breaks_a_rule_is_refused(data: bytes, feed: Feed) -> None:
    with pytest.raises((DecodeError, TooLargeError)):
        parse(data)
    with pytest.raises((DecodeError, TooLargeError)):
        read(data, feed)


def test_a_newer_version_is_named() -> None:
    with pytest.raises(DecodeError, match="speaks wire version 2, this one 1"):
        parse(container(HEAD, version=2))


@pytest.mark.parametrize(
    ("count", "lengths"),
    [(5000, (4,)), (2, (4, 300 << 20)), (1, (5 << 20,)), (2, (4, 2**64 - 1))],
    ids=["buffers", "sum", "head", "overflow"],
)
def test_sizes_over_the_limit_are_refused(count: int, lengths: tuple[int, ...]) -> None:
    padded = lengths + (1,) * (count - len(lengths))
    with pytest.raises(TooLargeError):
        parse(build(lengths=padded), table=REQUEST_TABLE)


def test_a_compressed_chunk_over_the_limit_is_refused_unread() -> None:
    data = build(chunk(HEAD), chunk(b"tiny", codec=2, raw=17 << 20), lengths=(4, 17 << 20))
    with pytest.raises(TooLargeError, match="compressed chunk"):
        parse(data)


@pytest.mark.parametrize("feed", FEEDS)
def test_more_chunks_than_a_sender_has_reason_for_are_refused(feed: Feed) -> None:
    array = b"\x95\xd4\x01\x40\xa3|u1\x91\xcd\x08\x00\xa1C\x01"
    small = [chunk(b"x")] * 1024
    data = build(chunk(array), *small, chunk(bytes(1024)), lengths=(len(array), 2048))
    assert len(parse(data)) == len(read(data, feed)) == 2048
    data = build(chunk(array), *small, chunk(b"x"), chunk(b"x"), chunk(bytes(1022)), lengths=(len(array), 2048))
    with pytest.raises(TooLargeError, match="too many small chunks"):
        parse(data)
    with pytest.raises(TooLargeError, match="too many small chunks"):
        read(data, feed)


def test_a_buffer_is_referred_to_once() -> None:
    array = b"\x95\xd4\x01\x40\xa3|u1\x91\x04\xa1C"
    twice = b"\x92" + (array + b"\x01") * 2
    for head in (array + b"\x02", twice, array + b"\x00"):
        with pytest.raises(DecodeError):
            parse(container(head, b"abcd"))
    assert parse(container(array + b"\x01", b"abcd")).tobytes() == b"abcd"
