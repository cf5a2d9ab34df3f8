"""Answers in files: exact where the format can be, whole or not there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ksrpc.cli.saving import EXTENSIONS, FORMATS, make_target
from ksrpc.errors import ConfigError, NotAcceptableError

READERS: dict[str, Callable[[Path], Any]] = {
    "parquet": lambda path: pq.read_table(path).to_pandas(),
    "arrow": lambda path: pa.ipc.open_file(path.read_bytes()).read_all().to_pandas(),
}
TABLE = pd.DataFrame(
    {
        "code": ["000001", "600000", None],
        "local": pd.to_datetime(["2024-01-02 09:30", "NaT", "2024-01-04 15:00"]).tz_localize("Asia/Shanghai"),
        "nano": pd.to_datetime([1, 2, 3], unit="ns"),
        "day": pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"]).astype("datetime64[s]"),
        "exchange": pd.Categorical(["SZ", "SH", None], categories=["SZ", "SH", "BJ"], ordered=True),
        "volume": pd.array([2**53 + 1, None, 3], dtype="Int64"),
        "halted": pd.array([True, None, False], dtype="boolean"),
        "small": np.array([1, 2, 3], dtype="int8"),
        "price": np.array([0.1, np.nan, np.inf]),
        "single": np.array([0.1, 0.2, 0.3], dtype="float32"),
        "exact": [Decimal("1.10"), Decimal("2.20"), None],
    }
)


def save(value: Any, path: Path, fmt: str | None = None) -> Path:
    make_target(str(path), fmt).save(value)
    return path


@pytest.mark.parametrize("fmt", READERS)
@pytest.mark.parametrize(
    "table",
    [
        TABLE,
        TABLE.set_index("code"),
        TABLE.set_index(pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["x", None])),
        TABLE.set_index(pd.DatetimeIndex(TABLE["nano"], name="at")),
        TABLE.iloc[:0],
        TABLE.set_index(pd.RangeIndex(10, 16, 2)),
    ],
    ids=["plain", "named", "levels", "times", "empty", "range"],
)
def test_a_table_comes_back_to_the_dtype(table: pd.DataFrame, fmt: str, tmp_path: Path) -> None:
    if fmt == "parquet":  # as the reference says: it knows no whole seconds, and no categories without rows
        table = table.drop(columns=["day"] if len(table) else ["day", "exchange"])
    back = READERS[fmt](save(table, tmp_path / f"t.{fmt}"))
    pd.testing.assert_frame_equal(back, table, check_freq=False)
    assert back.dtypes.to_dict() == table.dtypes.to_dict()


@pytest.mark.parametrize("fmt", READERS)
def test_a_series_is_a_table_of_one_column(fmt: str, tmp_path: Path) -> None:
    series = pd.Series([1.5, 2.5], index=pd.Index(["a", "b"], name="code"))
    back = READERS[fmt](save(series, tmp_path / f"s.{fmt}"))
    pd.testing.assert_frame_equal(back, series.to_frame("value"))


def test_texts_are_what_the_http_addresses_give(tmp_path: Path) -> None:
    table = TABLE[["code", "day", "volume"]].set_index("day")
    assert save(table, tmp_path / "t.csv").read_text().splitlines()[:2] == [
        "day,code,volume",
        "2024-01-02T00:00:00,000001,9007199254740993",
    ]
    rows = save(table, tmp_path / "t.jsonl").read_text().splitlines()
    assert json.loads(rows[1]) == {"day": "2024-01-03T00:00:00", "code": "600000", "volume": None}
    assert json.loads(save({"a": (1, np.nan)}, tmp_path / "v.json").read_text()) == {"a": [1, None]}
    assert save("中文", tmp_path / "v.txt").read_text(encoding="utf-8") == "中文\n"
    assert save(b"\x00\xff", tmp_path / "v.bin").read_bytes() == b"\x00\xff"


def test_the_format_may_be_named_instead(tmp_path: Path) -> None:
    assert save([1], tmp_path / "noextension", "json").read_text() == "[1]\n"
    assert save([1], tmp_path / "v.csv", "ndjson").read_text() == "1\n"


def test_every_format_has_an_extension() -> None:
    assert set(EXTENSIONS.values()) == set(FORMATS)


@pytest.mark.parametrize(
    ("value", "name", "said"),
    [
        ({"a": 1}, "v.csv", "no csv of this dict; there is json"),
        (TABLE, "v.txt", "no text of this DataFrame; there is csv, json, ndjson"),
        ([1, 2], "v.parquet", "no parquet of this list, only of tables"),
        ("text", "v.bin", "no bin of this str, only of bytes"),
        (pd.DataFrame({"mixed": [1, "a", 2.5]}), "v.parquet", "no parquet of this table: .*mixed.*; there is csv"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "v.arrow", "no arrow of this table: .*[Dd]uplicate"),
    ],
)
def test_what_cannot_be_leaves_no_file(value: Any, name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(NotAcceptableError, match=said):
        save(value, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = save([1], tmp_path / "v.json")
    with pytest.raises(NotAcceptableError):
        save({"a": 1}, path, "csv")
    assert path.read_text() == "[1]\n"
    assert save([2], path).read_text() == "[2]\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.json"]


def test_a_link_is_followed_and_a_device_written(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    save([1], tmp_path / "link.json")
    assert (tmp_path / "real.json").read_text() == "[1]\n"
    assert (tmp_path / "link.json").is_symlink()
    save([1], Path(os.devnull), "json")
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("t.xlsx", "one of .csv .json .ndjson .jsonl .txt .parquet .arrow .feather .bin"),
        ("t", "the extension says the format"),
        ("t.pkl", "pickle is never written"),
        ("t.PICKLE", "pickle is never written"),
        ("nowhere/t.csv", "there is no folder .*nowhere"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_the_call(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(click.UsageError) as caught:
        make_target(str(tmp_path / name), None)
    assert re.search(said, caught.value.message)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(click.UsageError):
        make_target(str(tmp_path / "t.csv"), None)


def test_a_full_disk_is_told_in_a_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(ConfigError, match="No space left"):
        save([1], Path("/dev/full"), "json")


@pytest.mark.parametrize("fmt", ["parquet", "arrow"])
def test_tables_of_other_libraries_and_labels_that_are_truths_are_written(fmt: str, tmp_path: Path) -> None:
    pl = pytest.importorskip("polars")
    for at, table in enumerate(
        (pl.DataFrame({"True": [1], "False": [2]}), pd.DataFrame([[1, 2]], columns=[True, False]))
    ):
        path = tmp_path / f"{at}.{fmt}"
        make_target(str(path), None).save(table)
        read = READERS[fmt](path)
        assert [str(name).lower() for name in read.columns] == ["true", "false"]
        assert read.iloc[0].tolist() == [1, 2]
