"""Values of pyarrow, polars and scipy through a real gateway, and what clients without these libraries are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest

import ksrpc
from ksrpc import wire
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import connection_to

pa: Any = pytest.importorskip("pyarrow")
pl: Any = pytest.importorskip("polars")
sp: Any = pytest.importorskip("scipy.sparse")

CONFIG = """
[server]
port = 0
[call]
enabled = true
timeout_s = 60
[cache]
enabled = true
[access]
anonymous = true
allow = ["pandas", "polars", "pyarrow", "scipy"]
unsafe = ["polars", "pyarrow", "scipy"]
"""
DATA = {"a": [1, None, 3], "t": ["x", "中文", None]}


@pytest.fixture(scope="module")
def columnar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Serve the libraries themselves."""
    with GatewayProcess(tmp_path_factory.mktemp("columnar"), CONFIG) as process:
        yield process


@pytest.fixture(params=["http", "websocket"])
def there(request: pytest.FixtureRequest, columnar: GatewayProcess) -> Iterator[ksrpc.RemoteGateway]:
    """Call it over either transport."""
    with connection_to(columnar, request.param) as opened:
        yield ksrpc.RemoteGateway(opened)


def test_values_arrive_as_they_are(there: ksrpc.RemoteGateway) -> None:
    table = there.call("pyarrow.table", DATA)
    assert table.equals(pa.table(DATA))
    assert there.call("pyarrow.array", [1, None]).equals(pa.array([1, None]))
    assert there.call("pyarrow.decimal128", 10, 2) == pa.decimal128(10, 2)
    frame = there.call("polars.DataFrame", DATA)
    assert frame.equals(pl.DataFrame(DATA))
    assert there.call("polars.LazyFrame", DATA).equals(pl.DataFrame(DATA))
    assert there.call("polars.Series", "s", [1, 2]).equals(pl.Series("s", [1, 2]), check_names=True)
    matrix = there.call("scipy.sparse.csr_array", [[0, 1], [2, 0]])
    assert type(matrix) is sp.csr_array
    assert matrix.toarray().tolist() == [[0, 1], [2, 0]]
    series = there.call("pandas.Series", [1, None], dtype="int64[pyarrow]")
    pd.testing.assert_series_equal(series, pd.Series([1, None], dtype="int64[pyarrow]"))
    large = there.call("polars.DataFrame", {"x": list(range(100_000))})
    assert large["x"].sum() == sum(range(100_000))


def _post(gateway: GatewayProcess, path: str, accept: str) -> tuple[int, bytes]:
    connection = HTTPConnection(urlsplit(gateway.url).netloc, timeout=60)
    headers = {"Accept": accept, "Content-Type": "application/json"}
    connection.request("POST", f"/v1/call/{path}", json.dumps({"args": [DATA]}), headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


@pytest.mark.parametrize(
    ("path", "feature", "cure"),
    [
        ("pyarrow.table", "arrow", "pip install pyarrow"),
        ("polars.DataFrame", "polars", "pip install polars pyarrow"),
    ],
)
def test_a_client_without_the_library_learns_what_to_install(
    columnar: GatewayProcess, path: str, feature: str, cure: str
) -> None:
    others = ",".join(sorted({"arrow", "polars", "scipy"} - {feature}))
    for accept in (wire.MEDIA_TYPE, f'{wire.MEDIA_TYPE};features="{others}"'):
        status, body = _post(columnar, path, accept)
        told = json.loads(body)
        assert (status, told["code"]) == (406, "not_acceptable")
        assert told["detail"].endswith(cure)
    status, body = _post(columnar, path, f'{wire.MEDIA_TYPE};codecs="lz4";features="{feature}"')
    assert status == 200
    assert type(wire.parse(body)).__module__.partition(".")[0] == path.partition(".")[0]
    assert _post(columnar, path, "text/csv") == (200, "a,t\n1,x\n,中文\n3,\n".encode())
    status, body = _post(columnar, path, "application/json")
    assert json.loads(body) == [{"a": 1, "t": "x"}, {"a": None, "t": "中文"}, {"a": 3, "t": None}]


def test_a_greeting_without_features_is_told_too(columnar: GatewayProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FEATURES", frozenset({"arrow"}))
    with connection_to(columnar, "websocket") as opened:
        there = ksrpc.RemoteGateway(opened)
        assert there.call("pyarrow.table", DATA).equals(pa.table(DATA))
        with pytest.raises(ksrpc.errors.NotAcceptableError, match="pip install polars pyarrow"):
            there.call("polars.DataFrame", DATA)
        with pytest.raises(ksrpc.errors.NotAcceptableError, match="pip install scipy"):
            there.call("scipy.sparse.csr_array", [[0, 1]])
        assert there.call("pandas.Series", [1]).tolist() == [1]


def test_arguments_are_refused_before_they_are_sent(there: ksrpc.RemoteGateway) -> None:
    refusal = r"args\[0\]: a value of (pyarrow|polars) cannot travel in arguments"
    for value in (pa.table(DATA), pl.DataFrame(DATA), pl.Series([1])):
        with pytest.raises(ksrpc.errors.EncodeError, match=refusal):
            there.call("pandas.DataFrame", value)
