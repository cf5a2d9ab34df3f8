"""Bytes from anybody end as a value or as the right error; no other exception, no large memory, no partial result."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import CODECS, REQUEST_ANY_TABLE, REQUEST_TABLE, RESULT_TABLE, Table, pack, parse
from tests.conformance.wire.golden import load
from tests.unit.wire.carry import container
from tests.unit.wire.tabular.case import frames, indexes, series

TABLES = [REQUEST_TABLE, REQUEST_ANY_TABLE, RESULT_TABLE]
TABULAR = [pack(value).join() for made in (frames(), series(), indexes()) for value in made.values()]
PACKED = [pack(np.arange(20_000), codec=codec).join() for codec in CODECS]
CORPUS = [*load().values(), *(data for data in TABULAR if len(data) < 5000), *PACKED]
MEMORY_BYTES = 64 << 20

QUICK = settings(deadline=None, max_examples=1500, suppress_health_check=list(HealthCheck))


def swallow(data: bytes, table: Table) -> Any:
    """Parse what may be anything; errors of other kinds come through and fail the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return parse(data, table=table)
        except (DecodeError, TooLargeError):
            return None


@pytest.mark.parametrize("data", CORPUS[::5], ids=lambda data: str(len(data)))
def test_a_message_cut_anywhere_is_refused(data: bytes) -> None:
    for size in range(min(len(data), 600)):
        with pytest.raises(DecodeError):
            parse(data[:size])


@QUICK
@given(
    st.sampled_from(CORPUS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
    st.sampled_from(TABLES),
)
def test_a_message_with_other_bytes(data: bytes, changes: list[tuple[float, int]], table: Table) -> None:
    changed = bytearray(data)
    for place, byte in changes:
        changed[int(place * (len(changed) - 1))] = byte
    swallow(bytes(changed), table)


@QUICK
@given(st.sampled_from(CORPUS), st.data(), st.sampled_from(TABLES))
def test_a_head_with_other_parts(data: bytes, draw: st.DataObject, table: Table) -> None:
    if data[8] != 1 or len(data) < 42:
        return
    head = bytearray(data[40:])
    at = draw.draw(st.integers(0, len(head) - 1))
    size = draw.draw(st.integers(0, 4))
    head[at : at + size] = draw.draw(st.sampled_from(PARTS) | st.binary(max_size=9))
    if head:
        swallow(container(bytes(head)), table)


PARTS = [
    b"\xcf" + b"\xff" * 8,
    b"\xd3\x80" + bytes(7),
    b"\xcb\x7f\xf8" + bytes(6),
    b"\xce\x7f\xff\xff\xff",
    b"\xc0",
    b"\x90",
    b"\x80",
    b"\xff",
    b"\xc3",
    *(b"\xd4\x01" + bytes([number]) for number in range(0x60)),
    b"\xa1\x00",
    b"\xc4\x00",
    b"\x92\xd4\x01\x0a\x00",
    b"\x92\xd4\x01\x0a\x01",
]


def tagged(number: int, *nodes: bytes) -> bytes:
    """Join encoded parts to a tagged array."""
    return bytes([0x91 + len(nodes)]) + b"\xd4\x01" + bytes([number]) + b"".join(nodes)


def integer(value: int) -> bytes:
    """Encode an integer in nine bytes."""
    return b"\xd3" + value.to_bytes(8, "big", signed=True)


def span(count: int) -> bytes:
    """Encode a RangeIndex."""
    return tagged(0x53, b"\x00", integer(count), b"\x01", b"\xc0")


def many(part: bytes, count: int) -> bytes:
    """Repeat a part in a list."""
    return b"\xdd" + count.to_bytes(4, "big") + part * count


INTERVAL = tagged(0x55, b"\xa8interval", span(1 << 23), span(1 << 23), b"\xa5right")
WIDE = tagged(
    0x50,
    span(0),
    span(1 << 20),
    b"\x91\x92\xc0" + tagged(0x40, b"\xa3<f8", b"\x92\x00" + integer(1 << 20), b"\xa1F", b"\xc4\x00"),
    b"\xc0",
    b"\xc3",
)
VALUES = tagged(0x40, b"\xa3|u1", b"\x91\xcd\x02\x00", b"\xa1C", b"\xc5\x02\x00" + bytes(512))
MASKED = tagged(0x55, b"\xa4mask", b"\xa5UInt8", tagged(0x0A, b"\x00"), b"\xc0")
BOMBS = {
    "interval of ranges": many(INTERVAL, 500),
    "level over the limit": tagged(0x54, b"\x91" + span(1 << 40), b"\x91" + VALUES, b"\x91\xc0", b"\xc0"),
    "wide frames": many(WIDE, 2000),
    "one array in many columns": b"\x92" + VALUES + many(MASKED, 5000),
    "frame over the limit": WIDE.replace(integer(1 << 20), integer(1 << 40)),
    "categories": tagged(0x55, b"\xa3cat", span(1 << 30), VALUES, b"\xc2"),
    "array": tagged(0x40, b"\xa3<f8", b"\x91" + integer(1 << 40), b"\xa1C", b"\xc4\x00"),
    "list length": b"\xdd\xff\xff\xff\xff",
    "map length": b"\xdf\xff\xff\xff\xff",
    "text length": b"\xdb\xff\xff\xff\xff",
    "bytes length": b"\xc6\xff\xff\xff\xff",
    "nesting": b"\x91" * 100_000 + b"\x00",
    "nested tags": b"\x92\xd4\x01\x01" * 5000 + b"\x00",
}


@pytest.mark.parametrize("head", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_does_not_go_off(head: bytes) -> None:
    swallow(pack(pd.DataFrame({"warm": [1]})).join(), REQUEST_TABLE)
    tracemalloc.start()
    try:
        with pytest.raises((DecodeError, TooLargeError)):
            parse(container(head), table=REQUEST_TABLE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_BYTES * 8
