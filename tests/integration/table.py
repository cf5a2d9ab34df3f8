"""Everyday calls of real libraries: a dotted path and its arguments. The local call says what is right."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
import pytest


class Case(NamedTuple):
    """Hold one call."""

    path: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def call_here(self) -> Any:
        """Call the library of this process; a variable gives its value."""
        target = find_here(self.path)
        return target(*self.args, **self.kwargs) if callable(target) else target


def find_here(path: str) -> Any:
    """Follow a dotted path in this process."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise AssertionError(path)


def call(path: str, *args: Any, **kwargs: Any) -> Case:
    """Write a case as the call it is."""
    return Case(path, args, kwargs)


def params(cases: list[Case]) -> list[Any]:
    """Name the cases of a table after their paths."""
    return [pytest.param(case, id=f"{number}-{case.path}") for number, case in enumerate(cases)]


GRID = np.array([[3.0, 1.5, -0.0], [np.nan, 2.5, np.inf]])
BARS = pd.DataFrame(
    {
        "code": ["600000.SH", "600000.SH", "000001.SZ", "000001.SZ"],
        "day": pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-02", "2024-01-03"]),
        "close": [6.65, 6.62, 9.21, np.nan],
        "volume": np.array([27_811_000, 25_642_100, 115_936_600, 73_361_000]),
    }
)
PRICES = pd.Series([9.19, 9.10, np.nan, 9.27], index=pd.date_range("2024-01-02", periods=4, freq="B"), name="close")

