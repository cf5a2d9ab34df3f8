"""Rows of an encoded answer, counted from its head: every kind of value, every cut, and whatever a worker may send."""

from __future__ import annotations

import datetime as dt
import decimal
import random
import tracemalloc
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from fractions import Fraction
from typing import Any

import msgpack
import numpy as np
import pandas as pd
import pytest

from ksrpc import wire
from ksrpc.limits import ANSWER_ROWS, TALLY_NODES
from ksrpc.wire.message import Buffer, pack_buffers
from ksrpc.wire.tally import count_rows

FRAME = pd.DataFrame({"a": range(7), "s": list("abcdefg"), "c": pd.Categorical(list("aabbccd"))})
Point = namedtuple("Point", "x y")
Reply = namedtuple("Reply", "code data")
RECORD = {"code": "000001", "close": 1.5}

SCALARS: list[Any] = [
    1, 2**70, 1.5, True, "text", "", b"bytes", b"x" * 70_000, "t" * 70_000, bytearray(b"b"), 1j, decimal.Decimal(1),
    Fraction(1, 3), uuid.UUID(int=1), dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), dt.timedelta(1), range(10),
    slice(1), ..., np.float64(1), np.array(5), np.dtype("f8"), pd.Timestamp("2024"), pd.NaT, pd.NA, pd.Timedelta(1),
    pd.Period("2024-01"), ValueError("x"),
]  # fmt: skip

TABLES: list[tuple[Any, int]] = [
    (FRAME, 7),
    (FRAME.head(0), 0),
    (FRAME.T, 3),
    (FRAME[[]], 7),
    (FRAME.set_index(["a", "s"]), 7),
    (FRAME.set_index(pd.date_range("2024", periods=7, tz="Asia/Shanghai")), 7),
    (pd.concat([FRAME, FRAME], axis=1), 7),
    (pd.DataFrame(), 0),
    (pd.DataFrame(np.zeros((5, 3))), 5),
    (pd.DataFrame({"text": [f"item {number}" for number in range(5000)]}), 5000),
    (pd.DataFrame({"text": ["a", "b"] * 5000}), 10_000),
    (pd.DataFrame(np.zeros((100_000, 2))), 100_000),
    (FRAME.a, 7),
    (FRAME.s, 7),
    (FRAME.c, 7),
    (pd.Series([], dtype=float), 0),
    (pd.Series([f"item {number}" for number in range(5000)]), 5000),
    (pd.Series(pd.date_range("2024", periods=4, tz="UTC")), 4),
    (pd.Index([3, 4, 5]), 3),
    (pd.Index(list("abcd")), 4),
    (pd.RangeIndex(3, 30, 5), 6),
    (pd.RangeIndex(30, 3, -5), 6),
    (pd.RangeIndex(5, 5), 0),
    (pd.date_range("2024", periods=4), 4),
    (pd.MultiIndex.from_product([[1, 2], list("abc")]), 6),
    (pd.period_range("2024-01", periods=6, freq="M"), 6),
    (pd.interval_range(0, 3), 3),
    (pd.timedelta_range("1D", periods=8), 8),
    (pd.Categorical(list("aab")), 3),
    (pd.array([1, None], dtype="Int64"), 2),
    (pd.array([True, None, False], dtype="boolean"), 3),
    (pd.array(["a"] * 5, dtype="string"), 5),
    (pd.array(["a"] * 5, dtype="string[python]"), 5),
    (np.zeros(9), 9),
    (np.zeros((3, 4)), 3),
    (np.zeros((0, 4)), 0),
    (np.asfortranarray(np.zeros((2000, 4))), 2000),
    (np.zeros(3, dtype=[("a", "i4"), ("b", "f8")]), 3),
    (np.array([1, "a", None], object), 3),
    (np.array(["a", "bb"]), 2),
]

COLLECTIONS: list[tuple[Any, int]] = [
    (None, 0),
    ([], 0),
    ((), 0),
    ({}, 0),
    (set(), 0),
    ([1, 2, 3], 3),
    ([None, None], 2),
    ([RECORD] * 5, 5),
    ([{**RECORD, "tags": ["a", "b"]}] * 5, 5),
    ([[1, 2], [3, 4], [5, 6]], 3),
    ([(1, 2), (3, 4)], 2),
    ({1, 2}, 2),
    (frozenset([1]), 1),
    (deque([1, 2, 3]), 3),
    (deque([1, 2, 3], 4), 3),
    ((1, 2, 3), 1),
    ((RECORD, RECORD), 2),
    (((1, 2), (3, 4)), 2),
    ((0, "ok", [RECORD] * 9), 9),
    (RECORD, 1),
    ({1: "one", 2: "two"}, 1),
    ({"code": 0, "data": [RECORD] * 9}, 9),
    ({"code": 0, "data": {"items": [[1, 2]] * 4, "more": False}}, 4),
    ({"a": RECORD, "b": RECORD}, 2),
    ({"a": [], "b": []}, 0),
    ({1: [1, 2], 2: [3]}, 3),
    (OrderedDict(a=[1, 2]), 2),
    (defaultdict(list, a=[1, 2, 3]), 3),
    (Counter("aab"), 1),
    (Point(1, 2), 1),
    (Reply(0, [1, 2, 3]), 3),
    (Reply(0, FRAME), 7),
    ((0, FRAME), 7),
    ([FRAME, FRAME.copy(), "note"], 14),
    ({"a": FRAME, "b": FRAME.head(2)}, 9),
    ({1: FRAME, 2: [FRAME.a.copy()]}, 14),
    ([{"code": "a", "bars": FRAME}, {"code": "b", "bars": FRAME.head(1)}], 8),
    ({"a": FRAME, "again": FRAME}, 7),
    ([np.arange(3), np.arange(4)], 7),
    ({"a": np.arange(3), "b": [1, 2, 3, 4]}, 3),
    ([b"\xd4\x01\x50"] * 3, 3),
    (["\x01P", b"\xd4\x01\x40", 2], 3),
    ([1] * (TALLY_NODES + 5), TALLY_NODES + 5),
    ({str(number): number for number in range(TALLY_NODES + 5)}, TALLY_NODES + 5),
    (dict.fromkeys(map(str, range(5000)), RECORD), 5000),
]


