"""The gateway as a caller without our client sees it: JSON in, JSON, CSV or text out, true status codes."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.server import GatewayProcess
from tests.integration.exchange import ask, post

OFF = "[server]\nport = 0\n[access]\nanonymous = true\n"


@pytest.fixture(scope="module")
def off(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Run a gateway whose call service is off."""
    with GatewayProcess(tmp_path_factory.mktemp("off"), OFF) as process:
        yield process


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"args": [2, 3]}, 8.0),
        ({"args": [2, 3], "kwargs": {}}, 8.0),
        ({"args": [2, 3], "kwargs": []}, 8.0),
        ({"args": [2, 3], "kwargs": None}, 8.0),
    ],
)
def test_a_call_is_a_post_of_json(libraries: GatewayProcess, body: Any, expected: float) -> None:
    reply = post(libraries, "math.pow", body)
    assert (reply.status, reply.media_type, reply.json()) == (200, "application/json", expected)
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert "private" in reply.headers["cache-control"]
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_keywords_scalars_and_no_body(libraries: GatewayProcess) -> None:
    assert post(libraries, "demo.div", {"kwargs": {"a": 1, "b": 4}}).json() == 0.25
    assert post(libraries, "math.sqrt", {"args": 9}).json() == 3.0
    assert ask(libraries, "POST", "/v1/call/math.pi").json() == 3.141592653589793
    assert ask(libraries, "GET", "/v1/call/math.pi").json() == 3.141592653589793
    assert ask(libraries, "GET", "/v1/call/math").json() == "math"


def test_a_query_gives_texts(libraries: GatewayProcess) -> None:
    reply = ask(libraries, "GET", "/v1/call/demo.echo?ts_code=000001.SZ&n=5&_orient=split&fmt=json")
    assert reply.json() == {"ts_code": "000001.SZ", "n": "5"}
    assert ask(libraries, "GET", "/v1/call/demo.sync_say_hi?name=%E8%A1%8C").json() == "Hi 行, from a sync function"
    assert ask(libraries, "GET", "/v1/call/math.pow?x=2&y=3").problem()["exception"] == "TypeError"


def test_a_table_is_records_csv_lines_or_columns(libraries: GatewayProcess) -> None:
    records = post(libraries, "demo.test", {}, Accept="application/json").json()
    assert len(records) == 5
    assert records[0]["code"] == "600000.SH"
    assert records[0]["date"].startswith("2024-01-02")
    assert records[0]["halted"] is False
    by_csv = post(libraries, "demo.test", {}, Accept="text/csv")
    assert by_csv.media_type == "text/csv"
    rows = list(csv.DictReader(io.StringIO(by_csv.body.decode())))
    assert [row["code"] for row in rows] == [record["code"] for record in records]
    assert float(rows[4]["close"]) == 9.27
    lines = post(libraries, "demo.test", {}, Accept="application/x-ndjson").body.splitlines()
    assert [json.loads(line) for line in lines] == records
    split = ask(libraries, "GET", "/v1/call/demo.test?fmt=json&_orient=split").json()
    assert split["data"][0][split["columns"].index("code")] == "600000.SH"


def test_without_a_wish_a_table_is_csv_and_a_value_json(libraries: GatewayProcess) -> None:
    assert ask(libraries, "GET", "/v1/call/demo.test").media_type == "text/csv"
    assert post(libraries, "demo.test", {}, Accept="*/*").media_type == "text/csv"
    assert ask(libraries, "GET", "/v1/call/demo.test?fmt=csv").media_type == "text/csv"
    assert ask(libraries, "GET", "/v1/call/demo.test?fmt=json").media_type == "application/json"
    assert post(libraries, "math.pow", {"args": [2, 3]}, Accept="*/*").media_type == "application/json"


def test_the_best_of_what_is_accepted_is_chosen(libraries: GatewayProcess) -> None:
    wish = "text/csv;q=0.1, application/json;q=0.9, image/png"
    assert post(libraries, "demo.test", {}, Accept=wish).media_type == "application/json"
    assert post(libraries, "demo.sync_say_hi", {"args": ["A"]}, Accept="text/plain").body == (
        b"Hi A, from a sync function"
    )