MATH = [
    call("math.pow", 2, 3),
    call("math.pi"),
    call("math.inf"),
    call("math.nan"),
    call("math.sqrt", 2),
    call("math.copysign", 0.0, -1),
    call("math.floor", -2.5),
    call("math.ceil", 1e17),
    call("math.floor", 1e40),
    call("math.trunc", -1e30),
    call("math.frexp", 3.7),
    call("math.modf", -0.0),
    call("math.gcd", 12, 18, 27),
    call("math.lcm", 4, 6),
    call("math.isqrt", 2**62),
    call("math.fsum", [0.1] * 10),
    call("math.hypot", 3, 4, 12),
    call("math.dist", [1, 2], (4, 6)),
    call("math.isclose", 1.0, 1.0 + 1e-10, rel_tol=1e-9),
    call("math.isnan", float("nan")),
    call("math.log", 8, 2),
    call("math.log1p", 1e-20),
    call("math.remainder", 5, 3),
    call("math.nextafter", 1.0, 2.0),
    call("math.ulp", 1e300),
    call("math.atan2", -0.0, -1.0),
]
PATHS = [
    call("os.path.join", "a", "b", "c.csv"),
    call("os.path.join", "a/", "/b"),
    call("os.path.split", "/data/bars/2024.csv"),
    call("os.path.splitext", "bars.tar.gz"),
    call("os.path.basename", "/data/行情.csv"),
    call("os.path.dirname", "/data/bars/2024.csv"),
    call("os.path.normpath", "a/../b/./c//d"),
    call("os.path.commonpath", ["/a/b/c", "/a/b/d"]),
    call("os.path.commonprefix", ["abc", "abd"]),
    call("os.path.isabs", "/a"),
    call("os.path.normcase", "A/b"),
    call("os.path.splitdrive", "c:/a"),
    call("os.path.sep"),
    call("os.path.altsep"),
    call("os.path.pardir"),
]
NUMPY = [
    call("numpy.arange", 10),
    call("numpy.arange", 0, 1, 0.1, dtype="float32"),
    call("numpy.linspace", 0, 1, num=5),
    call("numpy.linspace", 0, 1, 5, retstep=True),
    call("numpy.zeros", (2, 3), order="F"),
    call("numpy.ones", 4, dtype="int8"),
    call("numpy.full", (2, 2), 7),
    call("numpy.eye", 3),
    call("numpy.array", [[1, 2], [3, 4]]),
    call("numpy.array", ["a", "行情"]),
    call("numpy.array", [True, False]),
    call("numpy.asarray", GRID, order="F"),
    call("numpy.sum", GRID, axis=0),
    call("numpy.nansum", GRID),
    call("numpy.mean", GRID, axis=1),
    call("numpy.nanmean", GRID, axis=1),
    call("numpy.median", [3, 1, 2]),
    call("numpy.std", [1.0, 2.0, 4.0], ddof=1),
    call("numpy.cumsum", [1, 2, 3], dtype="int32"),
    call("numpy.percentile", [1, 2, 3, 4], [25, 75]),
    call("numpy.quantile", [1.0, 2.0], 0.3, method="linear"),
    call("numpy.sort", np.array([3, 1, 2], dtype=">i4")),
    call("numpy.argsort", [3, 1, 2], kind="stable"),
    call("numpy.unique", [3, 1, 3], return_counts=True),
    call("numpy.where", [True, False], [1, 2], [3, 4]),
    call("numpy.nonzero", [[0, 1], [2, 0]]),
    call("numpy.clip", [-1, 0.5, 2], 0, 1),
    call("numpy.round", [1.2345, 2.5], 2),
    call("numpy.diff", [1, 4, 9], n=2),
    call("numpy.interp", 2.5, [1, 2, 3], [3.0, 2.0, 0.0]),
    call("numpy.concatenate", [np.arange(3), np.arange(2)]),
    call("numpy.vstack", [[1, 2], [3, 4]]),
    call("numpy.split", np.arange(6), 3),
    call("numpy.meshgrid", [1, 2], [3, 4, 5]),
    call("numpy.transpose", np.arange(6).reshape(2, 3)),
    call("numpy.reshape", np.arange(6), (3, 2)),
    call("numpy.dot", np.arange(4.0).reshape(2, 2), [1, 2]),
    call("numpy.outer", [1, 2], [3, 4]),
    call("numpy.corrcoef", [1.0, 2, 3], [1.0, 2, 4]),
    call("numpy.histogram", [1, 2, 1], bins=3),
    call("numpy.polyfit", [0.0, 1, 2], [0.0, 1, 4], 2),
    call("numpy.isnan", GRID),
    call("numpy.log", GRID[0, :2]),
    call("numpy.sign", np.float32(-2.5)),
    call("numpy.add.reduce", [1, 2, 3]),
    call("numpy.float32", 1.1),
    call("numpy.datetime64", "2024-01-02"),
    call("numpy.busday_count", "2024-01-01", "2024-02-01"),
    call("numpy.promote_types", "int32", "float32"),
    call("numpy.pi"),
    call("numpy.linalg.inv", [[2.0, 0], [0, 4]]),
    call("numpy.linalg.norm", [3, 4]),
    call("numpy.linalg.eigh", [[2.0, 1], [1, 2]]),
    call("numpy.linalg.solve", [[3.0, 1], [1, 2]], [9, 8]),
    call("numpy.linalg.lstsq", [[0.0, 1], [1, 1], [2, 1]], [-1, 0.2, 0.9]),
    call("numpy.fft.rfft", [0.0, 1, 0, -1]),
    call("numpy.fft.fftfreq", 5),
]
PANDAS = [
    call("pandas.DataFrame", {"a": [1, 2], "b": ["x", None]}),
    call("pandas.DataFrame", [[1, 2.5], [3, 4.5]], columns=["i", "f"], index=["r", "s"]),
    call("pandas.DataFrame.from_dict", {"r": [1, 2]}, orient="index", columns=["a", "b"]),
    call("pandas.DataFrame.from_records", [(1, "a"), (2, "b")], columns=["n", "c"]),
    call("pandas.Series", [1, None, 3], name="s", dtype="Int64"),
    call("pandas.Series", [1.0, float("nan"), -0.0]),
    call("pandas.Index", ["b", "a"], name="k"),
    call("pandas.CategoricalIndex", ["a", "b", "a"]),
    call("pandas.Categorical", ["a", "b"], categories=["b", "a"], ordered=True),
    call("pandas.DatetimeIndex", ["2024-01-02", "2024-01-03"], tz="Asia/Shanghai"),
    call("pandas.TimedeltaIndex", ["1D", "2h"]),
    call("pandas.Timestamp", "2024-01-02 09:30", tz="Asia/Shanghai"),
    call("pandas.Timestamp", "2024-01-02 09:30:00.123456789"),
    call("pandas.Timedelta", "1 days 02:03:04"),
    call("pandas.date_range", "2024-01-01", periods=5, freq="B", name="day"),
    call("pandas.date_range", "2024-01-31", "2024-06-30", freq="ME"),
    call("pandas.date_range", "2024-01-01", periods=3, freq="15min", tz="Asia/Shanghai"),
    call("pandas.bdate_range", "2024-01-01", "2024-01-10"),
    call("pandas.to_datetime", ["20240102", "20240103"], format="%Y%m%d"),
    call("pandas.to_datetime", "2024-01-02"),
    call("pandas.to_datetime", pd.Series(["2024-01-02", None])),
    call("pandas.to_timedelta", [1, 2], unit="D"),
    call("pandas.to_numeric", pd.Series(["1", "2.5", "x"]), errors="coerce"),
    call("pandas.isna", BARS),
    call("pandas.factorize", pd.Series(["b", "a", "b"])),
    call("pandas.unique", pd.Series([3, 1, 3])),
    call("pandas.concat", [BARS, BARS], ignore_index=True),
    call("pandas.concat", {"one": BARS, "two": BARS}),
    call("pandas.merge", BARS, BARS[["code", "close"]], on="code", how="left", suffixes=("", "_r")),
    call("pandas.merge_asof", BARS.head(2), BARS.head(2), on="day"),
    call("pandas.melt", BARS, id_vars=["code", "day"]),
    call("pandas.pivot", BARS, index="day", columns="code", values="close"),
    call("pandas.pivot_table", BARS, index="day", columns="code", values="volume", aggfunc="sum"),
    call("pandas.crosstab", BARS["code"], BARS["volume"]),
    call("pandas.cut", [1, 5, 9], bins=3),
    call("pandas.qcut", pd.Series([1.0, 2, 3, 4]), 2),
    call("pandas.NaT"),
    call("pandas.NA"),
    call("pandas.util.hash_array", np.array([1, 2, 3])),
    call("pandas.DataFrame.describe", BARS[["close", "volume"]]),
    call("pandas.DataFrame.set_index", BARS, ["code", "day"]),
    call("pandas.DataFrame.reset_index", BARS.set_index(["code", "day"])),
    call("pandas.DataFrame.sort_values", BARS, ["code", "close"], ascending=[True, False]),
    call("pandas.DataFrame.fillna", BARS, {"close": 0.0}),
    call("pandas.DataFrame.head", BARS, 1),
    call("pandas.DataFrame.corr", BARS[["close", "volume"]]),
    call("pandas.DataFrame.astype", BARS, {"volume": "float32"}),
    call("pandas.DataFrame.to_dict", BARS, orient="records"),
    call("pandas.DataFrame.to_numpy", BARS[["close", "volume"]]),
    call("pandas.Series.pct_change", PRICES),
    call("pandas.Series.shift", PRICES, 1),
    call("pandas.Series.value_counts", BARS["code"]),
    call("pandas.Series.quantile", PRICES, [0.25, 0.5]),
    call("pandas.Series.tz_localize", PRICES, "Asia/Shanghai"),
    call("pandas.Series.tolist", PRICES),
]
OTHERS = [
    call("arch.data.sp500.load"),
    call("statistics.mean", [1, 2, 4]),
    call("statistics.mean", [Decimal("0.1"), Decimal("0.2")]),
    call("statistics.mean", [Fraction(1, 3), Fraction(1, 6)]),
    call("operator.mul", 6, 7),
    call("bisect.bisect_left", [1, 3, 5], 3),
    call("json.loads", '{"a": [1, 2.5, null, "行情"]}'),
    call("json.dumps", {"a": [1, 2.5, None]}),
    call("datetime.date.fromisoformat", "2024-02-29"),
]
#: What a library raises: the local call says which class, args and text.
RAISING = [
    call("math.sqrt", -1),
    call("math.log", 0),
    call("math.exp", 1000),
    call("math.floor", float("nan")),
    call("math.floor", float("inf")),
    call("math.pow", 2),
    call("math.pow", 2, 3, 4),
    call("math.pow", "2", 3),
    call("math.gcd", 1.5),
    call("math.isclose", 1, 1, rel_tol=-1),
    call("math.dist", [1], [1, 2]),
    call("os.path.join", 1),
    call("os.path.commonpath", []),
    call("os.path.commonpath", ["/a", "b"]),
    call("operator.truediv", 1, 0),
    call("datetime.date.fromisoformat", "2024-02-30"),
    call("numpy.zeros", -1),
    call("numpy.concatenate", []),
    call("numpy.reshape", np.arange(6), (4, 2)),
    call("numpy.dot", [1, 2], [1, 2, 3]),
    call("numpy.array", [[1, 2], [3]]),
    call("pandas.DataFrame.sort_values", BARS, "nosuch"),
    call("pandas.DataFrame.set_index", BARS, "nosuch"),
    call("pandas.concat", []),
    call("pandas.to_numeric", pd.Series(["x"])),
    call("pandas.DataFrame", {"a": [1, 2], "b": [1]}),
    call("pandas.DataFrame.pivot", BARS, columns="code", values="nosuch"),
]

