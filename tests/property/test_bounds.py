"""Every bound of docs/spec/wire.md "Limits": one over it is refused before memory is asked for, one at it passes."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import msgpack
import numpy as np
import pandas as pd
import pytest
from pandas.tseries.frequencies import to_offset

from ksrpc.errors import DecodeError, KsrpcError, ProtocolError, TooLargeError
from ksrpc.limits import GIB, MIB
from ksrpc.protocol import parse_frame
from ksrpc.protocol.frame import HEADER
from ksrpc.wire import CODECS, REQUEST_ANY_TABLE, REQUEST_TABLE, RESULT_TABLE, Reader, Table, pack, parse, tag
from ksrpc.wire.assembly import Assembly
from ksrpc.wire.canonical import read_arguments
from ksrpc.wire.codec import LZ4, NONE, NUMBERS, ZSTD, Compressor
from ksrpc.wire.item import RecordReader
from ksrpc.wire.message import CHUNK, MAGIC, PRELUDE, VERSION
from tests.unit.wire.carry import container

#: What refusing may cost beyond the message itself.
SPARE_BYTES = MIB
MERSENNE = (1 << 61) - 1


@pytest.fixture(autouse=True, scope="module")
def _warm() -> None:
    parse(pack(pd.DataFrame({"warm": [1]}, index=pd.MultiIndex.from_tuples([(1, "a")]))).join())
    parse(pack([pd.Series(["a"], dtype="category"), pd.Period("2020"), pd.Interval(0, 1)]).join())


def refuse(data: bytes, table: Table, *, by: type[KsrpcError] | tuple[type[KsrpcError], ...] = TooLargeError) -> None:
    """Expect that a message is refused, with hardly more memory than it has itself."""
    tracemalloc.start()
    try:
        with pytest.raises(by):
            parse(data, table=table)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SPARE_BYTES + 10 * len(data)


def node(number: int, *parts: Any) -> list[Any]:
    """Make a tagged array."""
    return [msgpack.ExtType(1, bytes([number])), *parts]


def message(value: Any, *buffers: bytes) -> bytes:
    """Make a message of the tree of its head."""
    return container(bytes(msgpack.packb(value)), *buffers)


def prelude(*lengths: int) -> bytes:
    """Make a prelude and a table that nothing follows."""
    return PRELUDE.pack(MAGIC, VERSION, 0, 0, len(lengths), 0) + b"".join(n.to_bytes(8, "little") for n in lengths)


def empty(dtype: Any, *shape: int) -> list[Any]:
    """Make an array without memory."""
    return node(tag.ARRAY, dtype, list(shape), "C", b"")


def span(count: int) -> list[Any]:
    """Make a RangeIndex."""
    return node(tag.RANGE_INDEX, 0, count, 1, None)


def stamps(count: int, frequency: Any) -> list[Any]:
    """Make an index of the same time again and again."""
    return node(tag.INDEX, node(tag.ARRAY, "<M8[s]", [count], "C", bytes(8 * count)), None, frequency)


def labels(items: list[Any]) -> list[Any]:
    """Make an Index of objects."""
    return node(tag.INDEX, [len(items), "list", items], None, None)


def structure(count: int, part: Any = "|u1", size: int = 1, *, step: int = 1) -> dict[str, Any]:
    """Make the description of a structure."""
    names = [f"f{number}" for number in range(count)]
    offsets = [number * step for number in range(count)]
    return {
        "names": names, "formats": [part] * count, "offsets": offsets, "titles": [None] * count, "itemsize": size,
        "align": False,
    }  # fmt: skip


def nested(depth: int) -> Any:
    """Make a data type that is nested so deep."""
    made: Any = "|u1"
    for _ in range(depth):
        made = [made, [1]]
    return made


SHUFFLED = random.Random(1).sample(range(1, 201), 200)
COLLIDING = [node(tag.DECIMAL, str(MERSENNE * number)) for number in SHUFFLED]
NONE_CODED = empty("|i1", 0)
ANY = [REQUEST_ANY_TABLE, RESULT_TABLE]
#: Name → what stands in the head, for each table that is one over its bound.
OVER: dict[str, Any] = {
    "dimensions": empty("|u1", *([0] * 65)),
    "array, items": empty("<f8", (1 << 31) + 1),
    "array, items without bytes": empty("|V0", (1 << 24) + 1),
    "array, product": empty("<f8", 1 << 40, 1 << 40),
    "object array": node(tag.OBJECT_ARRAY, [(1 << 24) + 1], "list", []),
    "object array, product": node(tag.OBJECT_ARRAY, [1 << 40, 1 << 40], "list", []),
    "column of objects": node(tag.INDEX, [(1 << 24) + 1, "list", []], None, None),
    "item": node(tag.NUMPY_DTYPE, structure(1, size=GIB)),
    "item of parts": node(tag.NUMPY_DTYPE, [structure(1), [1 << 15, 1 << 15]]),
    "fields": node(tag.NUMPY_DTYPE, structure(1025, size=1025)),
    "data type, depth": node(tag.NUMPY_DTYPE, nested(18)),
    "bigint": node(tag.BIGINT, b"\x01" * 4097),
    "decimal": node(tag.DECIMAL, "1" * 5001),
    "level": node(tag.MULTI_INDEX, [span((1 << 24) + 1)], [NONE_CODED], [None], None),
    "levels": node(tag.MULTI_INDEX, [span(1)] * 1025, [NONE_CODED], [None], None),
    "categories": node(tag.EXTENSION, "cat", span((1 << 24) + 1), NONE_CODED, False),
    "categories of a type": node(tag.PANDAS_DTYPE, "cat", span(1 << 40), False),
    "interval side": node(tag.EXTENSION, "interval", span((1 << 24) + 1), span(1), "left"),
    "columns": node(tag.FRAME, span(0), span((1 << 20) + 1), [], None, True),
    "frequency": node(tag.OFFSET, "1000001ME"),
    "frequency of a class": node(tag.OFFSET, "MonthEnd", 10**6 + 1, False, {}),
}


#: What is at its bound, or near it where that is cheap, and passes.
UNDER: dict[str, Any] = {
    "dimensions": empty("|u1", *([0] * 64)),
    "fields": node(tag.NUMPY_DTYPE, structure(1024, size=1024)),
    "data type, depth": node(tag.NUMPY_DTYPE, nested(16)),
    "bigint": node(tag.BIGINT, b"\x01" * 4096),
    "decimal": node(tag.DECIMAL, "1" * 5000),
    "frequency": node(tag.OFFSET, "1000000ME"),
    "frequency of a class": node(tag.OFFSET, "MonthEnd", 10**6, False, {}),
    "items without bytes": empty("|V0", 1 << 24),
    "labels of one hash": node(tag.EXTENSION, "cat", labels(COLLIDING[:64]), NONE_CODED, False),
    "the same label again and again": node(tag.INDEX, [200, "list", [7] * 200], None, None),
    "fields side by side": node(tag.ARRAY, structure(2, size=2), [1000], "C", bytes(2000)),
}


@pytest.mark.parametrize("table", ANY, ids=["request", "result"])
@pytest.mark.parametrize("name", OVER)
def test_one_over_is_refused_before_memory_is_asked_for(name: str, table: Table) -> None:
    refuse(message(OVER[name]), table, by=(TooLargeError, DecodeError))


SLOW = {
    "a quarter of 52 or 53 weeks": (to_offset("REQ-L-JAN-TUE-1"), 16_384),
    "a custom month": (pd.offsets.CustomBusinessMonthEnd(), 16_384),
    "a custom month with holidays": (
        pd.offsets.CustomBusinessMonthBegin(holidays=[*pd.date_range("2000", periods=8192)]), 8192,
    ),
    "custom hours": (pd.offsets.CustomBusinessHour(), 16_384),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_an_index_costs_what_a_step_of_its_frequency_costs(name: str) -> None:
    """Pandas walks through it to see whether it is right, a fifth of a millisecond a step and more."""
    offset, rows = SLOW[name]
    assert 1024 * rows <= 4 * REQUEST_TABLE.limits.head_bytes
    told = msgpack.unpackb(pack(offset).join()[PRELUDE.size + 8 + CHUNK.size :])
    refuse(message(stamps(rows + 1, told)), REQUEST_TABLE)
    with pytest.raises(DecodeError, match="index: ValueError"):  # so few are compared with it
        parse(message(stamps(8, told)), table=REQUEST_TABLE)


@pytest.mark.parametrize("table", ANY, ids=["request", "result"])
@pytest.mark.parametrize("name", UNDER)
def test_what_is_at_its_bound_passes(name: str, table: Table) -> None:
    parse(message(UNDER[name]), table=table)


@pytest.mark.parametrize("table", ANY, ids=["request", "result"])
@pytest.mark.parametrize(
    "lengths",
    [lambda limits: (limits.head_bytes,), lambda limits: (1, limits.message_bytes - 1),
     lambda limits: (1,) * limits.buffers],
    ids=["head", "message", "buffers"],
)  # fmt: skip
@pytest.mark.parametrize("more", [0, 1])
def test_declared_sizes_are_bounded_before_anything_is_allocated(table: Table, lengths: Any, more: int) -> None:
    declared = lengths(table.limits)
    declared = (*declared, 1) if len(declared) > 2 and more else (*declared[:-1], declared[-1] + more)
    data = prelude(*declared) + CHUNK.pack(NONE, 0, 0, 0, 1, 1, 0)
    tracemalloc.start()
    try:
        reader = Reader(table)
        if more:
            with pytest.raises(TooLargeError):
                reader.feed(data)
        else:
            reader.feed(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SPARE_BYTES + 10 * len(data) or not more


@pytest.mark.parametrize("codec", [NONE, LZ4, ZSTD])
def test_a_chunk_is_bounded_by_its_header_alone(codec: int) -> None:
    limit = RESULT_TABLE.limits.plain_chunk_bytes if codec == NONE else RESULT_TABLE.limits.chunk_bytes
    for raw in (limit, limit + 1):
        assembly = Assembly(RESULT_TABLE.limits)
        assembly.lay((1).to_bytes(8, "little") + (2 << 30).to_bytes(8, "little"))
        assembly.put(assembly.begin(CHUNK.pack(NONE, 0, 0, 0, 1, 1, 0)), memoryview(b"\xc0"))
        header = CHUNK.pack(codec, 0, 0, 0, raw, raw if codec == NONE else 20, 0)
        if raw > limit:
            with pytest.raises(TooLargeError):
                assembly.begin(header)
        else:
            assert assembly.begin(header).raw == raw


@pytest.mark.parametrize("codec", [name for name in CODECS if name != "none"])
@pytest.mark.parametrize("told", [1 << 20, (8 << 20) - 1, (8 << 20) + 1])
def test_a_chunk_that_lies_about_its_size_is_refused(codec: str, told: int) -> None:
    stored = Compressor(codec).compress(bytes(8 << 20), 0)
    data = prelude(1, told) + CHUNK.pack(NONE, 0, 0, 0, 1, 1, 0) + b"\xc0"
    data += CHUNK.pack(NUMBERS[codec], 0, 0, 0, told, len(stored), 0) + stored
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            parse(data, table=REQUEST_ANY_TABLE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * told + 2 * SPARE_BYTES


@pytest.mark.skipif("zstd" not in CODECS, reason="zstandard is not installed")
def test_two_frames_in_one_chunk_are_refused() -> None:
    half = Compressor("zstd").compress(bytes(5000), 0)
    for stored in (half + half, half + b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"):
        data = prelude(1, 5000) + CHUNK.pack(NONE, 0, 0, 0, 1, 1, 0) + b"\xc0"
        with pytest.raises(DecodeError):
            parse(data + CHUNK.pack(ZSTD, 0, 0, 0, 5000, len(stored), 0) + stored)


@pytest.mark.parametrize("holder", ["categories", "categories of a type", "level", "labels that may not come twice"])
def test_labels_made_to_collide_are_refused(holder: str) -> None:
    index = labels(COLLIDING)
    made = {
        "categories": node(tag.EXTENSION, "cat", index, NONE_CODED, False),
        "categories of a type": node(tag.PANDAS_DTYPE, "cat", index, False),
        "level": node(tag.MULTI_INDEX, [index], [NONE_CODED], [None], None),
        "labels that may not come twice": node(
            tag.SERIES, node(tag.ARRAY, "|u1", [len(COLLIDING)], "C", bytes(len(COLLIDING))), index, None, None, False
        ),
    }
    with pytest.raises(DecodeError, match="collide"):
        parse(message(made[holder]), table=REQUEST_ANY_TABLE)


def test_fields_that_lie_over_one_another_cost_what_looking_at_them_costs() -> None:
    size = 1 << 20
    many = node(tag.ARRAY, structure(1000, ["|b1", [size]], size, step=0), [2], "C", 1)
    refuse(message(many, bytes(2 * size)), REQUEST_ANY_TABLE)
    few = node(tag.ARRAY, structure(10, ["|b1", [100]], 100, step=0), [2], "C", bytes(200))
    assert parse(message(few), table=REQUEST_ANY_TABLE).shape == (2,)


@pytest.mark.parametrize("table", ANY, ids=["request", "result"])
def test_offsets_that_run_over_the_largest_number_are_refused(table: Table) -> None:
    text, top = b"a" * 50, (1 << 63) - 1
    offsets = np.array([0, top, -top - 1, -1, 50], "<i8").tobytes()
    made = node(tag.EXTENSION, "utf8", "python", "na", 4, offsets, text, None)
    refuse(message(made), table, by=DecodeError)
    with pytest.raises(DecodeError):
        read_arguments(message([[made], {}]))


def test_a_text_array_longer_than_told_is_refused_unread() -> None:
    flat = b"\xdd" + (1 << 20).to_bytes(4, "big") + b"\xc0" * (1 << 20)
    head = node(tag.INDEX, [10, "text", 1], None, None)
    refuse(message(head, flat), REQUEST_ANY_TABLE, by=DecodeError)


def test_nested_lengths_cost_no_more_than_what_is_there() -> None:
    claim = b"\xdd" + (1 << 22).to_bytes(4, "big")
    with pytest.raises((DecodeError, TooLargeError)):
        parse(container(claim * 100_000), table=REQUEST_TABLE)
    meta = claim[:3] + b"\xff\xff"
    for data in (b"\x81\xa1a" + meta * 10_000, b"\x81\xa1a" + b"\x91" * 60_000, b"\x81\xa1a" + meta * 900):
        tracemalloc.start()
        try:
            with pytest.raises(ProtocolError):
                parse_frame(HEADER.pack(1, 0, len(data), 0, 0) + data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < SPARE_BYTES


def test_kinds_of_periods_are_not_kept_for_ever() -> None:
    for first in range(0, 6000, 500):
        made = [node(tag.PANDAS_DTYPE, "period", f"{number + 2}D") for number in range(first, first + 500)]
        assert len(parse(message(made), table=REQUEST_TABLE)) == 500
    assert len(vars(pd.PeriodDtype)["_cache_dtypes"]) <= 2000


def test_truth_values_are_looked_at_each_time() -> None:
    frame = pd.DataFrame(np.zeros((300, 10), bool))
    data = pack(frame).join()
    for _ in range(3):
        pd.testing.assert_frame_equal(parse(data), frame)
    with pytest.raises(DecodeError):
        parse(data[:-1] + b"\x02")


def test_the_end_of_a_stream_has_no_body() -> None:
    reader = RecordReader()
    reader.feed(b"\x03" + (1).to_bytes(8, "little") + b"x")
    with pytest.raises(DecodeError):
        reader.split()
