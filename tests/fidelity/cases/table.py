"""Series and DataFrames of pandas."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tests.fidelity.case import Row
from tests.fidelity.cases.label import days, labels
from tests.fidelity.cases.time import OFFSETS, stamp


def frame(columns: dict[Any, Any], index: Any = None, names: Any = None) -> pd.DataFrame:
    """Make a frame column by column; labels are objects, whatever pandas would take."""
    made = pd.DataFrame(dict(enumerate(columns.values())), index=index)
    made.columns = labels(*columns) if names is None else names
    return made


def _grid(rows: int, columns: int, *, dtype: str = "<f8") -> np.ndarray[Any, Any]:
    return np.arange(rows * columns).reshape(rows, columns).astype(dtype)


def _objects(*items: Any) -> pd.Series[Any]:
    return pd.Series(np.fromiter(items, dtype=object, count=len(items)), dtype=object)


def _bars() -> pd.DataFrame:
    return frame(
        {
            "code": _objects("600000.SH", "600000.SH", "000001.SZ", None),
            "day": days(4).to_numpy(),
            "close": np.array([6.65, 6.62, 9.21, np.nan]),
            "volume": np.array([27_811_000, 25_642_100, 115_936_600, 73_361_000]),
            "open": np.array([1.5, -0.0, np.inf, -np.inf]),
            "halted": np.array([False, True, False, False]),
        }
    )


def _told(**attrs: Any) -> pd.DataFrame:
    made: Any = frame({"a": np.arange(2)})
    made.attrs = attrs
    return made  # type: ignore[no-any-return]


def _told_series() -> pd.Series[Any]:
    made = pd.Series(np.arange(2), name="s")
    made.attrs = {"unit": "CNY", 1: [2]}
    return made


def _product() -> Any:
    return pd.MultiIndex.from_product([labels("a", "b"), days(2)], names=["k", ("t", 0)])


def _series(text: str) -> Any:
    return lambda: pd.Series(np.array([0, 1, 1]).astype(text), name=text)


MIXED = (1, "a", None, np.nan, pd.NA, pd.NaT, dt.date(2024, 1, 1), Decimal("1.0"), (3,), True, 1.5, b"x", np.int8(3))
TYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16", "?"]

SERIES = [
    Row(
        "`pandas.Series`",
        "request",
        {
            **{f"series {text}": _series(text) for text in TYPES},
            "business days": lambda: pd.Series(np.arange(4.0), index=days(freq=OFFSETS.BusinessDay()), name="close"),
            "texts": lambda: pd.Series(_objects("a", "b", None), name="n"),
            "mixed": lambda: _objects(*MIXED),
            "empty": lambda: pd.Series(np.array([], dtype="<f4")),
            "empty of objects": _objects,
            "name nan": lambda: pd.Series(np.arange(1), name=np.nan),
            "name of a time": lambda: pd.Series(np.arange(1), name=stamp("2024-01-01")),
            "name of a tuple": lambda: pd.Series(np.arange(1), name=("a", 1)),
            "name zero": lambda: pd.Series(np.arange(1), name=0),
            "attrs": _told_series,
            "no duplicate labels": lambda: pd.Series(np.arange(2)).set_flags(allows_duplicate_labels=False),
            "by pairs": lambda: pd.Series(np.arange(4), index=_product()),
            "times": lambda: pd.Series(np.array(["2024-01-02", "NaT"], "<M8[ns]")),
            "spans": lambda: pd.Series(np.array([1, -(2**63)], "<m8[ns]")),
        },
    ),
    Row(
        "`pandas.Series` of another unit than ns",
        "request",
        {
            "times s": lambda: pd.Series(np.array(["2024-01-02", "NaT"], "<M8[s]")),
            "spans ms": lambda: pd.Series(np.array([1, -(2**63)], "<m8[ms]")),
        },
        needs="pandas>=2",
    ),
]
FRAMES = [
    Row(
        "`pandas.DataFrame`",
        "request",
        {
            "bars": _bars,
            "250 x 4": lambda: pd.DataFrame(_grid(250, 4), index=days(250), columns=labels(*"ohlc")),
            "one block": lambda: pd.DataFrame(_grid(5, 3), columns=labels(*"abc")),
            "fortran block": lambda: pd.DataFrame(np.asfortranarray(_grid(5, 3)), columns=labels(*"abc")),
            "interleaved": lambda: frame(
                {"a": np.array([1.0]), "b": np.array([1]), "c": np.array([2.0]), "d": _objects("x"), "e": np.array([3])}
            ),
            "all numbers": lambda: frame({text: np.array([0, 1]).astype(text) for text in TYPES}),
            "wide": lambda: pd.DataFrame(_grid(3, 400)),
            "long": lambda: pd.DataFrame(_grid(3000, 2)),
            "sliced": lambda: pd.DataFrame(_grid(10, 4)).iloc[::2, 1:],
            "no rows": lambda: _bars().head(0),
            "empty": lambda: pd.DataFrame(index=pd.RangeIndex(0), columns=pd.RangeIndex(0)),
            "no columns": lambda: pd.DataFrame(index=days(), columns=labels()),
            "one cell": lambda: pd.DataFrame(_grid(1, 1)),
            "mixed objects": lambda: frame({"o": _objects(*MIXED)}),
            "nested objects": lambda: frame({"o": _objects([1, (2,)], {"a": {3}}, frozenset({4}), b"")}),
            "repeated texts": lambda: frame({"c": _objects(*["SH", "SZ", None] * 100)}),
            "many texts": lambda: frame({"c": _objects(*[f"{at:030d}" for at in range(3000)])}),
        },
    ),
    Row(
        "`pandas.DataFrame` with any labels",
        "request",
        {
            "duplicate names": lambda: pd.DataFrame(_grid(2, 3, dtype="<i8"), columns=labels("a", "a", "b")),
            "names of ints": lambda: pd.DataFrame(_grid(2, 2), columns=pd.Index(np.array([10, 20]))),
            "names of truth": lambda: pd.DataFrame(_grid(2, 2), columns=labels(True, False)),
            "odd names": lambda: pd.DataFrame(
                _grid(1, 5), columns=labels(0, ("t", 1), dt.date(2024, 1, 1), None, stamp("2024-01-01"))
            ),
            "names of times": lambda: pd.DataFrame(_grid(2, 4), columns=days(4)),
            "names of periods": lambda: pd.DataFrame(
                _grid(2, 2), columns=pd.period_range("2024-01", periods=2, freq="M")
            ),
            "names of intervals": lambda: pd.DataFrame(
                _grid(2, 2), columns=pd.IntervalIndex.from_breaks(np.array([0, 1, 2]))
            ),
            "names of categories": lambda: pd.DataFrame(
                _grid(1, 2), columns=pd.CategoricalIndex(pd.Categorical.from_codes([0, 1], labels("x", "y")), name="c")
            ),
            "multi rows": lambda: pd.DataFrame(_grid(4, 1), index=_product(), columns=labels("x")),
            "multi both": lambda: pd.DataFrame(_grid(4, 4), index=_product(), columns=_product()),
            "unused levels": lambda: pd.DataFrame(_grid(4, 1), index=_product(), columns=labels("x")).iloc[:1],
            "named axes": lambda: pd.DataFrame(
                _grid(2, 2), index=labels("r", "s", name="rows"), columns=labels("a", "b", name=("x", 1))
            ),
            "duplicate rows": lambda: pd.DataFrame(_grid(3, 1), index=labels("a", "a", None)),
            "zoned rows": lambda: pd.DataFrame(
                _grid(4, 1), index=days(zone=ZoneInfo("Asia/Shanghai"), freq=OFFSETS.Hour(), name="when")
            ),
        },
    ),
    Row(
        "`pandas.DataFrame` of extension columns",
        "request",
        {
            "nullable": lambda: frame(
                {
                    "i": pd.array([1, None, 3], dtype="Int64"),
                    "u": pd.array([1, 2, 3], dtype="UInt8"),
                    "f": pd.array([1.5, None, 2], dtype="Float32"),
                    "b": pd.array([True, None, False], dtype="boolean"),
                    "s": pd.array(["a", None, "c"], dtype=pd.StringDtype("python")),
                    "x": np.arange(3.0),
                }
            ),
            "category": lambda: frame(
                {"c": pd.Categorical.from_codes([1, 0, -1], labels("b", "a", "z"), ordered=True), "n": np.arange(3)}
            ),
            "periods": lambda: frame({"p": pd.period_range("2024-01", periods=3, freq="M")}),
            "zones": lambda: frame({"n": days(3, zone=ZoneInfo("America/New_York")), "u": days(3, zone="UTC")}),
            "times": lambda: frame({"t": days(2).to_numpy(), "d": np.array([1, -(2**63)], "<m8[ns]")}),
            "intervals": lambda: frame({"i": pd.arrays.IntervalArray.from_breaks(np.array([0, 1, 2]))}),
        },
    ),
    Row(
        "`attrs` and flags of pandas",
        "request",
        {
            "told": lambda: _told(source="tushare", day=dt.date(2024, 1, 1), pair=(1, 2), deep={"a": [None]}),
            "told frames": lambda: _told(other=pd.DataFrame(_grid(1, 1))),
            "no duplicates allowed": lambda: frame({"a": np.arange(2)}).set_flags(allows_duplicate_labels=False),
        },
    ),
    Row(
        "tables in containers",
        "request",
        {
            "dict of frames": lambda: {f"{at:06d}.SZ": _bars() for at in range(4)},
            "frame and series": lambda: (_bars(), [pd.Series(np.arange(2))], None),
            "one frame twice": lambda: [pd.DataFrame(_grid(2, 2))] * 2,
        },
    ),
    Row(
        "`pandas.DataFrame` with a big integer",
        "any",
        {"big integer": lambda: frame({"o": _objects(2**80, 1)})},
    ),
]