def test_numbers_that_json_lacks(libraries: GatewayProcess) -> None:
    assert post(libraries, "math.nan", {}).json() is None
    assert post(libraries, "math.floor", {"args": [1e300]}).status == 200
    assert post(libraries, "numpy.array", {"args": [[1, None]]}, Accept="application/json").status in (200, 406)


def test_curl_says_the_same(libraries: GatewayProcess) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    command = [curl, "-sS", "-w", " %{http_code}", f"{libraries.url}/v1/call/math.pow"]
    told = ["-H", "Content-Type: application/json", "-d", '{"args": [2, 3]}']
    assert subprocess.run([*command, *told], capture_output=True, text=True, check=True).stdout == "8.0 200"
    form = subprocess.run([*command, "-d", "x=2&y=3"], capture_output=True, text=True, check=True).stdout
    assert form.endswith(" 415")
    assert "send application/json" in form


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[1, 2]", 400),
        (b'{"args": {"a": 1}}', 400),
        (b'{"kwargs": [1]}', 400),
        (b'{"args": [NaN]}', 400),
        (b'{"args": [1], "more": 2}', 400),
        (b'{"args": [1], "args": [2]}', 400),
        (b'{"args": ["\\ud800"]}', 400),
        (b'{"args": [123456789012345678901234567890]}', 400),
        (b"[" * 100_000, 400),
        (b"\xff\xfe", 400),
        (b'{"args": ["' + b"x" * (5 << 20) + b'"]}', 413),
    ],
)
def test_what_is_not_a_call_is_said_to_be_none(libraries: GatewayProcess, body: bytes, status: int) -> None:
    reply = ask(libraries, "POST", "/v1/call/demo.echo", body, {"Content-Type": "application/json"})
    assert reply.status == status
    assert reply.problem()["maybe_ran"] is False


PROBLEMS = [
    ("demo.div", {"args": [1, 0]}, {}, 500, "raised"),
    ("math.pow", {"args": [1]}, {}, 500, "raised"),
    ("math.factorial", {"args": [1]}, {}, 403, "forbidden"),
    ("no.such.module", {}, {}, 404, "not_found"),
    ("numpy.zeros", {"kwargs": {"nosuch": 1}}, {}, 422, "argument"),
    ("demo.echo", {"args": [1]}, {"Accept": "image/png"}, 406, "not_acceptable"),
    ("demo.echo", {"args": [1]}, {"Accept": "text/csv"}, 406, "not_acceptable"),
    ("demo.echo", {"args": [1]}, {"Content_Type": "text/csv"}, 415, "unsupported"),
    ("demo.echo", {"args": [1]}, {"X_Ksrpc_Timeout": "soon"}, 400, "decode"),
    ("demo.echo", {"args": [1]}, {"X_Ksrpc_Timeout": "-1"}, 400, "decode"),
    ("demo.echo", {"args": [1]}, {"X_Ksrpc_Timeout": "nan"}, 400, "decode"),
    ("demo.sleep", {"args": [30]}, {"X_Ksrpc_Timeout": "0.3"}, 504, "deadline"),
    ("demo.async_sleep", {"args": [30]}, {"X_Ksrpc_Timeout": "0.3"}, 504, "deadline"),
]


@pytest.mark.parametrize(("path", "told", "headers", "status", "code"), PROBLEMS)
def test_a_problem_has_its_true_status(
    libraries: GatewayProcess, path: str, told: Any, headers: dict[str, str], status: int, code: str
) -> None:
    reply = post(libraries, path, told, **headers)
    fields = reply.problem()
    assert (reply.status, fields["code"]) == (status, code)
    assert fields["detail"]
    assert b"Traceback" not in reply.body
    assert b"/site-packages" not in reply.body