def counted(value: object, codec: str = "none") -> int:
    return count_rows(wire.pack(value, codec=codec).segments)


@pytest.mark.parametrize("value", SCALARS, ids=lambda value: type(value).__name__)
def test_a_single_value_is_one_row(value: object) -> None:
    assert counted(value) == 1


@pytest.mark.parametrize(("value", "rows"), TABLES, ids=lambda value: type(value).__name__)
def test_a_table_counts_its_first_axis(value: object, rows: int) -> None:
    assert counted(value) == rows


@pytest.mark.parametrize(("value", "rows"), COLLECTIONS, ids=lambda value: str(value)[:30])
def test_a_collection_counts_its_tables_or_its_items(value: object, rows: int) -> None:
    assert counted(value) == rows


@pytest.mark.parametrize("codec", ["none", "lz4", "zstd"])
def test_it_does_not_matter_how_the_answer_is_packed_and_cut(codec: str) -> None:
    value = {"x": FRAME, "y": pd.DataFrame({"k": ["abc", "d"] * 3000}), "z": "w" * 200_000}
    data = wire.pack(value, codec=codec).join()
    expected = 6007
    assert count_rows([data]) == expected
    assert count_rows([bytearray(data)]) == expected
    assert count_rows([data[:7], b"", memoryview(data)[7:100], data[100:]]) == expected
    small = wire.pack(FRAME, codec=codec).join()
    assert count_rows([bytes([byte]) for byte in small]) == 7


def test_a_head_in_many_chunks_counts_too() -> None:
    value = [{"number": number, "text": "x" * 40} for number in range(60_000)]
    assert len(wire.pack(value).join()) > 3 << 20
    assert counted(value, "zstd") == 60_000


def test_a_frame_whose_index_came_before_counts_its_own_rows() -> None:
    index = pd.Index([5, 6, 7])
    frames = [pd.DataFrame({"a": [1, 2, 3]}, index=index), pd.DataFrame({"b": list("xyz")}, index=index)]
    assert counted(frames) == 6


def head(node: object) -> bytes:
    """Pack a head that no encoder of ours would write."""
    return pack_buffers([Buffer(msgpack.packb(node))]).join()


def tagged(number: int, *parts: object) -> list[object]:
    return [msgpack.ExtType(1, bytes([number])), *parts]


HUGE = 2**63
LIES: list[tuple[object, int]] = [
    (tagged(0x40, "<f8", [HUGE], "C", b""), ANSWER_ROWS),
    (tagged(0x40, "<f8", [-5], "C", b""), 1),
    (tagged(0x40, "<f8", "shape", "C", b""), 1),
    (tagged(0x40), 1),
    (tagged(0x53, 0, HUGE, 1, None), ANSWER_ROWS),
    (tagged(0x53, 0, 5, 0, None), 1),
    (tagged(0x53, 0, 1.5, 1, None), 1),
    (tagged(0x55, "str", "python", "na", HUGE, "list", []), ANSWER_ROWS),
    (tagged(0x55, "unknown", 1), 1),
    (tagged(0x50, tagged(0x53, 0, 2, 1, None), None, [[0, tagged(0x40, "<f8", [500], "C", 1)]], None, True), 500),
    (tagged(0x50, tagged(0x0A, 3), None, [], None, True), 1),
    (tagged(0x51, tagged(0x0A, 3), None, None, None, True), 1),
    (tagged(0x54, [], [], [], None), 0),
    (tagged(0x08, 5, "no list"), 1),
    (tagged(0x30, "C", ["x"], "no list"), 1),
    (tagged(0x7F), 1),
    ([[], tagged(0x50)], 1),
    ({1: 2}, 1),
]


@pytest.mark.parametrize(("node", "rows"), LIES, ids=lambda value: str(value)[:40])
def test_what_cannot_be_is_bounded_and_never_raises(node: object, rows: int) -> None:
    assert count_rows([head(node)]) == rows


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"KSW1",
        b"no message at all, but long enough to hold the header of one",
        pack_buffers([Buffer(b"\xdd\xff\xff\xff\xff")]).join(),  # a list of four thousand million items, none there
        pack_buffers([Buffer(b"\xdf\xff\xff\xff\xff")]).join(),
        pack_buffers([Buffer(b"\x91" * 100_000 + b"\xc0")]).join(),
        pack_buffers([Buffer(b"\xc0\xc0")]).join(),
        pack_buffers([Buffer(b"\xc1")]).join(),
        b"\x00" * 64,
    ],
    ids=range(9),
)
def test_what_is_no_message_counts_as_one_row_and_costs_no_memory(data: bytes) -> None:
    tracemalloc.start()
    assert count_rows([data]) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_damaged_bytes_never_raise_and_never_count_less_than_nothing() -> None:
    whole = wire.pack({"x": FRAME, "y": [FRAME.a, (1, 2)], "z": np.arange(3)}).join()
    source = random.Random(1)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(source.randint(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
        rows = count_rows([bytes(data[: source.randint(0, len(data))])])
        assert 0 <= rows <= ANSWER_ROWS


def test_a_cut_message_counts_as_one_row_wherever_its_head_ends() -> None:
    whole = wire.pack([RECORD] * 3).join()
    assert {count_rows([whole[:end]]) for end in range(len(whole))} == {1}
