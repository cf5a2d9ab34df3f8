"""Dates, times, zones; and those of pandas: timestamps, periods, intervals, frequencies."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from tests.fidelity.case import Row

OFFSETS: Any = pd.offsets  # as what it is: the stubs do not know all that it takes


def _pytz(name: str) -> Any:
    import pytz  # type: ignore[import-untyped]

    return pytz.timezone(name)


def _pytz_fixed(minutes: int) -> Any:
    import pytz

    return pytz.FixedOffset(minutes)


def _dateutil(name: str) -> Any:
    from dateutil import tz  # type: ignore[import-untyped]

    return tz.gettz(name)


def stamp(text: str, unit: str = "ns", zone: Any = None) -> Any:
    """Make a Timestamp of a unit, whatever pandas takes when nobody says one."""
    made: Any = pd.Timestamp(text)
    if hasattr(made, "as_unit"):
        made = made.as_unit(unit)
    return made if zone is None else made.tz_localize(zone)


SHANGHAI = ZoneInfo("Asia/Shanghai")
EAST = dt.timezone(dt.timedelta(hours=8), "CST")

ROWS = [
    Row("`date`", "request", {"leap day": lambda: dt.date(2024, 2, 29), "first day": lambda: dt.date(1, 1, 1)}),
    Row(
        "`time`",
        "request",
        {
            "time": lambda: dt.time(23, 59, 59, 999_999),
            "time of fold": lambda: dt.time(1, 30, fold=1),
            "time with zone": lambda: dt.time(9, 30, tzinfo=SHANGHAI),
        },
    ),
    Row(
        "`datetime`",
        "request",
        {
            "naive": lambda: dt.datetime(2024, 1, 31, 9, 30),
            "microsecond": lambda: dt.datetime(2024, 1, 31, 9, 30, 0, 1),
            "last datetime": lambda: dt.datetime(9999, 12, 31, 23, 59, 59, 999_999),
            "fold": lambda: dt.datetime(2024, 11, 3, 1, 30, fold=1, tzinfo=ZoneInfo("America/New_York")),
            "utc": lambda: dt.datetime(2024, 1, 2, 9, 30, tzinfo=dt.timezone.utc),  # noqa: UP017
            "shanghai": lambda: dt.datetime(2024, 1, 2, 9, 30, tzinfo=SHANGHAI),
            "fixed and named": lambda: dt.datetime(2024, 1, 2, 9, 30, tzinfo=EAST),
            "odd offset": lambda: dt.datetime(2024, 1, 2, tzinfo=dt.timezone(dt.timedelta(seconds=-3661))),
        },
    ),
    Row(
        "`timedelta`",
        "request",
        {
            "timedelta": lambda: dt.timedelta(days=-1, microseconds=7),
            "longest timedelta": lambda: dt.timedelta.max,
            "shortest timedelta": lambda: dt.timedelta.min,
        },
    ),
    Row(
        "`timezone`, `ZoneInfo`",
        "request",
        {"zone utc": lambda: dt.timezone.utc, "zone east": lambda: EAST, "zone": lambda: SHANGHAI},  # noqa: UP017
    ),
    Row(
        "zones of pytz",
        "request",
        {
            "pytz": lambda: _pytz("Asia/Shanghai"),
            "pytz datetime": lambda: _pytz("America/New_York").localize(dt.datetime(2024, 7, 1)),
            "pytz fixed": lambda: _pytz_fixed(330),
        },
        needs="pytz",
    ),
    Row(
        "zones of dateutil",
        "result",
        {"dateutil": lambda: _dateutil("America/New_York")},
        needs="python-dateutil",
        refusal="a time zone of class dateutil",
    ),
    Row(
        "`pandas.Timestamp`",
        "request",
        {
            "timestamp": lambda: stamp("2024-01-31 09:30:00.123456789"),
            "timestamp in a zone": lambda: stamp("2024-01-31 09:30", zone=SHANGHAI),
            "timestamp in utc": lambda: stamp("2024-01-31", zone="UTC"),
            "timestamp before 1970": lambda: stamp("1900-01-01"),
            "timestamp at fixed": lambda: stamp("2024-01-31 09:30", zone=EAST),
            "timestamp of fold": lambda: stamp("2024-11-03 06:30", zone="UTC").tz_convert(ZoneInfo("America/New_York")),
        },
    ),
    Row(
        "`pandas.Timestamp` of another unit than ns",
        "request",
        {
            "timestamp s": lambda: stamp("2024-01-31", "s"),
            "timestamp ms": lambda: stamp("2024-01-31 00:00:00.001", "ms"),
            "timestamp us": lambda: stamp("2024-01-31", "us", SHANGHAI),
            "timestamp far away": lambda: stamp("9000-01-01", "s"),
        },
        needs="pandas>=2",
    ),
    Row(
        "`pandas.Timedelta`",
        "request",
        {
            "pandas timedelta": lambda: pd.Timedelta(93_784_000_005, "ns"),
            "negative pandas timedelta": lambda: pd.Timedelta(-5, "ns"),
        },
    ),
    Row(
        "`pandas.Timedelta` of another unit than ns",
        "request",
        {
            "pandas timedelta s": lambda: pd.Timedelta(5, "s").as_unit("s"),
            "pandas timedelta ms": lambda: pd.Timedelta(-5, "ms").as_unit("ms"),
        },
        needs="pandas>=2",
    ),
    Row(
        "`pandas.Period`",
        "request",
        {
            "month": lambda: pd.Period("2024-01", "M"),
            "quarter": lambda: pd.Period("2024Q3", "Q-NOV"),
            "week": lambda: pd.Period("2024-01-31", "W-WED"),
            "day": lambda: pd.Period("2024-01-31", "D"),
        },
    ),
    Row(
        "`pandas.Period` of hours",
        "request",
        {"two hours": lambda: pd.Period("2024-01-31 04:00", "2h")},
        needs="pandas>=2",
    ),
    Row(
        "`pandas.Interval`",
        "request",
        {
            "interval of ints": lambda: pd.Interval(1, 2, "both"),
            "interval of floats": lambda: pd.Interval(0.5, 1.5, "neither"),
            "interval of times": lambda: pd.Interval(stamp("2024-01-01"), stamp("2024-01-02"), "left"),
        },
    ),
    Row(
        "frequencies of pandas",
        "request",
        {
            "offset 2h": lambda: OFFSETS.Hour(2),
            "offset 3 business days": lambda: OFFSETS.BusinessDay(3),
            "offset month end": OFFSETS.MonthEnd,
            "offset quarter": lambda: OFFSETS.QuarterEnd(startingMonth=2),
            "offset year": OFFSETS.YearEnd,
            "offset business month": lambda: OFFSETS.BMonthEnd(2),
            "offset minus a day": lambda: OFFSETS.Day(-1),
            "offset week": lambda: OFFSETS.Week(weekday=2, normalize=True),
            "offset third friday": lambda: OFFSETS.WeekOfMonth(week=2, weekday=4),
            "offset business hour": lambda: OFFSETS.BusinessHour(start="10:00"),
            "offset custom": lambda: OFFSETS.CustomBusinessDay(holidays=["2024-01-02"], weekmask="Sun Mon Tue"),
            "offset date": lambda: pd.DateOffset(months=1, days=2),
            "offset easter": OFFSETS.Easter,
            "offset nanos": lambda: OFFSETS.Nano(5),
            "offset fiscal": lambda: OFFSETS.FY5253Quarter(
                weekday=4, startingMonth=12, qtr_with_extra_week=1, variation="last"
            ),
        },
    ),
]
