"""What does not change a value does not change its canonical form; what does, does."""

from __future__ import annotations

import ipaddress
import struct
import subprocess
import sys
import textwrap
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from time import perf_counter
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgpack
import numpy as np
import pandas as pd
import pytest

from ksrpc import wire
from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.canonical import encode_form, encode_value, read_arguments
from ksrpc.wire.encoder import encode
from ksrpc.wire.message import pack_buffers
from ksrpc.wire.tag import TAGS
from tests.unit.wire.carry import container


class Pair(NamedTuple):
    """Be a tuple of a class that the other side does not have."""

    a: int
    b: int


def form(*args: Any, **kwargs: Any) -> bytes:
    """Return the canonical form of some arguments in one piece."""
    return _join(wire.pack_arguments(args, kwargs).join())


def built(node: Any, *buffers: bytes) -> bytes:
    """Return the canonical form of one argument whose head is laid out by hand."""
    return _join(container(msgpack.packb([[node], {}]), *buffers))


def marked(number: int, *parts: Any) -> list[Any]:
    """Make a tagged array."""
    return [msgpack.ExtType(1, bytes([number])), *parts]


def _join(data: bytes) -> bytes:
    forms = read_arguments(data)
    assert forms is not None
    return encode_form(forms)


def test_types_are_kept_apart() -> None:
    alike: list[Any] = [1, 1.0, "1", True, b"1", bytearray(b"1"), 1 + 0j, [1], (1,), {1}, frozenset([1]), {"1": 1}]
    alike += [{1: 1}, np.array(1), np.array([1]), np.array([1.0]), np.int8(1), np.float32(1), np.uint64(1), range(1)]
    alike += [pd.Series([1]), pd.Index([1]), pd.DataFrame([1]), pd.RangeIndex(1, 2), None, "", 0, False, -0.0, 0.0]
    assert len({form(value) for value in alike}) == len(alike)


@pytest.mark.parametrize(
    ("scalar", "plain"),
    [
        (np.int64(5), 5),
        (np.float64(5.5), 5.5),
        (np.float64("nan"), float("nan")),
        (np.bool_(True), True),
        (np.str_("ä"), "ä"),
        (np.str_("x" * 70_000), "x" * 70_000),
        (np.bytes_(b"a"), b"a"),
        (np.complex128(1j), 1j),
    ],
    ids=str,
)
def test_scalars_of_numpy_that_are_pythons_own(scalar: Any, plain: Any) -> None:
    assert form(scalar) == form(plain)
    assert form([scalar], a={"b": scalar}) == form([plain], a={"b": plain})


@pytest.mark.parametrize("size", [0, 10, 1024, 1025, 4000, 4096, 4097, 65_536, 65_537, 300_000])
def test_where_texts_and_bytes_stand_does_not_count(size: int) -> None:
    text, data = "x" * size, b"x" * size
    assert form(text) == built(text) == built(marked(tag.TEXT, data)) == form(text, **{}) != form(data)
    assert form(data) == built(data) == built(marked(tag.BYTES, data))
    assert form({text: 1}) == built(marked(tag.MAP, text, 1)) == built(marked(tag.MAP, marked(tag.TEXT, data), 1))
    assert form(text, np.int8(1)) != form(text + "x", np.int8(1))
    if size:
        assert built(marked(tag.TEXT, 1), data) == form(text)
        assert built(marked(tag.BYTEARRAY, 1), data) == form(bytearray(data)) != form(data)


def test_a_plain_value_is_the_same_beside_one_that_is_not() -> None:
    plain = [{"b": 1, "a": [None, 2.5, "ü" * 1500]}, "y" * 3900, 2**64 - 1, b"z" * 200]
    for value in plain:
        alone, beside = (read_arguments(wire.pack_arguments(args, {}).join()) for args in ((value,), (value, (1,))))
        assert alone is not None
        assert beside is not None
        assert encode_form(alone[0][0]) == encode_form(beside[0][0])


def test_numbers_however_they_are_sent() -> None:
    assert built(1.5) == _join(container(b"\x92\x91\xca" + struct.pack(">f", 1.5) + b"\x80"))
    assert built(7) == _join(container(b"\x92\x91\xcf" + (7).to_bytes(8) + b"\x80"))
    assert built(7) == built(marked(tag.BIGINT, (7).to_bytes(9, "little")))
    assert form(2**70) == built(marked(tag.BIGINT, (2**70).to_bytes(20, "little"))) != form(2**71)
    quiet, other = (container(b"\x92\x91\xcb" + bits + b"\x80") for bits in (b"\x7f\xf8" + bytes(6), b"\xff\xf8" * 4))
    assert _join(quiet) == _join(other) == form(np.float64("nan"))
    assert form(float("inf")) != form(float("-inf"))


