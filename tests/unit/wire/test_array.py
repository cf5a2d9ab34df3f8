"""Arrays, scalars and data types of numpy: exact, without copies, and nothing that numpy trusts unchecked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from ksrpc.errors import DecodeError, EncodeError, TooLargeError
from ksrpc.wire import REQUEST_TABLE, pack, pack_arguments, parse, parse_arguments, tag
from tests.helpers.feed import FEEDS, Feed
from tests.unit.wire.carry import carry, container, read

GRID = np.arange(12.0).reshape(3, 4)
ALIGNED = np.dtype([("a", "i1"), ("b", "f8"), ("c", "U3")], align=True)
NESTED = np.dtype([("p", [("q", "<i2", (2, 3))]), (("title", "n"), np.longdouble), ("d", "M8[D]")])

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    **{
        f"dtype {text}": np.arange(5).astype(text)
        for text in [
            "b1",
            "i1",
            "u1",
            "i2",
            "u2",
            "i4",
            "u4",
            "i8",
            "u8",
            "f2",
            "f4",
            "f8",
            "c8",
            "c16",
            "g",
            "G",
            ">i4",
            ">f8",
            ">c16",
        ]
    },
    **{
        f"time {unit}": np.array([0, 1, -(2**63)], f"M8[{unit}]")
        for unit in ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "25s"]
    },
    "timedelta": np.array([1, -(2**63)], "m8[us]"),
    "timedelta generic": np.array([1, 2], "i8").view("m8"),
    "text": np.array(["a", "中文", ""]),
    "text big-endian": np.array(["ab"], ">U2"),
    "bytes": np.array([b"a\0b", b""]),
    "void": np.array([b"abc"], "V3"),
    "no bytes": np.zeros(3, "S0"),
    "no fields": np.zeros(3, []),
    "point": np.array(5.5),
    "empty": np.array([]),
    "no rows": np.zeros((0, 3)),
    "no columns": np.zeros((3, 0), order="F"),
    "c": GRID,
    "fortran": np.asfortranarray(GRID),
    "transposed": GRID.T,
    "strided": GRID[::2],
    "reversed": GRID[:, ::-1],
    "broadcast": np.broadcast_to(np.float32(1), (50, 40)),
    "read-only": np.frombuffer(bytes(80), "i8"),
    "cube": np.asfortranarray(np.arange(2000).reshape(10, 20, 10)),
    "large": np.arange(50_000.0),
    "struct": np.array([(1, 2.5, "x"), (2, 0.0, "")], ALIGNED),
    "nested": np.zeros(2, NESTED),
    "strided text": np.array(list("abcdef"))[::2],
}


def assert_same(got: Any, value: Any) -> None:
    """Compare type, dtype, shape, order and bytes."""
    assert type(got) is np.ndarray
    assert got.dtype == value.dtype
    assert got.shape == value.shape
    assert got.dtype.kind in "fcmMV" or got.tolist() == value.tolist()
    np.testing.assert_array_equal(got, value)
    assert got.flags.writeable
    if value.flags.f_contiguous:
        assert got.flags.f_contiguous
    else:
        assert got.flags.c_contiguous


@pytest.mark.parametrize("value", ARRAYS.values(), ids=ARRAYS.keys())
@pytest.mark.parametrize("feed", FEEDS)
def test_an_array_arrives(value: np.ndarray[Any, Any], feed: Feed) -> None:
    data = pack(value).join()
    assert_same(parse(data), value)
    assert_same(parse(bytearray(data)), value)
    if len(data) < 20_000:
        assert_same(read(data, feed), value)


OBJECTS: dict[str, list[Any]] = {
    "mixed": [1, "a", None, [1, [2]], (3,), {"x": 1}, 2**80, b"b"],
    "nested lists": [[1, 2], [3, 4]],
    "texts": ["a", None] * 100,
    "many texts": [f"name {at}" for at in range(20_000)],
    "few texts": ["x", "y"],
    "codes 2": [f"{at % 300}" for at in range(6000)],
    "codes 4": [f"{at % 70_000}" for at in range(280_000)],
    "surrogates": ["\ud800"] * 100,
    "empty": [],
    "long": ["é" * 300] * 3000 + [None],
}


@pytest.mark.parametrize("items", OBJECTS.values(), ids=OBJECTS.keys())
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_an_object_array_arrives_item_by_item(items: list[Any], codec: str) -> None:
    value = np.empty(len(items), object)
    for at, item in enumerate(items):
        value[at] = item
    got = carry(value, codec=codec)
    assert got.dtype == object
    assert got.tolist() == items
    assert [type(item) for item in got] == [type(item) for item in items]


def test_shapes_of_object_arrays_arrive() -> None:
    grid = np.array([["a", 1], [None, 2.5], ["c", "d"]], dtype=object)
    for value in (grid, grid.T, grid[::2], np.array(None, dtype=object), np.empty((0, 2), object)):
        got = carry(value)
        assert got.shape == value.shape
        assert got.tolist() == value.tolist()


SCALARS: list[Any] = [
    np.float64(1.5),
    np.float32("nan"),
    np.int8(-3),
    np.uint64(2**64 - 1),
    np.bool_(True),
    np.complex64(1j),
    np.str_("a\0"),
    np.str_(""),
    np.bytes_(b"a\0"),
    np.datetime64("2020-01-01T00", "h"),
    np.array([-(2**63)], "i8").view("M8")[0],
    np.timedelta64(5, "us"),
    np.longdouble(1) / 3,
    np.void(b"abc"),
    np.array([(1, 2.5, "x")], ALIGNED)[0],
]


@pytest.mark.parametrize("value", SCALARS, ids=lambda value: f"{value.dtype}")
def test_a_scalar_arrives(value: Any) -> None:
    got = carry(value)
    assert type(got) is type(value)
    assert got.dtype == value.dtype
    assert got == value or (got != got and value != value)  # noqa: PLR0124


@pytest.mark.parametrize(
    "value", [np.dtype("f8"), np.dtype(">M8[25s]"), np.dtype("U0"), ALIGNED, NESTED, np.dtype(object)], ids=str
)
def test_a_data_type_arrives(value: Any) -> None:
    got = carry(value)
    assert got == value
    assert got.isalignedstruct == value.isalignedstruct
    assert got.fields == value.fields


def test_one_array_in_two_places_stays_one() -> None:
    array, other = np.arange(3), np.arange(500)
    first, second, third, fourth = carry([array, {"a": other}, (array,), other])
    assert third[0] is first
    assert second["a"] is fourth
    odd = np.empty(2, object)
    odd[0] = odd[1] = array
    got = carry([odd, array, odd])
    assert got[0] is got[2]
    assert got[0][0] is got[0][1] is got[1]


def test_padding_does_not_carry_memory_away() -> None:
    secret = np.frombuffer(
        b"\xaa" * 24 * 200, np.dtype({"names": ["a"], "formats": ["i1"], "offsets": [3], "itemsize": 24})
    )
    assert pack(secret).join().count(b"\xaa") == 200
    long = np.frombuffer(b"\xbb" * 16 * 200, np.longdouble)
    assert pack(long).join().count(b"\xbb") == 200 * 10
    assert pack(np.frombuffer(b"\xbb" * 64, np.clongdouble)).join().count(b"\xbb") == 40


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(1, [("a", object)]),
        np.array([object()]),
        np.array([len], dtype=object),
    ],
    ids=["object field", "object", "function"],
)
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(EncodeError):
        pack(value)


def test_an_array_over_the_limit_is_refused_before_it_is_copied() -> None:
    with pytest.raises(EncodeError, match="more than 4294967296"):
        pack(np.broadcast_to(1.0, (10**6, 10**6)))
    with pytest.raises(EncodeError, match="more than 268435456"):
        pack_arguments((np.broadcast_to(1.0, (10**5, 10**4)),), {})


def test_objects_are_no_arguments() -> None:
    value = np.array(["a", 1], dtype=object)
    data = pack_arguments((value,), {}).join()
    with pytest.raises(DecodeError, match="object array is not accepted"):
        parse_arguments(data)
    with pytest.raises(EncodeError, match="object cannot travel in arguments"):
        pack_arguments((np.dtype(object),), {})


def message(number: int, *payload: Any, buffers: tuple[bytes, ...] = ()) -> bytes:
    """Make a message of one tag and some buffers."""
    return container(msgpack.packb([msgpack.ExtType(1, bytes([number])), *payload]), *buffers)


TEXTS = [
    "O",
    "|O",
    "|O8",
    "f8,O",
    "(3,)O",
    "object",
    "f8",
    "=f8",
    "<f3",
    "<i8,<i8",
    "V",
    "|V9999999999",
    "<M8[ns",
    "<M8[1e9s]",
    "<U-1",
    "p",
    "",
    "<f16",
    "<f16:ld112",
    "|T16",
    "int64",
    "record",
    "<M8[s/3]",
    "<f8 ",
    "|b2",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_data_type_off_the_table_is_refused(text: str) -> None:
    for data in (message(tag.ARRAY, text, [1], "C", bytes(8)), message(tag.NUMPY_SCALAR, text, bytes(8))):
        with pytest.raises((DecodeError, TooLargeError)):
            parse(data, table=REQUEST_TABLE)
    structure = {"names": ["a"], "formats": [text], "offsets": [0], "titles": [None], "itemsize": 16, "align": False}
    with pytest.raises((DecodeError, TooLargeError)):
        parse(message(tag.ARRAY, structure, [0], "C", b""))
    with pytest.raises((DecodeError, TooLargeError)):
        parse(message(tag.NUMPY_DTYPE, [text, [2]]), table=REQUEST_TABLE)


STRUCTURES: dict[str, Any] = {
    "missing": {"names": ["a"]},
    "order": {"formats": ["<i4"], "names": ["a"], "offsets": [0], "titles": [None], "itemsize": 4, "align": False},
    "offset": {"names": ["a"], "formats": ["<i4"], "offsets": [2], "titles": [None], "itemsize": 4, "align": False},
    "below": {"names": ["a"], "formats": ["<i4"], "offsets": [-1], "titles": [None], "itemsize": 4, "align": False},
    "size": {"names": ["a"], "formats": ["<i4"], "offsets": [0], "titles": [None], "itemsize": 2**40, "align": False},
    "twice": {
        "names": ["a", "a"],
        "formats": ["<i4"] * 2,
        "offsets": [0, 4],
        "titles": [None] * 2,
        "itemsize": 8,
        "align": False,
    },
    "counts": {
        "names": ["a", "b"],
        "formats": ["<i4"],
        "offsets": [0, 4],
        "titles": [None] * 2,
        "itemsize": 8,
        "align": False,
    },
    "align": {"names": ["a"], "formats": ["<i4"], "offsets": [0], "titles": [None], "itemsize": 4, "align": 1},
    "name": {"names": [1], "formats": ["<i4"], "offsets": [0], "titles": [None], "itemsize": 4, "align": False},
    "fields": {
        "names": [f"f{at}" for at in range(1025)],
        "formats": ["|i1"] * 1025,
        "offsets": [0] * 1025,
        "titles": [None] * 1025,
        "itemsize": 1,
        "align": False,
    },
    "list": ["<i4"],
    "sizes": ["<i4", [-1]],
    "huge": ["<i4", [2**31, 2**31]],
    "text sizes": ["<i4", ["a"]],
    "number": 5,
    "none": None,
}


@pytest.mark.parametrize("node", STRUCTURES.values(), ids=STRUCTURES.keys())
def test_a_structure_that_cannot_be_is_refused(node: Any) -> None:
    with pytest.raises((DecodeError, TooLargeError)):
        parse(message(tag.NUMPY_DTYPE, node))
    deep: Any = "<i4"
    for _ in range(40):
        deep = [deep, [1]]
    with pytest.raises(DecodeError, match="nested too deep"):
        parse(message(tag.NUMPY_DTYPE, deep))


SHAPES: dict[str, tuple[Any, ...]] = {
    "long": ("<f8", [2], "C", bytes(8)),
    "short": ("<f8", [1], "C", bytes(16)),
    "overflow": ("<f8", [2**32, 2**32], "C", b""),
    "below": ("<f8", [-1], "C", b""),
    "order": ("<f8", [1], "A", bytes(8)),
    "float": ("<f8", [1.0], "C", bytes(8)),
    "dims": ("|i1", [1] * 65, "C", b"x"),
    "elements": ("|V0", [2**31 + 1], "C", b""),
    "free": ("|S0", [2**25], "C", b""),
    "zero": ("<f8", [0, 2**62, 2**62], "C", b""),
    "bool": ("|b1", [1], "C", b"\x02"),
    "point": ("<U1", [1], "C", b"\xff\xff\xff\x7f"),
    "point big": (">U1", [1], "C", b"\x7f\xff\xff\xff"),
    "no buffer": ("<f8", [1], "C", 1),
    "text": ("<f8", [1], "C", "12345678"),
    "arity": ("<f8", [1], "C"),
    "more": ("<f8", [1], "C", bytes(8), 1),
    "shape": ("<f8", 1, "C", bytes(8)),
}


@pytest.mark.parametrize("parts", SHAPES.values(), ids=SHAPES.keys())
def test_an_array_that_cannot_be_is_refused(parts: tuple[Any, ...]) -> None:
    with pytest.raises((DecodeError, TooLargeError)):
        parse(message(tag.ARRAY, *parts))


ITEMS: dict[str, tuple[Any, ...]] = {
    "few": ([3], "list", [1, 2]),
    "many": ([1], "list", [1, 2]),
    "kind": ([1], "pickle", b"x"),
    "code": ([2], "dict", ["a"], 1, b"\0\1"),
    "width": ([1], "dict", ["a"], 8, bytes(8)),
    "width 3": ([1], "dict", ["a"], 3, bytes(3)),
    "length": ([2], "dict", ["a"], 2, bytes(2)),
    "uniques": ([1], "dict", [1], 1, b"\0"),
    "none there": ([1], "dict", [], 1, b"\0"),
    "text": ([2], "text", msgpack.packb(["a", 1])),
    "inner": ([2], "text", msgpack.packb([[], []])),
    "one inner": ([1], "text", msgpack.packb([["a"]])),
    "map": ([1], "text", msgpack.packb([{}])),
    "bin": ([1], "text", msgpack.packb([b"a"])),
    "ext": ([1], "text", b"\x91\xd4\x01\x01"),
    "tail": ([1], "text", b"\x91\xa1a\x00"),
    "not a list": ([1], "text", b"\xa1a"),
    "bomb": ([2**24 + 1], "list", []),
    "time": ([1], "text", msgpack.packb([msgpack.Timestamp(0)])),
}


@pytest.mark.parametrize("parts", ITEMS.values(), ids=ITEMS.keys())
def test_items_that_cannot_be_are_refused(parts: tuple[Any, ...]) -> None:
    with pytest.raises((DecodeError, TooLargeError)):
        parse(message(tag.OBJECT_ARRAY, *parts))


def test_a_file_mapped_into_memory_arrives_as_an_array(tmp_path: Path) -> None:
    mapped: Any = np.memmap(tmp_path / "prices", np.float64, "w+", shape=(2, 3))
    mapped[:] = 1.5
    first, second = carry([mapped, mapped])
    assert type(first) is np.ndarray
    assert first is second
    assert first.tolist() == mapped.tolist()
