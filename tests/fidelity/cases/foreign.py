"""Values of other libraries, and columns of pandas that lean on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tests.fidelity.case import Row
from tests.fidelity.cases.label import days


def _pa() -> Any:
    import pyarrow

    return pyarrow


def _pl() -> Any:
    import polars

    return polars


def _scipy(kind: str) -> Any:
    from scipy import sparse

    return getattr(sparse, kind)


def _array(items: list[Any], kind: str | None = None, *args: Any) -> Any:
    pa = _pa()
    return pa.array(items, None if kind is None else getattr(pa, kind)(*args))


def _arrow_column(items: list[Any], make: Any) -> Any:
    return pd.array(items, dtype=pd.ArrowDtype(make(_pa())))  # type: ignore[call-overload]


def _table() -> Any:
    pa = _pa()
    return pa.table(
        {
            "code": pa.array(["000001.SZ", None], pa.string()),
            "close": pa.array([9.21, None]),
            "day": pa.array([days(2)[0].to_pydatetime(), None], pa.timestamp("us", "Asia/Shanghai")),
            "kind": pa.array(["a", "a"]).dictionary_encode(),
        }
    ).replace_schema_metadata({"source": "here"})


def _chunks() -> Any:
    pa = _pa()
    return pa.chunked_array([[1, 2], [], [None]], type=pa.int16())


def _frame() -> Any:
    pl = _pl()
    return pl.DataFrame(
        {
            "i": pl.Series([1, None], dtype=pl.UInt8),
            "t": ["行情", None],
            "l": [[1, 2], None],
            "c": pl.Series(["x", "y"], dtype=pl.Categorical),
            "e": pl.Series(["b", None], dtype=pl.Enum(["a", "b"])),
            "d": pl.Series([days(2)[0].to_pydatetime(), None], dtype=pl.Datetime("us", "Asia/Shanghai")),
        }
    )


def _grid(dtype: str = "<f8") -> np.ndarray[Any, Any]:
    return np.array([[0, 1.5, 0], [2, 0, 0]]).astype(dtype)


def _matrix(kind: str) -> Any:
    return lambda: _scipy(kind)(_grid())


def _told(value: Any) -> Any:
    """Return what can be compared of a value of another library."""
    if isinstance(value, list):
        return [_told(item) for item in value]
    kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__qualname__}"
    if kind.startswith("polars"):
        types = value.schema if hasattr(value, "schema") else {value.name: value.dtype}
        return [kind, repr(types), value.rows() if hasattr(value, "rows") else value.to_list()]
    if kind.startswith("pyarrow"):
        return [kind, *_told_arrow(value)]
    if kind.startswith("scipy"):
        return [kind, value.format, str(value.dtype), value.shape, value.toarray()]
    return value


def _told_arrow(value: Any) -> list[Any]:
    schema = getattr(value, "schema", None)
    if schema is not None:
        return [str(schema), schema.metadata, value.to_pylist()]
    shape = [len(chunk) for chunk in getattr(value, "chunks", [])]
    if hasattr(value, "to_pylist"):
        return [str(value.type), value.to_pylist(), shape]
    if hasattr(value, "as_py"):
        return [str(value.type), value.as_py()]
    return [str(value), getattr(value, "metadata", None)]


class Quotes(pd.DataFrame):
    """Be a frame of a library's own class."""


class Prices(pd.Series):
    """Be a series of a library's own class."""


def _as_base(value: Any) -> Any:
    made: Any = pd.DataFrame(value) if isinstance(value, pd.DataFrame) else pd.Series(value)
    made.attrs = value.attrs
    return made


def _quotes() -> Any:
    made = Quotes(np.arange(4.0).reshape(2, 2))
    made.attrs = {"source": "tushare"}
    return made


MATRICES = [
    f"{form}_{kind}" for form in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil") for kind in ("array", "matrix")
]
ARROW = "cannot travel in arguments"