def test_a_timestamp_of_messagepack_is_a_datetime() -> None:
    moment = datetime(2024, 1, 31, 9, 30, 0, 5, UTC)
    assert form(moment) == built(msgpack.Timestamp.from_datetime(moment)) != form(moment.replace(tzinfo=None))


def test_order_counts_where_it_counts() -> None:
    assert form({"a": 1, "b": (2,)}) == form({"b": (2,), "a": 1}) != form({"a": (2,), "b": 1})
    assert form({1: 1, "b": 2}) == form({"b": 2, 1: 1})
    assert built(marked(tag.SET, 1, "a")) == built(marked(tag.SET, "a", 1)) != built(marked(tag.FROZENSET, "a", 1))
    assert built(marked(tag.ORDERED_DICT, 1, 2, 3, 4)) != built(marked(tag.ORDERED_DICT, 3, 4, 1, 2))
    assert built(marked(tag.COUNTER, 1, 2, 3, 4)) == built(marked(tag.COUNTER, 3, 4, 1, 2)) != form({1: 2, 3: 4})
    assert form([1, 2]) != form([2, 1])


def test_arrays_however_they_lie() -> None:
    for shape in [(300, 200), (2, 150_000), (3, 2, 70_001), (7,), (), (0, 3)]:
        array = np.asarray(np.random.default_rng(1).random(shape))
        flipped = np.flip(array.copy("F")).copy("F")
        assert form(array) == form(array.copy("F")) == form(np.asarray(np.flip(flipped)))
        assert form(array, (array,)) == form(array.copy(), (array.copy("F"),))
        if array.size > 1:
            changed = array.copy()
            changed.flat[-1] += 1
            assert form(array) != form(changed)
            assert form(array) != form(array.reshape(-1, 1))
    assert form(np.zeros(3, "<i8")) != form(np.zeros(3, ">i8"))
    assert form(np.zeros(3, "M8[s]")) != form(np.zeros(3, "M8[ms]"))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "c8", "c16"])
def test_every_nan_is_one(dtype: str) -> None:
    array = np.zeros(200_000, dtype)
    array[[5, -1]] = np.nan
    other = array.copy()
    other.view(np.uint8)[5 * array.itemsize + (1 if dtype == ">f8" else array.real.itemsize - 2)] |= 0x0F
    assert array.tobytes() != other.tobytes()
    assert form(array) == form(other) != form(np.zeros(200_000, dtype))
    assert form(-np.zeros(3, dtype)) != form(np.zeros(3, dtype))


def test_compression_and_the_place_of_memory_do_not_count() -> None:
    array = np.arange(12_000)
    frame = pd.DataFrame({"a": array, "b": ["x", "y"] * 6_000})
    for value in (array, frame):
        buffers = encode([[value], {}], root="", table=wire.REQUEST_TABLE)
        for codec in wire.CODECS:
            assert _join(pack_buffers(buffers, codec=codec).join()) == form(value)
    small = np.arange(3)
    assert form(small) == built(marked(tag.ARRAY, "<i8", [3], "C", 1), small.tobytes())


def _frame(*blocks: Any, index: int = 3, names: Any = ("a", "b", "c")) -> bytes:
    columns = marked(tag.INDEX, [len(names), "list", list(names)], None, None)
    return built(marked(tag.FRAME, marked(tag.RANGE_INDEX, 0, index, 1, None), columns, list(blocks), None, True))


def _block(array: np.ndarray[Any, Any], order: str = "C") -> list[Any]:
    return marked(tag.ARRAY, array.dtype.str, list(array.shape), order, array.tobytes(order))  # type: ignore[arg-type]


def test_how_a_frame_is_cut_does_not_count() -> None:
    data = np.arange(9.0).reshape(3, 3)
    whole = _frame([None, _block(data)])
    assert whole == form(pd.DataFrame(data, columns=pd.Index(["a", "b", "c"], dtype=object)))
    assert whole == _frame([0, _block(data, "F")]) == _frame([[2, 0, 1], _block(data[:, [2, 0, 1]])])
    assert whole == _frame([2, _block(data[:, 2])], [0, _block(data[:, :2])])
    assert whole != _frame([[1, 0, 2], _block(data)])
    assert whole != _frame([None, _block(data)], names=("a", "c", "b"))
    assert whole != _frame([None, _block(data.astype("i8"))])
    assert whole != _frame([0, _block(data[:, :2])], [2, _block(data[:, 2].astype("f4"))])


