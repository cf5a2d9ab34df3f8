"""Tell whether two values are the same to the last bit: type, dtype, order, names, frequency, sign of zero."""

from __future__ import annotations

import collections
import struct
from datetime import datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from pandas.testing import assert_extension_array_equal, assert_frame_equal, assert_index_equal, assert_series_equal


def assert_same(got: Any, expected: Any) -> None:
    """Compare two values of any type that travels.

    Raises:
        AssertionError: They differ; the text says where.
    """
    __tracebackhide__ = True
    if _is_named_tuple(expected):
        _compare_record(got, expected)
        return
    assert type(got) is type(expected), f"{type(got)} is not {type(expected)}"
    if type(expected).__module__.startswith("polars."):
        _compare_polars(got, expected)
        return
    for kinds, compare in _COMPARISONS:
        if isinstance(expected, kinds):
            compare(got, expected)
            return
    assert got is expected or got == expected, f"{got!r} is not {expected!r}"


def _compare_polars(got: Any, expected: Any) -> None:
    for one, other in zip(*(list(x) if hasattr(x, "columns") else [x] for x in (got, expected)), strict=True):
        assert (one.name, one.dtype) == (other.name, other.dtype)
        assert one.equals(other, null_equal=True)


def _is_named_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _compare_record(got: Any, expected: Any) -> None:
    """Compare a result with names; its own class stays on the server, a record stands for it."""
    assert isinstance(got, tuple)
    for name in {**dict.fromkeys(expected._fields), **getattr(expected, "__dict__", {})}:
        if not name.startswith("_"):
            assert_same(getattr(got, name), getattr(expected, name))
    assert_same(list(got), list(expected))