_SHANGHAI = dt.timezone(dt.timedelta(hours=8), "CST")
#: Values that may travel both ways.
VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "zero": 0,
    "int64": -(2**62),
    "float": 0.1,
    "minus-zero": -0.0,
    "nan": float("nan"),
    "inf": float("-inf"),
    "tiny": 5e-324,
    "complex": complex(-0.0, 2.5),
    "empty-text": "",
    "text": "行情 \U0001f4c8 \x00 ß",
    "long-text": "é" * 100_000,
    "bytes": bytes(range(256)),
    "long-bytes": b"ab" * 100_000,
    "bytearray": bytearray(b"xyz"),
    "list": [1, [2, [3, []]]],
    "tuple": (1, (2, ("x", ())), [3]),
    "one-tuple": ("only",),
    "set": {1, 2, 3},
    "frozenset": frozenset({"a", "b"}),
    "dict": {"b": 1, "a": {"nested": [True, None]}},
    "int-keys": {1: "a", 2: "b", (3, 4): "c", None: "d", 1.5: "e"},
    "decimal": Decimal("-1.2300"),
    "decimal-nan": Decimal("-sNaN7"),
    "fraction": Fraction(-7, 3),
    "uuid": UUID(int=2**127 + 5),
    "date": dt.date(2024, 2, 29),
    "time": dt.time(23, 59, 59, 999_999),
    "datetime": dt.datetime(2024, 2, 29, 1, 2, 3, 4, fold=1),
    "aware": dt.datetime(2024, 1, 2, 9, 30, tzinfo=dt.UTC),
    "offset": dt.datetime(2024, 1, 2, 9, 30, tzinfo=_SHANGHAI),
    "timedelta": dt.timedelta(days=-1, microseconds=7),
    "range": range(0, 10, 3),
    "slice": slice(1, None, 2),
    "ellipsis": ...,
    "empty-array": np.zeros((0, 3), dtype="int16"),
    "scalar-array": np.array(5.5),
    "float-array": GRID,
    "f-order": np.asfortranarray(GRID),
    "strided": np.arange(20)[::3],
    "big-endian": np.arange(3, dtype=">u2"),
    "bool-array": np.array([True, False]),
    "complex-array": np.array([1 + 2j]),
    "half": np.array([1.5], dtype="float16"),
    "text-array": np.array(["a", "行情"]),
    "bytes-array": np.array([b"a", b"bcd"]),
    "dates-array": np.array(["2024-01-02", "NaT"], dtype="datetime64[ns]"),
    "days-array": np.array(["2024-01-02"], dtype="datetime64[D]"),
    "spans-array": np.array([1, 2], dtype="timedelta64[s]"),
    "struct-array": np.array([(1, 2.5, "x")], dtype=[("i", "i4"), ("f", "f8"), ("s", "U3")]),
    "large-array": np.arange(200_000, dtype="int32").reshape(400, 500),
    "numpy-int": np.int8(-3),
    "numpy-bool": np.True_,
    "numpy-date": np.datetime64("2024-01-02T09:30", "s"),
    "dtype": np.dtype("float32"),
    "frame": BARS,
    "multi-index": BARS.set_index(["code", "day"]),
    "multi-columns": BARS.pivot(index="day", columns="code", values=["close", "volume"]),
    "empty-frame": pd.DataFrame(),
    "no-rows": BARS.head(0),
    "nullable": pd.DataFrame({"i": pd.array([1, None], dtype="Int32"), "b": pd.array([True, None], dtype="boolean")}),
    "text-frame": pd.DataFrame({"s": pd.array(["a", None], dtype="string")}),
    "category": pd.DataFrame({"c": pd.Categorical(["a", "b", None], categories=["b", "a"], ordered=True)}),
    "zoned": pd.DataFrame({"t": pd.to_datetime(pd.Series(["2024-01-02", None])).dt.tz_localize("Asia/Shanghai")}),
    "double-names": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "int-columns": pd.DataFrame([[1, 2.5]], columns=[10, 20]),
    "series": PRICES,
    "period-index": pd.period_range("2024-01", periods=3, freq="M", name="month"),
    "interval-index": pd.interval_range(0, 3),
    "range-index": pd.RangeIndex(1, 10, 2, name="r"),
    "timestamp": pd.Timestamp("2024-01-02 09:30:00.123456789", tz="America/New_York"),
    "nat": pd.NaT,
    "na": pd.NA,
    "offset-alias": pd.offsets.BusinessDay(3),
}