@pytest.mark.parametrize("places", [[[0, 0, 1]], [0, 1]])
def test_a_column_that_is_there_twice_is_refused(places: Any) -> None:
    data = np.zeros((3, 3 if len(places) == 1 else 2))
    with pytest.raises(DecodeError):
        _frame(*([place, _block(data)] for place in places))
    with pytest.raises(DecodeError):
        _frame([0, _block(data)], [1, [3, "list", [1, 2, 3]]])


def test_memory_is_hashed_once() -> None:
    with pytest.raises(DecodeError, match="two columns"):
        built(
            [_block(np.zeros((3, 3))), *[marked(tag.FRAME, None, None, [[None, marked(tag.REF, 0)]], None, True)] * 2]
        )
    with pytest.raises(TooLargeError):
        _frame([None, _block(np.zeros((0, 1 << 21)))])


def test_texts_however_they_are_told() -> None:
    items = ["a", None, "ü", ""] * 30
    text = msgpack.packb(items)
    uniques, codes = ["", "ü", None, "a"], bytes([3, 2, 1, 0] * 30)
    ways = [["list", items], ["text", text], ["dict", uniques, 1, codes]]
    assert len({built(marked(tag.SERIES, [120, *way], None, None, None, True)) for way in ways}) == 1
    data = "aü".encode() * 30
    offsets = np.cumsum([0] + [1, 0, 2, 0] * 30).astype("<i8").tobytes()
    valid = np.packbits([1, 0, 1, 1] * 30, bitorder="little").tobytes()
    told = {built(marked(tag.EXTENSION, "str", "python", "na", 120, *way)) for way in ways}
    told.add(built(marked(tag.EXTENSION, "utf8", "python", "na", 120, offsets, data, valid)))
    assert len(told) == 1
    assert form(pd.array(items, "string[python]")) in told
    assert form(pd.array(items, "string[pyarrow]")) == built(
        marked(tag.EXTENSION, "utf8", "pyarrow", "na", 120, offsets, data, valid)
    )
    long = "x" * 70_000
    assert built(marked(tag.EXTENSION, "str", "python", "na", 1, "list", [marked(tag.TEXT, 1)]), long.encode()) != (
        built(marked(tag.EXTENSION, "str", "python", "na", 1, "list", [marked(tag.TEXT, 1)]), (long + "y").encode())
    )


def test_an_unseen_text_has_no_form() -> None:
    offsets = np.array([0, 1], "<i8").tobytes()
    head = msgpack.packb([[marked(tag.EXTENSION, "utf8", "python", "na", 1, offsets, b"x", b"\0")], {}])
    assert read_arguments(container(head)) is None


def test_missing_values_of_nullable_arrays() -> None:
    full = marked(tag.EXTENSION, "mask", "Int64", _block(np.arange(3)), None)
    ones = marked(tag.EXTENSION, "mask", "Int64", _block(np.arange(3)), b"\xff")
    gap = marked(tag.EXTENSION, "mask", "Int64", _block(np.arange(3)), b"\x06")
    assert form(pd.array([0, 1, 2], "Int64")) == built(full) == built(ones) != built(gap)
    assert built(gap) == form(pd.array([None, 1, 2], "Int64"))


def test_an_object_that_comes_twice_is_like_two() -> None:
    for made in (lambda: np.arange(4), lambda: pd.DataFrame({"a": [1], "b": ["x"]}), lambda: pd.Index(["x"])):
        value = made()
        assert form(value, [value], a=value) == form(made(), [made()], a=made())
    frame = pd.DataFrame({"a": [1]}, index=pd.Index(["r"]))
    assert form(frame, frame["a"]) == form(frame.copy(deep=True), pd.Series([1], pd.Index(["r"]), name="a"))


def test_what_nests_too_deep_has_no_form() -> None:
    def nest(depth: int) -> bytes:
        return container(b"\x92" + b"\x91" * depth + marked_tuple + b"\x80")

    marked_tuple = msgpack.packb(marked(tag.TUPLE))
    assert read_arguments(nest(150)) is not None
    assert read_arguments(nest(500)) is None
    with pytest.raises(DecodeError):
        read_arguments(nest(2000))


def test_every_tag_that_arguments_may_have_has_a_form() -> None:
    from ksrpc.wire.form import FORMS

    assert {number for number, mark in TAGS.items() if mark.scope in ("request", "any")} == set(FORMS)


def test_results_only_have_no_form_as_a_default() -> None:
    assert encode_value(Pair(1, 2)) is None
    assert encode_value(object()) is None
    assert encode_value((1, 2)) is not None


