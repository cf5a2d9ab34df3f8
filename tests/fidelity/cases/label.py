"""Indexes of pandas, alone and as labels."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tests.fidelity.case import Row
from tests.fidelity.cases.time import EAST, OFFSETS


def labels(*items: Any, name: Any = None) -> Any:
    """Make an Index of objects, whatever pandas would take."""
    return pd.Index(np.fromiter(items, dtype=object, count=len(items)), dtype=object, name=name, tupleize_cols=False)


def days(count: int = 4, freq: Any = None, *, unit: str = "ns", zone: Any = None, name: Any = None) -> Any:
    """Make a DatetimeIndex from 2024-01-01 on by a frequency (days), of a unit."""
    step = OFFSETS.Day() if freq is None else freq
    made: Any = pd.date_range("2024-01-01", periods=count, freq=step, name=name)
    if hasattr(made, "as_unit"):
        made = made.as_unit(unit)
    if zone is not None:
        made = made.tz_localize("UTC").tz_convert(zone)
    made.freq = step
    return made


def _spans(count: int = 3, freq: Any = None) -> Any:
    made: Any = pd.timedelta_range("1D", periods=count, freq=freq)
    return made.as_unit("ns") if hasattr(made, "as_unit") else made


def _freq(make: Any) -> Any:
    return lambda: days(freq=make())


def _ints(text: str) -> Any:
    return lambda: pd.Index(np.arange(3).astype(text), name="n")


def _product() -> Any:
    return pd.MultiIndex.from_product([labels("a", "b"), days(2)], names=["k", ("t", 0)])


FREQUENCIES: dict[str, Any] = {
    "2h": lambda: OFFSETS.Hour(2),
    "15min": lambda: OFFSETS.Minute(15),
    "3s": lambda: OFFSETS.Second(3),
    "us": OFFSETS.Micro,
    "-1D": lambda: OFFSETS.Day(-1),
    "B": OFFSETS.BusinessDay,
    "ME": OFFSETS.MonthEnd,
    "MS": OFFSETS.MonthBegin,
    "QE-NOV": lambda: OFFSETS.QuarterEnd(startingMonth=11),
    "YE": OFFSETS.YearEnd,
    "BME": OFFSETS.BMonthEnd,
    "W-WED": lambda: OFFSETS.Week(weekday=2),
    "WOM-3FRI": lambda: OFFSETS.WeekOfMonth(week=2, weekday=4),
    "bh": OFFSETS.BusinessHour,
    "SME-15": OFFSETS.SemiMonthEnd,
    "custom": lambda: OFFSETS.CustomBusinessDay(holidays=["2024-01-02"]),
    "months and days": lambda: pd.DateOffset(months=1, days=2),
}

ROWS = [
    Row(
        "`pandas.RangeIndex`",
        "request",
        {
            "range": lambda: pd.RangeIndex(3),
            "named range": lambda: pd.RangeIndex(5, 50, 3, name=0),
            "range down": lambda: pd.RangeIndex(5, -5, -2, name=("a", 1)),
            "no range": lambda: pd.RangeIndex(0),
        },
    ),
    Row(
        "`pandas.Index` of numbers",
        "request",
        {f"index {text}": _ints(text) for text in ("i8", "u8", "f8")},
    ),
    Row(
        "`pandas.Index` of smaller numbers, truth, complex",
        "request",
        {f"index {text}": _ints(text) for text in ("i1", "i2", "i4", "u1", "u2", "u4", "f4", "?", "c16")},
        needs="pandas>=2",
    ),
    Row(
        "`pandas.Index` of objects",
        "request",
        {
            "texts": lambda: labels("b", "a", "a", name="k"),
            "mixed": lambda: labels(1, "a", None, 2.5),
            "pairs": lambda: labels((1, 2), (3,)),
            "dates": lambda: labels(dt.date(2024, 1, 2), dt.date(2024, 1, 3), name="day"),
            "truth as objects": lambda: labels(True, False),
            "missing": lambda: labels("a", None, float("nan"), pd.NaT, pd.NA),
            "no labels": lambda: labels(name="none"),
            "name of a tuple": lambda: labels("a", name=("x", 1)),
            "name of a date": lambda: labels("a", name=dt.date(2024, 1, 1)),
            "name nan": lambda: labels("a", name=float("nan")),
        },
    ),
    Row(
        "`pandas.DatetimeIndex`, with frequency and zone",
        "request",
        {
            "days": lambda: days(name="day"),
            "no frequency": lambda: pd.DatetimeIndex(np.array(["2024-01-02", "NaT"], "<M8[ns]")),
            "shanghai": lambda: days(zone=ZoneInfo("Asia/Shanghai"), freq=OFFSETS.Hour(), name="when"),
            "new york": lambda: days(200, zone=ZoneInfo("America/New_York"), freq=OFFSETS.Hour(12)),
            "utc": lambda: days(zone="UTC"),
            "fixed": lambda: days(zone=EAST),
            "duplicates": lambda: pd.DatetimeIndex(np.array(["2024-01-02"] * 3, "<M8[ns]")),
            "no days": lambda: days(0),
            **{f"freq {text}": _freq(make) for text, make in FREQUENCIES.items()},
        },
    ),
    Row(
        "`pandas.DatetimeIndex` of another unit than ns",
        "request",
        {
            "days in s": lambda: days(unit="s"),
            "days in ms": lambda: days(unit="ms", zone="UTC"),
            "days in us": lambda: days(unit="us", freq=OFFSETS.BusinessDay()),
        },
        needs="pandas>=2",
    ),
    Row(
        "`pandas.TimedeltaIndex`",
        "request",
        {
            "spans": lambda: _spans(freq=OFFSETS.Hour(6)),
            "spans of no frequency": lambda: pd.TimedeltaIndex(np.array([1, -5, -(2**63)], "<m8[ns]"), name="t"),
        },
    ),
    Row(
        "`pandas.PeriodIndex`",
        "request",
        {
            "months": lambda: pd.period_range("2024-01", periods=3, freq="M", name="month"),
            "quarters": lambda: pd.period_range("2024Q1", periods=3, freq="Q-NOV"),
            "period with nat": lambda: pd.PeriodIndex(["2024-01", None], freq="M"),
        },
    ),
    Row(
        "`pandas.CategoricalIndex`",
        "request",
        {
            "categories": lambda: pd.CategoricalIndex(
                pd.Categorical.from_codes([0, 1, -1], labels("b", "a", "z"), ordered=True), name="c"
            ),
            "categories of ints": lambda: pd.CategoricalIndex(
                pd.Categorical.from_codes([0, 0, 1], pd.Index(np.array([3, 5])))
            ),
        },
    ),
    Row(
        "`pandas.IntervalIndex`",
        "request",
        {
            "intervals": lambda: pd.IntervalIndex.from_arrays(np.arange(3), np.arange(1, 4), closed="left", name="i"),
            "float intervals": lambda: pd.IntervalIndex.from_breaks(np.array([0.0, 0.5, 1.5]), closed="both"),
            "time intervals": lambda: pd.IntervalIndex.from_breaks(days(3)),
        },
    ),
    Row(
        "`pandas.MultiIndex`",
        "request",
        {
            "product": _product,
            "unused levels": lambda: _product()[:1],
            "one level": lambda: pd.MultiIndex.from_arrays([np.array([1, 2])], names=[0]),
            "missing codes": lambda: pd.MultiIndex(
                levels=[pd.Index(np.array([1.5, 2.5])), labels("a", "b")], codes=[[0, -1], [1, 0]]
            ),
            "sorted": lambda: pd.MultiIndex.from_arrays([np.array([1, 1, 2]), labels("a", "b", "a")]).sortlevel()[0],
            "same names": lambda: pd.MultiIndex.from_arrays([np.array([1]), np.array([2])], names=["a", "a"]),
            "three levels": lambda: pd.MultiIndex.from_product(
                [labels("x", "y"), pd.period_range("2024-01", periods=2, freq="M"), np.array([0.5, 1.5])]
            ),
            "no rows of two levels": lambda: _product()[:0],
        },
    ),
    Row(
        "`pandas.Index` of nullable values",
        "request",
        {
            "index Int64": lambda: pd.Index(pd.array([1, None], dtype="Int64"), name="n"),
            "index boolean": lambda: pd.Index(pd.array([True, None], dtype="boolean")),
            "index string": lambda: pd.Index(pd.array(["a", None], dtype=pd.StringDtype("python"))),
        },
        needs="pandas>=2",
    ),
    Row(
        "`pandas.Index` of `str`",
        "request",
        {"index str": lambda: pd.Index(["b", "a"], dtype="str", name="k")},
        needs="pandas>=3",
    ),
]
