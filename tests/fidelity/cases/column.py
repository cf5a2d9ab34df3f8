"""Data types of pandas: as extension arrays, as columns and as the types themselves."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tests.fidelity.case import Row
from tests.fidelity.cases.label import days, labels

ARRAY: Any = pd.array  # the stubs know no names of types that are not literals
MASKED = ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "boolean"]


def _masked(name: str) -> Any:
    return lambda: ARRAY([1, None, 0, 1], dtype=name)


def _all_there(name: str) -> Any:
    return lambda: pd.Series(ARRAY([1, 0], dtype=name))


def _texts(dtype: Any) -> Any:
    return pd.array(["a", None, "行情", ""] * 30, dtype=dtype)


def _typed(name: str) -> Any:
    return lambda: pd.api.types.pandas_dtype(name)


ROWS = [
    Row(
        "nullable arrays of pandas",
        "request",
        {
            **{f"array {name}": _masked(name) for name in MASKED},
            **{f"series {name}": _all_there(name) for name in MASKED},
            "nothing but missing": lambda: pd.array([None, None], dtype="Int64"),
            "no items": lambda: pd.array([], dtype="boolean"),
        },
    ),
    Row(
        "`string` in Python storage",
        "request",
        {
            "string array": lambda: _texts(pd.StringDtype("python")),
            "string series": lambda: pd.Series(_texts(pd.StringDtype("python")), name="s"),
            "no strings": lambda: pd.array([], dtype=pd.StringDtype("python")),
        },
    ),
    Row(
        "`string` in pyarrow storage",
        "request",
        {
            "arrow string array": lambda: _texts(pd.StringDtype("pyarrow")),
            "arrow string slice": lambda: pd.Series(_texts(pd.StringDtype("pyarrow")))[3:40],
            "no arrow strings": lambda: pd.array([], dtype=pd.StringDtype("pyarrow")),
        },
        needs="pyarrow pandas>=2",
    ),
    Row(
        "`str` of pandas 3",
        "request",
        {
            "str series": lambda: pd.Series(["a", None, "行情"] * 20, dtype="str"),
            "str of python storage": lambda: pd.Series(["a", None], dtype=pd.StringDtype("python", na_value=np.nan)),
            "inferred": lambda: pd.DataFrame({"code": ["000001.SZ", None]}),
        },
        needs="pandas>=3",
    ),
    Row(
        "`pandas.Categorical`",
        "request",
        {
            "categorical": lambda: pd.Categorical.from_codes([1, 0, -1, 1], labels("b", "a", "z"), ordered=True),
            "category series": lambda: pd.Series(pd.Categorical.from_codes([0, 1], labels("x", "y"))),
            "category of times": lambda: pd.Categorical.from_codes([1, 0], days(2)),
            "category of intervals": lambda: pd.Categorical.from_codes(
                [0, -1], pd.IntervalIndex.from_breaks(np.array([0.0, 1.0, 2.0]))
            ),
            "category of mixed": lambda: pd.Categorical.from_codes([0, 1], labels("a", 1)),
            "no categories": lambda: pd.Categorical.from_codes([-1, -1], labels()),
            "300 categories": lambda: pd.Categorical.from_codes(np.arange(300) % 299, labels(*map(str, range(300)))),
        },
    ),
    Row(
        "pandas arrays of times",
        "request",
        {
            "datetime array": lambda: days().array,
            "zoned array": lambda: days(zone=ZoneInfo("Asia/Shanghai")).array,
            "zoned series": lambda: pd.Series(days(zone="UTC")),
            "timedelta array": lambda: pd.TimedeltaIndex(np.array([1, -(2**63)], "<m8[ns]")).array,
            "period array": lambda: pd.period_range("2024-01", periods=2, freq="M").array,
            "period series": lambda: pd.Series(pd.period_range("2024Q1", periods=2, freq="Q-NOV")),
            "interval array": lambda: pd.arrays.IntervalArray.from_breaks(np.array([0, 1, 2]), closed="neither"),
            "interval series": lambda: pd.Series(pd.IntervalIndex.from_breaks(np.array([0.5, 1.5, 2.5]))),
        },
    ),
    Row(
        "data types of pandas",
        "request",
        {
            "type Int64": _typed("Int64"),
            "type boolean": _typed("boolean"),
            "type category": _typed("category"),
            "type category of texts": lambda: pd.CategoricalDtype(labels("b", "a"), ordered=True),
            "type period": _typed("period[M]"),
            "type interval": _typed("interval[int64, right]"),
            "type zoned": _typed("datetime64[ns, UTC]"),
            "type string": lambda: pd.StringDtype("python"),
        },
    ),
]
