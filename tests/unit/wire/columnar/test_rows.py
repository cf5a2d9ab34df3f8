"""What tables of pyarrow and polars look like to those who do not read the wire format."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ksrpc.wire.view import available, render

pa: Any = pytest.importorskip("pyarrow")
pl: Any = pytest.importorskip("polars")

COLUMNS: dict[str, Any] = {"n": [1, None], "t": ["000001", "中文"], "d": [dt.date(2024, 1, 31), None]}
TABLES = {
    "table": pa.table(COLUMNS),
    "batch": pa.table(COLUMNS).to_batches()[0],
    "polars": pl.DataFrame(COLUMNS),
}
RECORDS = '[{"n":1,"t":"000001","d":"2024-01-31"},{"n":null,"t":"中文","d":null}]'


@pytest.mark.parametrize("name", TABLES)
def test_a_table(name: str) -> None:
    value = TABLES[name]
    assert {"application/json", "text/csv", "application/x-ndjson"} <= set(available(value))
    assert render(value, media_type="application/json").decode() == RECORDS
    assert render({"x": value}, media_type="application/json").decode() == f'{{"x":{RECORDS}}}'
    assert render(value, media_type="text/csv").decode() == "n,t,d\n1,000001,2024-01-31\n,中文,\n"
    lines = render(value, media_type="application/x-ndjson").decode().splitlines()
    assert f"[{','.join(lines)}]" == RECORDS


ORIENTS = {
    "columns": '{"n":[1,null],"t":["000001","中文"],"d":["2024-01-31",null]}',
    "split": '{"columns":["n","t","d"],"index":[0,1],"data":[[1,"000001","2024-01-31"],[null,"中文",null]]}',
    "tight": '{"columns":["n","t","d"],"index":[0,1],"data":[[1,"000001","2024-01-31"],[null,"中文",null]],'
    '"index_names":[null],"column_names":[null]}',
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("orient", ORIENTS)
def test_a_table_by_orient(name: str, orient: str) -> None:
    got = render(TABLES[name], media_type="application/json", options={"orient": orient}).decode()
    assert got == ORIENTS[orient]


def test_columns_and_what_is_no_table() -> None:
    for value in (pa.array([1, None]), pa.chunked_array([[1], [None]]), pl.Series("x", [1, None])):
        assert render(value, media_type="application/json") == b"[1,null]"
    assert render(pl.Series("x", [1, None]), media_type="text/csv") == b'x\n1\n""\n'
    assert render(pa.array([1.5, float("nan")]), media_type="text/csv") == b'0\n1.5\n""\n'
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert render(twice, media_type="text/csv") == b"a,a.1\n1,2\n"
    assert render(pa.scalar(dt.timedelta(1)), media_type="text/plain") == b"P1DT0S"
    assert render(pa.list_(pa.int8()), media_type="application/json") == b'"list<item: int8>"'
