"""Columns around arrays that are not pandas' own: sparse ones, those of Arrow, those of numpy as it is."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import msgpack
import numpy as np
import pandas as pd
import pytest

from ksrpc.errors import DecodeError, EncodeError, TooLargeError
from ksrpc.wire import REQUEST_ANY_TABLE, REQUEST_TABLE, pack, pack_arguments, parse, parse_arguments
from ksrpc.wire.tabular import arrow
from tests.unit.wire.carry import carry, container
from tests.unit.wire.tabular.test_tabular import assert_same

pa: Any = pytest.importorskip("pyarrow")
Sparse: Any = pd.arrays.SparseArray
#: As Any: the stubs do not know all that they take.
SparseDtype: Any = pd.SparseDtype
ArrowArray: Any = pd.arrays.ArrowExtensionArray

SPARSE: dict[str, Any] = {
    "float": Sparse([np.nan, 1.5, np.nan]),
    "zero": Sparse([0.0, 1.5, 0.0], fill_value=0.0),
    "block": Sparse([np.nan, 1, 2, np.nan, 4], kind="block"),
    "touching blocks": Sparse._concat_same_type([Sparse([0, 1], kind="block"), Sparse([1, 0], kind="block")]),
    "int": Sparse([0, 0, 7]),
    "another fill": Sparse([1, 2, 1, 1], fill_value=1),
    "absent fill": Sparse([1, 2, 3], fill_value=9),
    "true": Sparse([True, False], fill_value=True),
    "complex": Sparse([0j, 1j], fill_value=0j),
    "times": Sparse(np.array(["2020", "NaT"], "M8[ns]")),
    "objects": Sparse(np.array(["a", None, 1] * 30, object), dtype=SparseDtype(object, None)),
    "texts": Sparse(np.array(["a", "b", "a"] * 300, object), dtype=SparseDtype(object, "a")),
    "only fill": Sparse([0] * 5),
    "nothing": Sparse([]),
    "small type": Sparse(np.array([0, 1, 0], "i1")),
    "large": Sparse((np.arange(20_000) % 7 == 0).astype(float), fill_value=0.0),
}


def assert_same_sparse(got: Any, value: Any) -> None:
    """Compare what is stored, and where, not only what it stands for."""
    assert type(got) is type(value)
    assert got.dtype == value.dtype
    assert type(got.fill_value) is type(value.fill_value)
    assert type(got.sp_index) is type(value.sp_index)
    assert got.sp_index.equals(value.sp_index)
    np.testing.assert_array_equal(got.sp_values, value.sp_values)


@pytest.mark.parametrize("name", SPARSE)
def test_a_sparse_array_arrives(name: str) -> None:
    value = SPARSE[name]
    assert_same_sparse(carry(value), value)
    (got,), _ = parse_arguments(pack_arguments((value,), {}).join(), table=REQUEST_ANY_TABLE)
    assert_same_sparse(got, value)
    assert_same(carry(pd.DataFrame({"a": value, "b": value})), pd.DataFrame({"a": value, "b": value}))
    assert carry(value.dtype) == value.dtype


def _message(*parts: Any) -> bytes:
    return container(msgpack.packb([msgpack.ExtType(1, b"\x55"), "sparse", *parts]))


def _array(items: Any, dtype: str) -> list[Any]:
    array = np.array(items, dtype)
    return [msgpack.ExtType(1, b"\x40"), array.dtype.str, list(array.shape), "C", array.tobytes()]


TWO = _array([1.0, 2.0], "<f8")
HOSTILE: dict[str, bytes] = {
    "outside": _message(TWO, 0.0, 3, "integer", _array([0, 3], "<i4")),
    "below": _message(TWO, 0.0, 3, "integer", _array([-1, 2], "<i4")),
    "falling": _message(TWO, 0.0, 3, "integer", _array([1, 0], "<i4")),
    "twice": _message(TWO, 0.0, 3, "integer", _array([1, 1], "<i4")),
    "too few": _message(TWO, 0.0, 3, "integer", _array([1], "<i4")),
    "wide": _message(TWO, 0.0, 3, "integer", _array([0, 1], "<i8")),
    "block outside": _message(TWO, 0.0, 3, "block", _array([2], "<i4"), _array([2], "<i4")),
    "block below": _message(TWO, 0.0, 3, "block", _array([-1], "<i4"), _array([2], "<i4")),
    "blocks overlap": _message(TWO, 0.0, 3, "block", _array([0, 0], "<i4"), _array([1, 1], "<i4")),
    "block of nothing": _message(TWO, 0.0, 3, "block", _array([0, 1], "<i4"), _array([2, 0], "<i4")),
    "block overflow": _message(TWO, 0.0, 2**31 - 1, "block", _array([2**31 - 1], "<i4"), _array([2], "<i4")),
    "blocks too many": _message(TWO, 0.0, 3, "block", _array([0], "<i4"), _array([3], "<i4")),
    "no lengths": _message(TWO, 0.0, 3, "block", _array([0, 1], "<i4")),
    "length below": _message(TWO, 0.0, -1, "integer", _array([0, 1], "<i4")),
    "length of a float": _message(TWO, 0.0, 3.0, "integer", _array([0, 1], "<i4")),
    "unknown": _message(TWO, 0.0, 3, "int", _array([0, 1], "<i4")),
    "two dimensions": _message(_array([[1.0], [2.0]], "<f8"), 0.0, 3, "integer", _array([0, 1], "<i4")),
    "wrong fill": _message(TWO, [1], 3, "integer", _array([0, 1], "<i4")),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_sparse_array_that_cannot_be_is_refused(data: bytes) -> None:
    for table in (REQUEST_TABLE, REQUEST_ANY_TABLE):
        with pytest.raises((DecodeError, TooLargeError)):
            parse(data, table=table)
    with pytest.raises(DecodeError):
        parse(data)


def test_what_unfolds_is_counted_in_arguments() -> None:
    data = _message(TWO, 0.0, 2**30, "integer", _array([0, 1], "<i4"))
    assert len(parse(data)) == 2**30
    with pytest.raises(TooLargeError, match="items to unfold"):
        parse(data, table=REQUEST_TABLE)


NUMPY: dict[str, Any] = {
    "int": np.arange(3),
    "text": np.array(["a", "bc"]),
    "bytes": np.array([b"a"]),
    "objects": np.array(["a", 1, None], dtype=object),
    "days": np.array(["2020-01-01", "NaT"], "M8[D]"),
    "many": np.arange(1000.0),
}


@pytest.mark.parametrize("name", NUMPY)
def test_an_array_of_numpy_arrives(name: str) -> None:
    value = pd.arrays.NumpyExtensionArray(NUMPY[name])
    got = carry(value)
    assert type(got) is type(value)
    assert got.dtype == value.dtype
    np.testing.assert_array_equal(got.to_numpy(), value.to_numpy())
    assert carry(value.dtype) == value.dtype


ARROWS: dict[str, Any] = {
    "int8": pa.array([1, None], pa.int8()),
    "double": pa.array([1.5, None]),
    "bool": pa.array([True, None]),
    "string": pa.array(["中文", None, ""]),
    "many strings": pa.array([f"text {at}" for at in range(3000)]),
    "large string": pa.array(["a", None] * 100, pa.large_string()),
    "sliced string": pa.array(["a", "b", None, "d"] * 50)[1:150],
    "no strings": pa.array([], pa.string()),
    "decimal": pa.array([decimal.Decimal("1.5"), None]),
    "zone": pa.array([dt.datetime(2020, 1, 1)], pa.timestamp("us", "Asia/Shanghai")),
    "naive": pa.array([dt.datetime(2020, 1, 1)], pa.timestamp("ns")),
    "date": pa.array([dt.date(2020, 1, 1), None]),
    "time": pa.array([dt.time(1)]),
    "duration": pa.array([dt.timedelta(1)]),
    "binary": pa.array([b"x"]),
    "list": pa.array([[1], None]),
    "struct": pa.array([{"a": 1, "b": "x"}]),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())),
    "dictionary": pa.array(["a", "b", "a"]).dictionary_encode(),
    "null": pa.nulls(3),
    "chunks": pa.chunked_array([[1, 2], [None]]),
}


@pytest.mark.parametrize("name", ARROWS)
def test_a_column_of_arrow_arrives(name: str) -> None:
    value = ArrowArray(ARROWS[name])
    got = carry(value)
    assert type(got) is type(value)
    assert got.dtype == value.dtype
    assert got.equals(value)
    assert carry(value.dtype) == value.dtype
    series = carry(pd.Series(value, name="n"))
    assert series.dtype == value.dtype
    assert series.array.equals(value)


@pytest.mark.parametrize("name", ["int8", "string", "zone", "date", "duration"])
def test_an_index_of_arrow_stays_one(name: str) -> None:
    index = pd.Index(ArrowArray(ARROWS[name]), name="i")
    assert_same(carry(index), index)


def test_text_of_arrow_is_an_argument_and_all_else_is_not() -> None:
    for name in ("string", "many strings", "large string", "no strings"):
        value = pd.Series(ArrowArray(ARROWS[name]))
        (got,), _ = parse_arguments(pack_arguments((value,), {}).join())
        assert_same(got, value)
    column = pd.Series(ArrowArray(ARROWS["int8"]))
    values: list[Any] = [column, column.dtype]
    for value in values:
        with pytest.raises(EncodeError, match="cannot travel in arguments"):
            pack_arguments((value,), {})
        with pytest.raises(DecodeError, match="Arrow memory is not accepted in arguments"):
            parse(pack(value).join(), table=REQUEST_ANY_TABLE)


def test_text_of_arrow_needs_no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    data = [pack(pd.Series(ArrowArray(ARROWS[name]))).join() for name in ("string", "many strings")]
    monkeypatch.setattr(arrow, "has_arrow", lambda: False)
    for message, name in zip(data, ("string", "many strings"), strict=True):
        got = parse(message)
        assert got.dtype == pd.StringDtype("python")
        assert got.astype(object).where(got.notna(), None).tolist() == ARROWS[name].to_pylist()


@pytest.mark.parametrize("pair", [("string", "nan"), ("large_string", "nan"), ("string_view", "na"), (None, "na")])
def test_a_text_type_that_cannot_be_is_refused(pair: tuple[Any, Any]) -> None:
    with pytest.raises(DecodeError):
        parse(container(msgpack.packb([msgpack.ExtType(1, b"\x5d"), "str", *pair])))


class _Frame(pd.DataFrame):
    """Be a frame with something of its own, as a library has one."""

    _metadata = ["crs"]  # noqa: RUF012  # as pandas wants it

    @property
    def _constructor(self) -> Any:
        return _Frame


class _Series(pd.Series):
    """Be such a series."""

    @property
    def _constructor(self) -> Any:
        return _Series


def test_a_subclass_travels_as_what_it_is_made_of() -> None:
    frame = _Frame({"a": [1, 2], "b": ["x", None]}, index=pd.date_range("2020", periods=2))
    frame.attrs = {"unit": (1, "m")}
    plain = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.date_range("2020", periods=2))
    plain.attrs = {"unit": (1, "m")}
    assert_same(carry(frame), plain)
    one, two = carry([frame, frame])
    assert one is two
    assert_same(carry(_Series([1, 2], name="s")), pd.Series([1, 2], name="s"))
    (got,), _ = parse_arguments(pack_arguments((frame,), {}).join())
    assert_same(got, plain)


INTERVALS = pd.interval_range(0, 3)
MONTHS = pd.period_range("2020", periods=3, freq="M")
CATEGORIES: dict[str, Any] = {
    "interval": INTERVALS,
    "period": MONTHS,
    "mixed": pd.Index([1, "a", 2.5], dtype=object),
    "days": pd.date_range("2020", periods=3),
    "zone": pd.date_range("2020", periods=3, tz="Asia/Shanghai"),
    "timedelta": pd.timedelta_range("1D", periods=3),
    "nullable": pd.Index(pd.array([1, 2, 3], dtype="Int64")),
    "arrow": pd.Index(ArrowArray(pa.array([1, 2, 3]))),
    "string": pd.Index(["a", "b", "c"], dtype="string"),
}


@pytest.mark.parametrize("name", CATEGORIES)
def test_categories_of_any_kind(name: str) -> None:
    value = pd.Series(pd.Categorical.from_codes(np.array([2, -1, 0]), CATEGORIES[name], ordered=True))
    assert_same(carry(value), value)
    assert_same(carry(value).cat.categories, CATEGORIES[name])


def test_indexes_of_any_kind_on_both_axes() -> None:
    grid = np.ones((3, 3))
    both = pd.MultiIndex.from_arrays([INTERVALS, MONTHS, pd.Categorical(list("aba"))], names=["i", None, 0])
    for index, columns in ((INTERVALS, MONTHS), (MONTHS, INTERVALS), (both, both), (MONTHS, both)):
        value = pd.DataFrame(grid, index=index, columns=columns)
        assert_same(carry(value), value)