def _compare_array(got: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    _compare_dtype(got.dtype, expected.dtype)
    assert got.shape == expected.shape
    if expected.dtype.hasobject:
        assert_same(got.tolist(), expected.tolist())
        return
    if expected.flags.c_contiguous or expected.flags.f_contiguous:
        assert got.flags.c_contiguous == expected.flags.c_contiguous
        assert got.flags.f_contiguous == expected.flags.f_contiguous
    assert _bits(got) == _bits(expected)
    assert got.flags.writeable
    assert got.flags.aligned


def _compare_masked(got: Any, expected: Any) -> None:
    if expected is np.ma.masked:
        assert got is expected
        return
    _compare_array(np.asarray(got.data), np.asarray(expected.data))
    assert (got.mask is np.ma.nomask) == (expected.mask is np.ma.nomask)
    assert_same(np.array(got.mask), np.array(expected.mask))
    assert_same(np.array(got.fill_value), np.array(expected.fill_value))
    assert got.hardmask == expected.hardmask


def _bits(array: Any) -> Any:
    """Give the memory that means something: no padding of long doubles, no gaps between fields."""
    if array.dtype.names is not None:
        return [_bits(array[name]) for name in array.dtype.names]
    if array.dtype.type in (np.longdouble, np.clongdouble):
        return [repr(item) for item in array.ravel()]
    return array.tobytes()


def _compare_dtype(got: np.dtype[Any], expected: np.dtype[Any]) -> None:
    assert got == expected, f"{got!r} is not {expected!r}"
    assert got.str == expected.str
    assert repr(got) == repr(expected)  # titles, offsets and alignment too


def _compare_numpy_scalar(got: np.generic, expected: np.generic) -> None:
    _compare_array(np.array(got), np.array(expected))


def _compare_frame(got: pd.DataFrame, expected: pd.DataFrame) -> None:
    _compare_index(got.index, expected.index)
    _compare_index(got.columns, expected.columns)
    assert_frame_equal(
        got,
        expected,
        check_exact=True,
        check_freq=True,
        check_index_type=True,
        check_column_type=True,
        check_flags=True,
    )
    assert list(got.dtypes) == list(expected.dtypes)
    assert_same(got.attrs, expected.attrs)
    if expected.shape[1] and len(set(map(str, expected.dtypes))) == 1 and expected.dtypes.iloc[0].kind != "O":
        _compare_objects(got, expected, expected.dtypes.iloc[0])
        return
    for position in range(expected.shape[1]):
        _compare_objects(got.iloc[:, position], expected.iloc[:, position], expected.dtypes.iloc[position])


def _compare_series(got: pd.Series[Any], expected: pd.Series[Any]) -> None:
    assert_series_equal(got, expected, check_exact=True, check_freq=True, check_index_type=True, check_flags=True)
    _compare_index(got.index, expected.index)
    assert_same(got.name, expected.name)
    assert_same(got.attrs, expected.attrs)
    _compare_objects(got, expected, expected.dtype)


def _compare_objects(got: Any, expected: Any, dtype: Any) -> None:
    """Compare what pandas takes for equal though it is not: None and NaN, 1 and True, -0.0 and 0.0."""
    if dtype.kind == "O" and isinstance(dtype, np.dtype):
        assert_same(list(got), list(expected))
    elif isinstance(dtype, np.dtype) and dtype.kind in "fc":
        assert np.asarray(got).tobytes() == np.asarray(expected).tobytes()


def _compare_index(got: pd.Index[Any], expected: pd.Index[Any]) -> None:
    assert type(got) is type(expected), f"{type(got)} is not {type(expected)}"
    freq = getattr(got, "freq", None)
    assert freq == getattr(expected, "freq", None), f"{freq} is not {getattr(expected, 'freq', None)}"
    assert_index_equal(got, expected, exact=True, check_exact=True, check_names=False)
    assert_same(list(got.names), list(expected.names))
    if isinstance(expected, pd.MultiIndex) and isinstance(got, pd.MultiIndex):
        _compare_levels(got, expected)
        return
    assert got.dtype == expected.dtype
    _compare_objects(got, expected, expected.dtype)


def _compare_levels(got: Any, expected: Any) -> None:
    for one, other in zip(got.levels, expected.levels, strict=True):
        _compare_index(one, other)
    for one, other in zip(got.codes, expected.codes, strict=True):
        assert_same(np.array(one), np.array(other))
    assert got.sortorder == expected.sortorder


def _compare_array_of_pandas(got: Any, expected: Any) -> None:
    assert_extension_array_equal(got, expected, check_exact=True)


def _compare_pandas_dtype(got: Any, expected: Any) -> None:
    assert got == expected
    assert repr(got) == repr(expected)


def _compare_pandas_scalar(got: Any, expected: Any) -> None:
    assert got is expected or got == expected, f"{got!r} is not {expected!r}"
    assert getattr(got, "unit", None) == getattr(expected, "unit", None)
    assert repr(got) == repr(expected)


def _compare_decimal(got: Decimal, expected: Decimal) -> None:
    assert got.as_tuple() == expected.as_tuple()  # NaN is not equal to itself, and a signalling one does not compare


def _compare_float(got: float, expected: float) -> None:
    assert struct.pack("<d", got) == struct.pack("<d", expected)


def _compare_complex(got: complex, expected: complex) -> None:
    _compare_float(got.real, expected.real)
    _compare_float(got.imag, expected.imag)


def _compare_time(got: Any, expected: Any) -> None:
    assert repr(got) == repr(expected)
    assert got.fold == expected.fold


def _compare_sequence(got: Any, expected: Any) -> None:
    assert len(got) == len(expected), f"{got!r} is not {expected!r}"
    if _PLAIN.issuperset(map(type, expected)):
        assert list(map(type, got)) == list(map(type, expected))
        assert got == expected
        return
    for one, other in zip(got, expected, strict=True):
        assert_same(one, other)


#: Types whose values are the same if they are equal and of the same type.
_PLAIN = frozenset({str, bytes, int, bool, type(None)})


def _compare_deque(got: Any, expected: Any) -> None:
    assert got.maxlen == expected.maxlen
    assert_same(list(got), list(expected))


def _compare_set(got: Any, expected: Any) -> None:
    assert got == expected
    assert sorted(map(_kind, got)) == sorted(map(_kind, expected))


def _kind(item: Any) -> str:
    return f"{type(item)} {item!r}"


def _compare_dict(got: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert_same(list(got), list(expected))
    if isinstance(expected, collections.defaultdict) and isinstance(got, collections.defaultdict):
        assert got.default_factory is expected.default_factory
    for key, one, other in zip(expected, got.values(), expected.values(), strict=True):
        try:
            assert_same(one, other)
        except AssertionError as error:
            raise AssertionError(f"[{key!r}]: {error}") from error


def _compare_view(got: memoryview, expected: memoryview) -> None:
    assert (got.format, got.shape) == (expected.format, expected.shape)
    assert got.tobytes() == expected.tobytes()


_COMPARISONS: list[tuple[Any, Any]] = [
    (np.ma.MaskedArray, _compare_masked),
    (np.ndarray, _compare_array),
    (np.generic, _compare_numpy_scalar),
    (np.dtype, _compare_dtype),
    (pd.DataFrame, _compare_frame),
    (pd.Series, _compare_series),
    (pd.Index, _compare_index),
    (pd.api.extensions.ExtensionArray, _compare_array_of_pandas),
    (pd.api.extensions.ExtensionDtype, _compare_pandas_dtype),
    ((pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval, type(pd.NaT)), _compare_pandas_scalar),
    (Decimal, _compare_decimal),
    ((datetime, time), _compare_time),
    (dict, _compare_dict),
    (collections.deque, _compare_deque),
    ((set, frozenset), _compare_set),
    ((list, tuple), _compare_sequence),
    (float, _compare_float),
    (complex, _compare_complex),
    (memoryview, _compare_view),
    (pd.tseries.offsets.BaseOffset, _compare_pandas_scalar),
]
