"""Tables as Arrow and Parquet: types stay, and what would be changed without a word is refused."""

from __future__ import annotations

import datetime as dt
import decimal
import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc.errors import NotAcceptableError
from ksrpc.wire.view import render

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


def _read(value: Any, media_type: str) -> Any:
    body = render(value, media_type=media_type)
    return pa.ipc.open_stream(body).read_all() if media_type == ARROW else pq.read_table(io.BytesIO(body))


def _wide() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "代码": ["000001", 'a"b\n,c'],
            "big": pd.array([2**62 + 1, None], dtype="Int64"),
            "when": pd.DatetimeIndex(["2024-01-31 09:30", "NaT"]).tz_localize("Asia/Shanghai"),
            "kind": pd.Categorical(["x", None]),
            "price": [decimal.Decimal("1.10"), None],
            "day": [dt.date(2024, 1, 31), None],
            "month": pd.PeriodIndex(["2024-01", "2024-02"], freq="M"),
        },
        index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", None]),
    )


@pytest.mark.parametrize("media_type", [ARROW, PARQUET])
def test_types_stay_and_the_index_is_columns(media_type: str) -> None:
    table = _read(_wide(), media_type)
    assert table.column_names == ["k", "level_1", "代码", "big", "when", "kind", "price", "day", "month"]
    assert table["big"].to_pylist() == [2**62 + 1, None]
    assert table.schema.field("when").type.tz == "Asia/Shanghai"
    assert pa.types.is_dictionary(table.schema.field("kind").type)
    assert table["price"].to_pylist() == [decimal.Decimal("1.10"), None]
    assert table["代码"].to_pylist() == ["000001", 'a"b\n,c']
    assert table["month"].to_pylist() == ["2024-01", "2024-02"]


@pytest.mark.parametrize("media_type", [ARROW, PARQUET])
def test_labels_and_repeated_names_are_kept_apart(media_type: str) -> None:
    frame = pd.DataFrame([[1, 2, 3]], columns=pd.Index([True, False, True]))
    table = _read(frame, media_type)
    assert table.column_names == ["true", "false", "true.1"]
    assert [column.to_pylist() for column in table.columns] == [[1], [2], [3]]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (pd.DataFrame({"m": pd.Series([1, "a"], dtype=object)}), "column 'm' holds int, str"),
        ([{"m": dt.datetime(2024, 1, 1)}, {"m": dt.date(2024, 1, 1)}], "date, datetime"),
        (pd.DataFrame({"c": [1j]}), "column 'c'"),
        (pd.DataFrame({"m": pd.Series([2**70], dtype=object)}), "column 'm'"),
        ([{"a": [1]}], "column 'a' holds list"),
        (5, "there is application/json"),
    ],
)
def test_what_arrow_would_change_is_refused_by_name(value: Any, said: str) -> None:
    with pytest.raises(NotAcceptableError, match=said):
        render(value, media_type=ARROW)


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        (np.array([[1, 2], [3, 4]]), [{"0": 1, "1": 2}, {"0": 3, "1": 4}]),
        ([{"a": 1}, {"b": "x"}], [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
        (pd.Series([1, 2], name="s"), [{"s": 1}, {"s": 2}]),
        (pd.DataFrame({"a": pd.Series([], dtype="int64")}), []),
        (pa.table({"a": [1]}), [{"a": 1}]),
    ],
)
def test_every_kind_of_table(value: Any, rows: list[dict[str, Any]]) -> None:
    assert _read(value, ARROW).to_pylist() == rows


def test_csv_for_spreadsheets_runs_no_formula() -> None:
    body = render(pd.DataFrame({"a": ["=1+1", "中"], "n": [-1, 2]}), media_type="text/csv", options={"bom": "1"})
    assert body == "\ufeffa,n\n'=1+1,-1\n中,2\n".encode()
