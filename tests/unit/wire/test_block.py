"""Views made block by block are the views of the whole, and what is no end of rows is refused."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc.errors import NotAcceptableError
from ksrpc.wire import view
from ksrpc.wire.block import cut_pieces, is_framed, is_large, split_rows

ROWS = 70_000


def _show(value: Any, media_type: str, **options: str) -> list[bytes]:
    return list(view.iter_view(value, media_type=media_type, options=options))


@pytest.mark.parametrize("index", [None, pd.RangeIndex(5, ROWS + 5), pd.RangeIndex(ROWS, name="n")])
def test_blocks_of_a_table_make_one_view(index: pd.Index | None) -> None:
    frame = pd.DataFrame({"a": np.arange(ROWS), "t": ["x"] * ROWS}, index=index)
    lead = [] if index is None else [index.name or "index"]
    parts = _show(frame, "text/csv")
    read = pd.read_csv(io.BytesIO(b"".join(parts)))
    assert len(parts) > 1
    assert list(read) == [*lead, "a", "t"]
    assert read["a"].tolist() == frame["a"].tolist()
    records = json.loads(b"".join(_show(frame, "application/json")))
    assert (len(records), list(records[-1])) == (ROWS, [*lead, "a", "t"])
    assert b"".join(_show(frame, "application/x-ndjson")).count(b"\n") == ROWS


def test_a_list_of_maps_has_columns_that_begin_late() -> None:
    rows: list[dict[str, int]] = [{"a": 1}] * ROWS + [{"b": 2}]
    lines = b"".join(_show(rows, "text/csv")).splitlines()
    assert (lines[0], lines[1], lines[-1], len(lines)) == (b"a,b", b"1,", b",2", ROWS + 2)


def test_the_mark_of_a_spreadsheet_stands_once() -> None:
    text = b"".join(_show(np.arange(ROWS), "text/csv", bom="1"))
    assert (text.count("\ufeff".encode()), text.startswith("\ufeff".encode())) == (1, True)


def test_pieces_are_bounded() -> None:
    assert [len(piece) for piece in cut_pieces([b"x" * (5 << 19), b"y"])] == [1 << 20, 1 << 20, 1 << 19, 1]


@pytest.mark.parametrize("media_type", ["text/csv", "application/json", "application/x-ndjson"])
def test_rows_without_columns_are_not_counted_out(media_type: str) -> None:
    frame = pd.DataFrame(index=pd.RangeIndex(10**12, name="n"))
    assert not is_large(frame)
    with pytest.raises(NotAcceptableError, match="a range of 1000000000000 rows without columns"):
        _show(frame, media_type)


def test_a_range_that_is_a_value_is_bounded_too() -> None:
    with pytest.raises(NotAcceptableError, match="a range of"):
        _show(pd.RangeIndex(10**12), "application/json")


def test_tables_of_every_library_are_tables() -> None:
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    tables = (pd.Series([1]), pd.DataFrame({"a": [1]}), pa.table({"a": [1]}), pl.DataFrame({"a": [1]}))
    assert all(map(is_framed, tables))
    assert not any(map(is_framed, (pa.array([1]), np.zeros(3), [{"a": 1}], 1)))
    big = pl.DataFrame({"a": range(ROWS)})
    assert sum(len(block) for block in split_rows(big)) == ROWS
    assert b"".join(_show(big.to_arrow(), "text/csv")) == b"".join(_show(big, "text/csv"))