ROWS = [
    Row(
        "subclasses of `DataFrame` and `Series`",
        "request",
        {"quotes": _quotes, "prices": lambda: Prices(np.arange(3.0), name="p")},
        stand_in=_as_base,
        argument=_as_base,
    ),
    Row(
        "sparse columns of pandas",
        "request",
        {
            "sparse floats": lambda: pd.arrays.SparseArray([0, 0, 1.5, np.nan], fill_value=0.0),
            "sparse of nan": lambda: pd.arrays.SparseArray(np.array([np.nan, 1, np.nan])),
            "sparse blocks": lambda: pd.arrays.SparseArray(np.array([np.nan, 1, 2]), kind="block"),
            "sparse ints": lambda: pd.arrays.SparseArray(np.array([0, 0, 7]), fill_value=0),
            "sparse truth": lambda: pd.Series(pd.arrays.SparseArray(np.array([True, False]))),
            "type sparse": lambda: pd.SparseDtype("f8", 0.0),
        },
    ),
    Row(
        "`NumpyExtensionArray`",
        "request",
        {"numpy column": lambda: pd.arrays.NumpyExtensionArray(np.arange(3.0))},
        needs="pandas>=2",
    ),
    Row(
        "`ArrowDtype` of text",
        "request",
        {
            "arrow text": lambda: _arrow_column(["a", None, "行情"], lambda pa: pa.string()),
            "arrow large text": lambda: pd.Series(_arrow_column(["a"] * 50, lambda pa: pa.large_string())),
        },
        needs="pandas>=2 pyarrow",
    ),
    Row(
        "`ArrowDtype` of anything else",
        "result",
        {
            "arrow ints": lambda: _arrow_column([1, None], lambda pa: pa.int64()),
            "arrow decimals": lambda: pd.Series(_arrow_column([None, None], lambda pa: pa.decimal128(10, 2))),
            "arrow lists": lambda: _arrow_column([[1, 2], None], lambda pa: pa.list_(pa.int8())),
            "arrow structures": lambda: _arrow_column([{"a": 1}, None], lambda pa: pa.struct([("a", pa.int32())])),
            "arrow times": lambda: pd.DataFrame({0: _arrow_column([0, None], lambda pa: pa.timestamp("ms", "UTC"))}),
            "type arrow": lambda: pd.ArrowDtype(_pa().date32()),
        },
        needs="pandas>=2 pyarrow",
        refusal=ARROW,
    ),
    Row(
        "pyarrow: `Table`, `RecordBatch`, `Array`, `ChunkedArray`, `Scalar`, `Schema`, `Field`, `DataType`",
        "result",
        {
            "arrow table": _table,
            "arrow batch": lambda: _table().to_batches()[0],
            "arrow schema": lambda: _table().schema,
            "arrow array": lambda: _array([1, None, 3], "int32"),
            "arrow array of texts": lambda: _array(["a", None, "行情"]),
            "arrow array of lists": lambda: _array([[1], None, []]),
            "arrow slice": lambda: _array(list(range(100)), "int8")[3:50],
            "arrow nulls": lambda: _array([None, None]),
            "arrow chunks": _chunks,
            "arrow scalar": lambda: _pa().scalar(5, _pa().uint8()),
            "arrow field": lambda: _pa().field("x", _pa().float32(), nullable=False, metadata={"k": "v"}),
            "arrow type": lambda: _pa().list_(_pa().decimal128(10, 2)),
        },
        needs="pyarrow",
        facts=_told,
        refusal=ARROW,
    ),
    Row(
        "polars: `DataFrame`, `Series`",
        "result",
        {
            "polars frame": _frame,
            "polars series": lambda: _pl().Series("s", [1.5, None], dtype=_pl().Float32),
            "polars nothing": lambda: _pl().DataFrame(),
            "polars in a list": lambda: [_pl().Series("a", ["x"])],
        },
        needs="polars pyarrow",
        facts=_told,
        refusal=ARROW,
    ),
    Row(
        "polars: `LazyFrame`",
        "result",
        {"polars lazy frame": lambda: _pl().DataFrame({"a": [1, 2]}).lazy()},
        stand_in=lambda value: value.collect(),
        needs="polars pyarrow",
        facts=_told,
        refusal=ARROW,
    ),
    Row(
        "sparse matrices and arrays of scipy",
        "any",
        {f"scipy {kind}": _matrix(kind) for kind in MATRICES},
        needs="scipy",
        facts=_told,
    ),
]
