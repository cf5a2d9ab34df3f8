"""Views of large values: sent as they are made, in bounded memory, and never mistaken for whole when they break off."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path

import pytest

from tests.helpers.process import descendant_pids
from tests.helpers.server import GatewayProcess

MIB = 1 << 20
ROWS = 1_000_000
MODULE = """
import numpy as np
import pandas as pd

def table(rows=1_000_000):
    return pd.DataFrame({f"c{at}": np.arange(rows) * 0.5 + at for at in range(10)})

def mixed(rows=100_000, bad=True):
    items = [1] * rows
    if bad:
        items[-1] = 10**5000
    return pd.DataFrame({"a": pd.Series(items, dtype=object)})

def few():
    return [{"t": "\\u4ef7"}]

def many(rows=200_000):
    return [{"n": at} if at else {"n": at, "t": "x"} for at in range(rows)]
"""
CONFIG = """
[server]
port = 0
[call]
enabled = true
timeout_s = 120
processes = 1
[cache]
enabled = true
[access]
anonymous = true
allow = ["sheets"]
[module.sheets]
path = "sheets.py"
"""


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("sheets")
    (folder / "sheets.py").write_text(MODULE)
    with GatewayProcess(folder, CONFIG) as process:
        yield process


def _begin(gateway: GatewayProcess, path: str, media_type: str) -> tuple[HTTPConnection, HTTPResponse]:
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=120)
    connection.request("GET", f"/v1/call/{path}", headers={"Accept": media_type})
    return connection, connection.getresponse()


def _rss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


def _most_bytes(gateway: GatewayProcess) -> int:
    """Return the private memory of the largest process of a gateway."""
    return max(_rss_bytes(pid) for pid in (gateway.pid, *descendant_pids(gateway.pid)))


def test_a_table_of_a_million_rows_comes_as_it_is_made(sheets: GatewayProcess) -> None:
    """The first rows are here while most of the 88 MB is not made; nobody holds more than a few blocks."""
    connection, reply = _begin(sheets, "sheets.table", "text/csv")
    assert reply.headers["transfer-encoding"] == "chunked"
    text = reply.read(4 * MIB)
    assert text.startswith(b"c0,c1,c2,c3,c4,c5,c6,c7,c8,c9\n0.0,1.0,2.0")
    assert _most_bytes(sheets) < 280 * MIB  # the whole text and its cells would be some 500 MiB
    connection.close()


def test_parquet_of_a_million_rows_is_whole(sheets: GatewayProcess) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    connection, reply = _begin(sheets, "sheets.table", "application/vnd.apache.parquet")
    file = pq.ParquetFile(io.BytesIO(reply.read()))
    connection.close()
    assert file.num_row_groups > 1
    assert _most_bytes(sheets) < 280 * MIB
    frame = file.read().to_pandas()
    assert len(frame) == ROWS
    assert frame["c9"].iloc[-1] == (ROWS - 1) * 0.5 + 9


def test_a_view_that_breaks_off_is_not_taken_for_a_whole_one(sheets: GatewayProcess) -> None:
    connection, reply = _begin(sheets, "sheets.mixed", "text/csv")
    with pytest.raises(IncompleteRead):
        reply.read()
    connection.close()
    sheets.await_log("a view broke off")


def test_what_is_wrong_at_once_is_an_error(sheets: GatewayProcess) -> None:
    connection, reply = _begin(sheets, "sheets.mixed", "application/vnd.apache.arrow.stream")
    assert (reply.status, json.loads(reply.read())["code"]) == (406, "not_acceptable")
    connection.close()


def test_a_kept_list_is_shown_with_the_columns_of_all_its_rows(sheets: GatewayProcess) -> None:
    for _ in range(2):
        connection, reply = _begin(sheets, "sheets.many", "text/csv")
        rows = list(csv.reader(io.StringIO(reply.read().decode())))
        connection.close()
        assert (rows[0], rows[1], rows[-1], len(rows)) == (["n", "t"], ["0", "x"], ["199999", ""], 200_001)


def test_a_charset_changes_nothing_and_head_runs_nothing(sheets: GatewayProcess) -> None:
    connection, reply = _begin(sheets, "sheets.few", "text/csv; charset=latin-1")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/csv")
    assert reply.read().decode("utf-8") == "t\n价\n"
    connection.request("HEAD", "/v1/call/sheets.table")
    head = connection.getresponse()
    assert (head.status, head.headers["allow"], head.read()) == (405, "GET, POST", b"")
    connection.close()
