"""Values of pandas, each with something that is easily lost."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

#: As what it is for a test: a library whose stubs do not know all that it takes.
OFFSET: Any = pd.offsets

DAYS = pd.date_range("2020-01-01", periods=5, freq="D")
FREQUENCIES = [
    "ME",
    "QE-NOV",
    "W-WED",
    "2h",
    "15min",
    "YE",
    "BME",
    "MS",
    "WOM-3FRI",
    "3s",
    "us",
    "-1D",
    "B",
    "bh",
    "SME-15",
]
OFFSETS: list[Any] = [
    pd.offsets.BusinessHour(start="10:00"),
    pd.offsets.MonthEnd(3),
    pd.offsets.Week(weekday=2, normalize=True),
    pd.offsets.CustomBusinessDay(holidays=["2020-01-02"], weekmask="Sun Mon Tue Wed Thu"),
    pd.DateOffset(months=1, days=2),
    OFFSET.FY5253Quarter(weekday=4, startingMonth=12, qtr_with_extra_week=1, variation="last"),
    pd.offsets.Easter(),
    pd.offsets.Nano(5),
]


def frames() -> dict[str, Any]:
    """Make DataFrames."""
    random = np.random.default_rng(1)
    product = pd.MultiIndex.from_product([["a", "b"], pd.date_range("2020", periods=2)], names=["k", ("t", 0)])
    nullable = {
        "i": pd.array([1, None, 3], dtype="Int64"),
        "u": pd.array([1, 2, 3], dtype="UInt8"),
        "f": pd.array([1.5, None, 2], dtype="Float32"),
        "b": pd.array([True, None, False], dtype="boolean"),
        "s": pd.array(["a", None, "c"], dtype="string"),
    }
    mixed = {
        "s": ["a", "b", None, "d", "e"],
        "f": random.random(5),
        "i": np.arange(5),
        "g": random.random(5),
        "b": [True] * 5,
        "t": DAYS,
    }
    objects = [
        1,
        "a",
        None,
        np.nan,
        pd.NA,
        pd.NaT,
        dt.date(2020, 1, 1),
        Decimal(1),
        [1, 2],
        (3,),
        2**80,
        True,
        1.5,
        b"x",
    ]
    made = {
        "float": pd.DataFrame(random.random((5, 3)), columns=list("abc")),
        "mixed": pd.DataFrame(mixed),
        "panel": pd.DataFrame(random.random((3, 400))),
        "wide rows": pd.DataFrame(random.random((3000, 2)), index=np.arange(3000) * 2),
        "freq": pd.DataFrame({"x": range(5)}, index=DAYS),
        "zone": pd.DataFrame(
            {"x": range(5)}, index=pd.date_range("2020-01-01", periods=5, freq="h", tz="Asia/Shanghai", name="when")
        ),
        "object": pd.DataFrame({"o": pd.Series(objects, dtype=object)}),
        "duplicates": pd.DataFrame(np.arange(6).reshape(2, 3), columns=["a", "a", "b"]),
        "bool columns": pd.DataFrame(np.arange(4).reshape(2, 2), columns=[True, False]),
        "empty": pd.DataFrame(),
        "no columns": pd.DataFrame(index=DAYS),
        "odd columns": pd.DataFrame(
            {0: [1], ("t", 1): [2], dt.date(2020, 1, 1): ["x"], None: [2.5], pd.Timestamp("2020"): [3]}
        ),
        "no rows": pd.DataFrame(
            {"a": pd.Series([], dtype="f8"), "b": pd.Series([], dtype=object), "c": pd.Series([], dtype="M8[ns]")}
        ),
        "multi": pd.DataFrame({"x": range(4)}, index=product),
        "unused levels": pd.DataFrame({"x": range(4)}, index=product).iloc[:1],
        "multi columns": pd.DataFrame(
            np.arange(4.0).reshape(2, 2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
        ),
        "nullable": pd.DataFrame(nullable),
        "category": pd.DataFrame(
            {"c": pd.Categorical(["a", "b", None, "a"], categories=["b", "a", "z"], ordered=True)}
        ),
        "period": pd.DataFrame(
            {"p": pd.period_range("2020-01", periods=3, freq="M")},
            index=pd.period_range("2020-01", periods=3, freq="2h"),
        ),
        "timedelta": pd.DataFrame(
            {"t": pd.to_timedelta([1, 2, None], unit="s")}, index=pd.timedelta_range("1D", periods=3, freq="h")
        ),
        "zones": pd.DataFrame(
            {
                "t": pd.date_range("2020", periods=3, tz="America/New_York"),
                "u": pd.date_range("2020", periods=3, tz="UTC"),
            }
        ),
        "interleaved": pd.DataFrame({"a": [1.0], "b": [1], "c": [2.0], "d": ["x"], "e": [3]}),
        "sliced": pd.DataFrame(random.random((10, 4))).iloc[::2, 1:],
        "flag": pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
        "attrs": pd.DataFrame({"a": [1]}),
        "category columns": pd.DataFrame([[1, 2]], columns=pd.CategoricalIndex(["x", "y"], name="c")),
        "complex": pd.DataFrame({"c": [1j, 2]}),
        "interval columns": pd.DataFrame([[1, 2]], columns=pd.interval_range(0, 2)),
        "big-endian": pd.DataFrame(np.arange(4, dtype=">f8").reshape(2, 2)),
    }
    made["attrs"].attrs = {"day": dt.date(2020, 1, 1), "pair": (1, 2)}
    for unit in ("s", "ms", "us", "ns"):
        times = np.array(["2020-01-01", "NaT"], dtype=f"M8[{unit}]")
        made[f"unit {unit}"] = pd.DataFrame({"t": times}, index=pd.DatetimeIndex(times))
    return made


def series() -> dict[str, Any]:
    """Make Series."""
    made = {
        "business days": pd.Series(range(5), index=pd.bdate_range("2020-01-01", periods=5)),
        "texts": pd.Series(["a", "b", None] * 50, dtype=object, name="n"),
        "many texts": pd.Series([f"s{at}" for at in range(20_000)], dtype=object),
        "string": pd.Series([f"x{at}" for at in range(3000)] + [None], dtype="string"),
        "python string": pd.Series(["a", None, "c"], dtype=pd.StringDtype("python")),
        "no string": pd.Series([], dtype="string"),
        "empty": pd.Series([], dtype=object),
        "category": pd.Series(pd.Categorical([3, 1, 2]), index=pd.CategoricalIndex(list("abc"), name="ci")),
        "name nan": pd.Series([1], name=np.nan),
        "interval": pd.Series(
            pd.interval_range(0, 3), index=pd.interval_range(pd.Timestamp("2020"), periods=3, closed="both")
        ),
        "name time": pd.Series([1], name=pd.Timestamp("2020")),
        "name pair": pd.Series([1], name=("a", 1)),
        "nan category": pd.Series(pd.Categorical([None, None])),
        "sliced string": pd.Series(["aa", "b", None, "cc", ""] * 9, dtype="string").iloc[3:40],
        "inferred": pd.Series(["中文", None] * 40),
    }
    for text in ("i1", "u2", "f4", "c8", "c16", "f2", "u8", "?", "m8[s]"):
        made[f"dtype {text}"] = pd.Series(np.arange(3).astype(text))
    for number, offset in enumerate(OFFSETS[3:5]):
        made[f"freq {number}"] = pd.Series(range(3), index=pd.date_range("2020-01-01", periods=3, freq=offset))
    return made


def indexes() -> dict[str, Any]:
    """Make Indexes and bare extension arrays."""
    made: dict[str, Any] = {text: pd.date_range("2020-01-01", periods=4, freq=text) for text in FREQUENCIES}
    made |= {
        "range": pd.RangeIndex(5, 50, 3, name=0),
        "pairs": pd.Index([(1, 2), (3,)], tupleize_cols=False, dtype=object),
        "mixed": pd.Index([1, "a", None], dtype=object),
        "nullable": pd.Index(pd.array([1, None], dtype="Int64")),
        "bool": pd.Index([True, False]),
        "one level": pd.MultiIndex.from_arrays([[1, 2]], names=[0]),
        "no index": pd.Index([], dtype=object),
        "int8": pd.Index(np.arange(3, dtype="i1")),
        "array": pd.array([1, None], dtype="Int8"),
        "datetimes": pd.array(pd.date_range("2020", periods=2)),
        "period": pd.period_range("2020Q1", periods=3, freq="Q-NOV", name="q"),
        "sorted": pd.MultiIndex.from_arrays([[1, 1, 2], ["a", "b", "a"]]).sortlevel()[0],
        "missing": pd.MultiIndex.from_arrays([[1, None], ["a", "b"]]),
    }
    return made


def scalars() -> list[Any]:
    """Make scalars, frequencies and data types."""
    dtypes = ["Int64", "boolean", "category", "period[M]", "interval[int64, right]", "datetime64[ns, UTC]", "string"]
    return [
        pd.Timestamp("2020-01-01 12:00", tz="Asia/Shanghai"),
        pd.Timestamp("2020-01-01").as_unit("s"),
        pd.Timestamp("2020-11-01 06:30", tz="UTC").tz_convert("US/Eastern"),
        pd.Timedelta("1 days 2us"),
        pd.Timedelta(-5, "ns"),
        pd.Period("2020-01", "M"),
        pd.Period("2020-01-01 05:00", "2h"),
        pd.Interval(1, 2, "both"),
        pd.Interval(pd.Timestamp("2020"), pd.Timestamp("2021")),
        pd.NaT,
        pd.NA,
        *OFFSETS,
        *(pd.api.types.pandas_dtype(text) for text in dtypes),
        pd.CategoricalDtype(["b", "a"], ordered=True),
    ]
