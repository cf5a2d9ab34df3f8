"""What people call every day passes all three gates and gives what a local call gives."""

from __future__ import annotations

import asyncio
import bisect
import datetime
import json
import math
import operator
import os.path
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc.expose import Resolver, load_presets
from ksrpc.model import Rules

RESOLVER = Resolver(Rules(allow=(*load_presets(), "arch.data.sp500", "demo")))
VECTOR = np.array([3.0, 1.0, 2.0])
MATRIX = np.array([[2.0, 1.0], [1.0, 3.0]])
DAYS = pd.date_range("2024-01-01", periods=3)
SERIES = pd.Series([3.0, 1.0, 2.0], index=DAYS, name="close")
FRAME = pd.DataFrame({"code": ["a", "b", "a"], "close": [3.0, 1.0, 2.0]}, index=DAYS)

Row = tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def row(path: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Row:
    """Pair a path with the local function and the arguments for both."""
    return path, function, args, kwargs


CALLS: list[Row] = [
    row("math.pow", math.pow, 2, 3),
    row("math.sqrt", math.sqrt, 2.0),
    row("math.fsum", math.fsum, [0.1] * 10),
    row("math.hypot", math.hypot, 3, 4),
    row("math.isclose", math.isclose, 1.0, 1.1, rel_tol=0.2),
    row("os.path.join", os.path.join, "/a", "b", "../c"),
    row("os.path.splitext", os.path.splitext, "/etc/x.tar.gz"),
    row("os.path.normpath", os.path.normpath, "/a/../b"),
    row("os.path.commonprefix", os.path.commonprefix, ["/a/b", "/a/c"]),
    row("statistics.mean", statistics.mean, [1, 2, 3]),
    row("statistics.quantiles", statistics.quantiles, [1, 2, 3], n=10),
    row("bisect.bisect", bisect.bisect, [1, 2, 3], 2),
    row("operator.add", operator.add, 2, 3),
    row("json.loads", json.loads, '{"u": "http://x/y", "n": [1, 2.5, null]}'),
    row("json.dumps", json.dumps, {"a": [1, None]}, indent=2, sort_keys=True),
    row("datetime.date", datetime.date, 2024, 1, 2),
    row("datetime.datetime.fromisoformat", datetime.datetime.fromisoformat, "2024-01-02T03:04:05"),
    row("datetime.datetime.strptime", datetime.datetime.strptime, "2024/01/02", "%Y/%m/%d"),
    row("datetime.date.isoformat", datetime.date.isoformat, datetime.date(2024, 1, 2)),
    row("numpy.zeros", np.zeros, (2, 3), dtype="int32"),
    row("numpy.zeros", np.zeros, 4),
    row("numpy.arange", np.arange, 5),
    row("numpy.arange", np.arange, 1, 10, 2),
    row("numpy.linspace", np.linspace, 0, 1, 11),
    row("numpy.eye", np.eye, 3),
    row("numpy.array", np.array, [[1, 2], [3, 4]], dtype="float64"),
    row("numpy.add", np.add, VECTOR, 1),
    row("numpy.abs", np.abs, -VECTOR),
    row("numpy.sqrt", np.sqrt, 2.0),
    row("numpy.add.reduce", np.add.reduce, VECTOR),
    row("numpy.multiply.outer", np.multiply.outer, VECTOR, VECTOR),
    row("numpy.sum", np.sum, MATRIX, axis=0),
    row("numpy.mean", np.mean, VECTOR),
    row("numpy.percentile", np.percentile, VECTOR, [25, 50]),
    row("numpy.sort", np.sort, VECTOR, kind="stable"),
    row("numpy.unique", np.unique, [1, 2, 2]),
    row("numpy.concatenate", np.concatenate, [VECTOR, VECTOR]),
    row("numpy.reshape", np.reshape, np.zeros(20_000 * 2), (20_000, 2)),
    row("numpy.where", np.where, VECTOR > 1, VECTOR, 0),
    row("numpy.dot", np.dot, np.ones(100_000), np.ones(100_000)),
    row("numpy.matmul", np.matmul, MATRIX, MATRIX),
    row("numpy.cov", np.cov, np.ones((100_000, 3)), rowvar=False),
    row("numpy.polyfit", np.polyfit, np.arange(20_000.0), np.arange(20_000.0), 2),
    row("numpy.interp", np.interp, [0.5], [0, 1], [0, 10]),
    row("numpy.histogram", np.histogram, VECTOR, bins=3),
    row("numpy.linalg.norm", np.linalg.norm, np.ones(100_000)),
    row("numpy.linalg.lstsq", np.linalg.lstsq, np.ones((20_000, 2)), np.ones(20_000), rcond=None),
    row("numpy.linalg.inv", np.linalg.inv, MATRIX),
    row("numpy.fft.fft", np.fft.fft, VECTOR),
    row("numpy.fft.rfftfreq", np.fft.rfftfreq, 8, d=0.5),
    row("numpy.float64", np.float64, 1),
    row("numpy.datetime64", np.datetime64, "2024-01-02"),
    row("numpy.busday_count", np.busday_count, "2024-01-01", "2024-02-01"),
    row("pandas.DataFrame", pd.DataFrame, {"a": [1, 2]}, index=["x", "y"]),
    row("pandas.Series", pd.Series, [1, 2], name="n", dtype="float64"),
    row("pandas.Timestamp", pd.Timestamp, "2024-01-02", tz="Asia/Shanghai"),
    row("pandas.date_range", pd.date_range, "2024-01-01", "2024-12-31", freq="B"),
    row("pandas.date_range", pd.date_range, "2024-01-01", periods=1000, freq="min"),
    row("pandas.concat", pd.concat, [FRAME, FRAME], ignore_index=True),
    row("pandas.merge", pd.merge, FRAME, FRAME, on="code", how="left"),
    row("pandas.to_datetime", pd.to_datetime, ["2024/01/02"], format="%Y/%m/%d"),
    row("pandas.to_numeric", pd.to_numeric, ["1", "2"], errors="coerce"),
    row("pandas.isna", pd.isna, FRAME),
    row("pandas.pivot_table", pd.pivot_table, FRAME, index="code", values="close", aggfunc="mean"),
    row("pandas.crosstab", pd.crosstab, FRAME["code"], FRAME["close"]),
    row("pandas.cut", pd.cut, [1, 5, 9], 3, labels=["l", "m", "h"]),
    row("pandas.util.hash_array", pd.util.hash_array, np.array([1, 2])),
    row("pandas.DataFrame.head", pd.DataFrame.head, FRAME, 2),
    row("pandas.DataFrame.describe", pd.DataFrame.describe, FRAME),
    row("pandas.DataFrame.corr", pd.DataFrame.corr, FRAME, numeric_only=True),
    row("pandas.DataFrame.sort_values", pd.DataFrame.sort_values, FRAME, "close", ascending=False),
    row("pandas.DataFrame.fillna", pd.DataFrame.fillna, FRAME, 0),
    row("pandas.DataFrame.astype", pd.DataFrame.astype, FRAME, {"close": "float32"}),
    row("pandas.DataFrame.tz_localize", pd.DataFrame.tz_localize, FRAME, "Asia/Shanghai"),
    row("pandas.DataFrame.to_dict", pd.DataFrame.to_dict, FRAME, orient="list"),
    row("pandas.DataFrame.from_dict", pd.DataFrame.from_dict, {"a": [1]}, orient="columns"),
    row("pandas.Series.pct_change", pd.Series.pct_change, SERIES),
    row("pandas.Series.rank", pd.Series.rank, SERIES, method="dense"),
    row("pandas.Series.cumsum", pd.Series.cumsum, SERIES),
    row("pandas.Timestamp.now", pd.Timestamp.now, "UTC"),
]


def same(left: Any, right: Any) -> bool:
    """Compare results of any of the kinds above."""
    if isinstance(left, pd.Timestamp):
        return bool(abs(left - right) < pd.Timedelta(minutes=5))
    if isinstance(left, (pd.DataFrame, pd.Series, pd.Index)):
        return bool(left.equals(right))
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and bool(np.array_equal(left, right))
    if isinstance(left, pd.Categorical):
        return bool(left.tolist() == right.tolist())
    if isinstance(left, tuple):
        return all(map(same, left, right))
    return bool(left == right)


@pytest.mark.parametrize("call", CALLS, ids=[f"{call[0]}-{number}" for number, call in enumerate(CALLS)])
def test_passes_and_equals_the_local_call(call: Row) -> None:
    """Resolve, check the arguments, call, and compare."""
    path, local, args, kwargs = call
    target = RESOLVER.resolve(path)
    target.call_check(args, kwargs)
    assert same(target.object(*args, **kwargs), local(*args, **kwargs))


def test_values() -> None:
    """A module's constant is its value."""
    for path, value in {
        "math.pi": math.pi,
        "os.path.sep": os.path.sep,
        "numpy.inf": np.inf,
        "pandas.NA": pd.NA,
    }.items():
        target = RESOLVER.resolve(path)
        assert target.kind == "value"
        assert target.object is value


def test_kinds() -> None:
    """The kind tells how to call."""
    kinds = {
        "math": "module",
        "math.pi": "value",
        "math.pow": "function",
        "pandas.DataFrame": "class",
        "demo.async_say_hi": "coroutine",
        "demo.count": "generator",
    }
    assert {path: RESOLVER.resolve(path).kind for path in kinds} == kinds
    assert RESOLVER.resolve("demo.async_say_hi").is_async


def test_demo() -> None:
    """The functions of the demo do what they say."""
    call = {name: RESOLVER.resolve(f"demo.{name}").object for name in ("sync_say_hi", "div", "echo", "frame", "blob")}
    assert "AA" in call["sync_say_hi"]("AA")
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        call["div"](1, 0)
    assert (call["echo"](7), call["echo"](1, 2), call["echo"](a=1)) == (7, (1, 2), {"a": 1})
    assert call["frame"](10, 3).shape == (10, 3)
    assert call["blob"](5).nbytes == 5
    assert "BB" in asyncio.run(RESOLVER.resolve("demo.async_say_hi").object("BB"))
    assert asyncio.run(RESOLVER.resolve("demo.async_sleep").object(0)) == 0
    assert RESOLVER.resolve("demo.sleep").object(0) == 0
    assert list(RESOLVER.resolve("demo.count").object(3)) == [0, 1, 2]
    assert RESOLVER.resolve("demo.test").object().dtypes.nunique() >= 4


@pytest.mark.parametrize(
    ("name", "value"), [("sleep", 61), ("frame", 2**27), ("blob", 2**31 + 1), ("frame", -1), ("sleep", math.nan)]
)
def test_demo_is_bounded(name: str, value: float) -> None:
    """No function of the demo takes more of the server than its bound."""
    with pytest.raises(ValueError, match="must be between"):
        RESOLVER.resolve(f"demo.{name}").object(value)


def test_demo_takes_any_value_and_others_take_data() -> None:
    """Only modules whose author said so are decoded with the wide table."""
    assert RESOLVER.resolve("demo.echo").arguments == "any"
    assert RESOLVER.resolve("math.pow").arguments == "data"
    RESOLVER.resolve("demo.echo").call_check(("/etc/passwd", object()), {})


def test_served_data_library() -> None:
    """A pattern on a sub-module imports its parents on the way and opens nothing of them."""
    frame = RESOLVER.resolve("arch.data.sp500.load").object()
    assert len(frame) > 1000