@pytest.mark.parametrize("value", [[], [[], {}, 1], {"args": []}, [{}, []], None, [1, {}]])
def test_other_shapes_than_arguments_are_refused(value: Any) -> None:
    with pytest.raises(DecodeError):
        read_arguments(wire.pack(value).join())


def test_large_memory_is_not_copied() -> None:
    data = wire.pack_arguments((np.zeros(8 << 20),), {}).join()
    tracemalloc.start()
    try:
        read_arguments(data)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_frame_needs_no_pandas() -> None:
    data = wire.pack_arguments((pd.DataFrame({"a": [1], "b": ["x"], "c": pd.Categorical(["y"])}),), {}).join()
    program = textwrap.dedent(f"""
        import sys
        sys.modules["pandas"] = sys.modules["pytz"] = sys.modules["pyarrow"] = None
        from ksrpc.wire.canonical import read_arguments, encode_form
        print(encode_form(read_arguments(bytes.fromhex("{data.hex()}"))).hex())
    """)
    path = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    told = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, text=True, check=True).stdout
    assert told.strip() == _join(data).hex()


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_arguments_have_the_key_of_plain_ones_up_to_a_size(codec: str) -> None:
    for count, has_key in ((20_000, True), (40_000, False)):
        message = wire.pack_arguments((np.arange(count),), {})
        compaction = wire.open_compaction(message.segments, wire.Pace((codec,), perf_counter))
        assert compaction is not None
        found = read_arguments(b"".join(compaction))
        assert (found == read_arguments(message.join())) == has_key
        assert (found is not None) == has_key


def _masked(mask: Any = (False, True), items: tuple[float, ...] = (1.0, 2.0), **told: Any) -> Any:
    return np.ma.MaskedArray(items, mask, **told)


def _texts(*items: Any, **told: Any) -> Any:
    return np.array(items, dtype=np.dtypes.StringDType(**told))


_PAIRS = np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")])

#: Values of one line are equal to each other, and to none of another line.
LINES: list[list[Any]] = [
    [SimpleNamespace(a=1, b=[2]), SimpleNamespace(b=[2], a=1)],
    [SimpleNamespace(a=1, b=(2,))],
    [{"a": 1, "b": [2]}],
    [PurePosixPath("/a"), PurePosixPath("/a")],
    [PureWindowsPath("/a")],
    [Path("/a")],
    ["/a"],
    [ipaddress.ip_address("192.0.2.0")],
    [ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("192.0.2.0/24")],
    [ipaddress.ip_network("192.0.2.0/25")],
    [ipaddress.ip_interface("192.0.2.0/24")],
    [ipaddress.ip_address("fe80::1")],
    [ipaddress.ip_address("fe80::1%eth0")],
    [_masked(), _masked(), _masked(np.array([False, True]))],
    [_masked(items=(1.0, 3.0))],
    [_masked(mask=(False, False))],
    [_masked(mask=np.ma.nomask)],
    [_masked(fill_value=7.0)],
    [_masked(hard_mask=True)],
    [np.ma.masked],
    [np.array([1.0, 2.0])],
    [np.array([[1.0, 2.0]]).view(np.matrix), np.asfortranarray([[1.0, 2.0]]).view(np.matrix)],
    [np.array([[1.0, 2.0]])],
    [_PAIRS],
    [_PAIRS.view(np.recarray), _PAIRS.view(np.recarray)],
    [_PAIRS.view(np.recarray)[0]],
    [_texts("a", "b"), _texts("a", "b")],
    [_texts("a", "b", coerce=False)],
    [_texts("a", "b", na_object=None)],
    [_texts("a", None, na_object=None)],
    [np.array(["a", "b"], dtype=object)],
    [_texts(*["a", "b"] * 100)],
    [_texts(*["b", "a"] * 100)],
]


def test_objects_places_and_other_arrays_are_told_apart() -> None:
    forms = [{form(value) for value in line} for line in LINES]
    assert [len(line) for line in forms] == [1] * len(LINES)
    assert len(set.union(*forms)) == len(LINES)


def test_texts_are_equal_in_whatever_shape_they_travel() -> None:
    items = [f"{number:04}" for number in range(70)]
    parts = [[], True]
    listed = built(marked(tag.STRING_ARRAY, [70], *parts, "list", items))
    assert listed == form(_texts(*items))
    codes = bytes(range(70))
    assert listed == built(marked(tag.STRING_ARRAY, [70], *parts, "dict", items, 1, codes))
    assert listed == built(marked(tag.STRING_ARRAY, [70], *parts, "text", msgpack.packb(items)))
