"""Tell whether two values are the same to the last bit: type, dtype, order, names, frequency, sign of zero."""

from __future__ import annotations

import struct
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
    for kinds, compare in _COMPARISONS:
        if isinstance(expected, kinds):
            compare(got, expected)
            return
    assert got is expected or got == expected


def _is_named_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _compare_record(got: Any, expected: Any) -> None:
    """Compare a result with names; its own class stays on the server, a record stands for it."""
    assert isinstance(got, tuple)
    for name, value in expected._asdict().items():
        assert_same(getattr(got, name), value)
    assert_same(list(got), list(expected))


def _compare_array(got: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    assert got.dtype == expected.dtype
    assert got.dtype.str == expected.dtype.str
    assert got.shape == expected.shape
    if expected.dtype.hasobject:
        assert_same(got.tolist(), expected.tolist())
        return
    if expected.flags.c_contiguous or expected.flags.f_contiguous:
        assert got.flags.c_contiguous == expected.flags.c_contiguous
        assert got.flags.f_contiguous == expected.flags.f_contiguous
    assert got.tobytes() == expected.tobytes()
    assert got.flags.writeable
    assert got.flags.aligned


def _compare_numpy_scalar(got: np.generic, expected: np.generic) -> None:
    assert got.dtype == expected.dtype
    assert got.tobytes() == expected.tobytes()


def _compare_frame(got: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert_frame_equal(
        got,
        expected,
        check_exact=True,
        check_freq=True,
        check_index_type=True,
        check_column_type=True,
        check_flags=True,
    )
    _compare_index(got.index, expected.index)
    _compare_index(got.columns, expected.columns)
    assert list(got.dtypes) == list(expected.dtypes)
    assert got.attrs == expected.attrs


def _compare_series(got: pd.Series[Any], expected: pd.Series[Any]) -> None:
    assert_series_equal(got, expected, check_exact=True, check_freq=True, check_index_type=True, check_flags=True)
    _compare_index(got.index, expected.index)
    assert type(got.name) is type(expected.name)


def _compare_index(got: pd.Index[Any], expected: pd.Index[Any]) -> None:
    assert type(got) is type(expected)
    assert_index_equal(got, expected, exact=True, check_exact=True)
    assert got.names == expected.names
    if not isinstance(expected, pd.MultiIndex):
        assert got.dtype == expected.dtype
    assert getattr(got, "freq", None) == getattr(expected, "freq", None)


def _compare_array_of_pandas(got: Any, expected: Any) -> None:
    assert_extension_array_equal(got, expected, check_exact=True)


def _compare_decimal(got: Decimal, expected: Decimal) -> None:
    assert got.as_tuple() == expected.as_tuple()  # NaN is not equal to itself, and a signalling one does not compare


def _compare_float(got: float, expected: float) -> None:
    assert struct.pack("<d", got) == struct.pack("<d", expected)


def _compare_complex(got: complex, expected: complex) -> None:
    _compare_float(got.real, expected.real)
    _compare_float(got.imag, expected.imag)


def _compare_sequence(got: Any, expected: Any) -> None:
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert_same(one, other)


def _compare_dict(got: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert_same(list(got), list(expected))
    for one, other in zip(got.values(), expected.values(), strict=True):
        assert_same(one, other)


_COMPARISONS: list[tuple[Any, Any]] = [
    (np.ndarray, _compare_array),
    (np.generic, _compare_numpy_scalar),
    (pd.DataFrame, _compare_frame),
    (pd.Series, _compare_series),
    (pd.Index, _compare_index),
    (pd.api.extensions.ExtensionArray, _compare_array_of_pandas),
    (Decimal, _compare_decimal),
    (dict, _compare_dict),
    ((list, tuple), _compare_sequence),
    (float, _compare_float),
    (complex, _compare_complex),
]