def test_a_librarys_exception_is_named(libraries: GatewayProcess) -> None:
    fields = post(libraries, "demo.div", {"args": [1, 0]}).problem()
    assert (fields["exception"], fields["detail"], fields["maybe_ran"]) == (
        "ZeroDivisionError",
        "division by zero",
        True,
    )
    fields = post(libraries, "statistics.mean", {"args": [[]]}).problem()
    assert fields["exception"] == "StatisticsError"


def test_a_refusal_names_gate_and_rule(libraries: GatewayProcess) -> None:
    fields = post(libraries, "math.factorial", {"args": [3]}).problem()
    assert (fields["gate"], fields["rule"], fields["maybe_ran"]) == ("A", "A3", False)


def test_without_a_token_it_is_401_and_says_how(guarded: GatewayProcess, token: str) -> None:
    reply = post(guarded, "math.pow", {"args": [2, 3]})
    assert reply.problem()["code"] == "unauthorized"
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert post(guarded, "math.pow", {"args": [2, 3]}, Authorization=f"Bearer {token}").json() == 8.0
    assert post(guarded, "math.pow", {"args": [2, 3]}, Authorization=f"bearer  {token} ").json() == 8.0


@pytest.mark.parametrize("path", ["math.pow", "no.such"])
def test_while_the_call_service_is_off_it_is_503_and_names_the_cure(off: GatewayProcess, path: str) -> None:
    reply = post(off, path, {"args": [2, 3]})
    fields = reply.problem()
    assert (reply.status, fields["code"], fields["maybe_ran"]) == (503, "busy", False)
    assert "call.enabled" in fields["detail"]
    assert reply.headers["retry-after"]
    assert ask(off, "GET", f"/v1/describe/{path}").status == 503


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "NOSUCH"])
@pytest.mark.parametrize("target", ["/v1/call/demo.echo", "/api/file?func=demo.echo"])
def test_other_methods_call_nothing(libraries: GatewayProcess, method: str, target: str) -> None:
    reply = ask(libraries, method, target)
    assert reply.status in (400, 405)
    if reply.status == 405:
        assert reply.headers["allow"] == "GET, POST"
    if method == "HEAD":
        assert reply.body == b""


def test_descriptions_for_everybody(libraries: GatewayProcess) -> None:
    told = ask(libraries, "GET", "/v1/describe/demo.div").json()
    assert (told["path"], told["kind"]) == ("demo.div", "function")
    assert [parameter["name"] for parameter in told["signature"]] == ["a", "b"]
    assert "sync_say_hi" in ask(libraries, "GET", "/v1/describe/demo").json()["members"]
    assert ask(libraries, "GET", "/v1/describe/no.such").problem()["code"] == "not_found"
    assert ask(libraries, "POST", "/v1/describe/demo.div", b"{}").status == 405


@pytest.mark.parametrize(
    "target", ["/", "/v1", "/v1/call", "/v1/calls/x", "/api", "/nothing", "/ws/bytes", "//v1/call/math.pi"]
)
def test_other_addresses_are_404(libraries: GatewayProcess, target: str) -> None:
    assert ask(libraries, "GET", target).problem()["code"] == "not_found"


@pytest.mark.parametrize("target", ["/v1/call/", "/api/file", "/api/file?func="])
def test_a_call_of_nothing_is_not_found(libraries: GatewayProcess, target: str) -> None:
    assert ask(libraries, "POST", target).problem()["code"] == "not_found"


def test_life_and_readiness(libraries: GatewayProcess, off: GatewayProcess) -> None:
    for gateway in (libraries, off):
        assert ask(gateway, "GET", "/livez").body == b"alive\n"
        assert ask(gateway, "GET", "/readyz").body == b"ready\n"
        head = ask(gateway, "HEAD", "/livez")
        assert (head.status, head.body) == (200, b"")


def test_one_connection_serves_many_requests(libraries: GatewayProcess) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", libraries.port, timeout=30)
    try:
        for number in range(20):
            told = json.dumps({"args": [number]}).encode()
            target = "/v1/call/demo.echo" if number % 3 else "/v1/call/demo.div"
            connection.request("POST", target, told, {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read()
            assert response.status == (200 if number % 3 else 500), body
            assert not response.will_close
    finally:
        connection.close()
