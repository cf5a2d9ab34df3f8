"""The original's addresses: its parameters, its envelope, and the true status."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.helpers import launch
from tests.helpers.server import ROOT, GatewayProcess, clean_environment
from tests.integration.conftest import usable
from tests.integration.exchange import Reply, ask

NAMES = ["status", "datetime", "func", "args", "kwargs", "type", "data"]
OLD_BODIES = [b"\x1f\x8b\x08\x00old", b"\x80\x04\x95old", b"\x80\x05\x95old"]


def envelope(reply: Reply) -> dict[str, Any]:
    """Read an answer that is an envelope with the true status and a time with its zone."""
    assert reply.media_type == "application/json", reply
    fields: dict[str, Any] = reply.json()
    assert list(fields) == NAMES
    assert fields["status"] == reply.status
    check_time(fields["datetime"])
    return fields


def check_time(text: str) -> None:
    told = datetime.fromisoformat(text)
    assert told.utcoffset() == timedelta(hours=8)  # server.time_zone, wherever this machine stands
    assert abs(datetime.now(told.tzinfo) - told) < timedelta(minutes=1)


def get(gateway: GatewayProcess, query: str, **headers: str) -> Reply:
    return ask(gateway, "GET", f"/api/get?{query}", None, headers)


def post(gateway: GatewayProcess, query: str, told: Any = None, **headers: str) -> Reply:
    body = b"" if told is None else json.dumps(told).encode()
    return ask(gateway, "POST", f"/api/post?{query}", body, {"Content-Type": "application/json", **headers})


def test_a_table_is_csv_by_default(libraries: GatewayProcess) -> None:
    for query in ("func=demo.test", "func=demo.test&fmt=csv&cache_get=true&cache_expire=86400&async_remote=true"):
        reply = get(libraries, query)
        assert (reply.status, reply.media_type) == (200, "text/csv")
        rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
        assert [row["code"] for row in rows] == ["600000.SH"] * 2 + ["000001.SZ"] * 3
        assert rows[0]["date"].startswith("2024-01-02")
    assert post(libraries, "func=demo.test").body == reply.body


def test_a_table_as_json_is_what_pandas_calls_tight(libraries: GatewayProcess) -> None:
    fields = envelope(get(libraries, "func=demo.test&fmt=json"))
    assert (fields["func"], fields["args"], fields["kwargs"], fields["type"]) == ("demo.test", [], {}, "DataFrame")
    frame = pd.DataFrame.from_dict(fields["data"], orient="tight")
    assert frame.index.name == "date"
    assert frame["volume"].tolist() == [27_811_000, 25_642_100, 115_936_600, 73_361_000, 86_450_300]
    assert frame["halted"].tolist() == [False, False, False, True, False]
    assert pd.to_datetime(frame.index)[0] == pd.Timestamp("2024-01-02")


@pytest.mark.parametrize("fmt", ["json", "csv"])
def test_whatever_is_no_table_is_json_in_either_format(libraries: GatewayProcess, fmt: str) -> None:
    fields = envelope(get(libraries, f"func=math.pi&fmt={fmt}"))
    assert (fields["type"], fields["data"]) == ("float", 3.141592653589793)
    fields = envelope(post(libraries, f"func=demo.echo&fmt={fmt}", {"args": ["000001", None], "kwargs": {"n": [1]}}))
    assert (fields["type"], fields["data"]) == ("tuple", [["000001", None], {"n": [1]}])
    assert (fields["args"], fields["kwargs"]) == (["000001", None], {"n": [1]})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"args": [1, 4]}, 0.25),
        ({"kwargs": {"a": 1, "b": 4}, "args": None}, 0.25),
        ({"args": [1, 4], "kwargs": []}, 0.25),
    ],
)
def test_arguments_are_read_as_on_every_address(libraries: GatewayProcess, body: Any, expected: float) -> None:
    assert envelope(post(libraries, "func=demo.div", body))["data"] == expected


ERRORS = [
    ("func=demo.div&fmt=json", {"args": [1, 0]}, 500, "ZeroDivisionError", "division by zero"),
    ("func=demo.div", {"args": [1, 0]}, 500, "ZeroDivisionError", "division by zero"),
    ("func=os.getcwd", {}, 404, "NotFoundError", "not for you"),
    ("func=", {}, 404, "NotFoundError", "not for you"),
    ("", {}, 404, "NotFoundError", "not for you"),
    ("func=math.factorial", {"args": [3]}, 403, "ForbiddenError", "math.factorial"),
    ("func=numpy.zeros", {"kwargs": {"nosuch": 1}}, 422, "ArgumentError", ""),
    ("func=demo.echo&fmt=xml", {}, 406, "NotAcceptableError", "json, csv"),
    ("func=demo.echo", {"more": 1}, 400, "DecodeError", '"args"'),
]


@pytest.mark.parametrize(("query", "body", "status", "kind", "words"), ERRORS)
def test_an_error_has_its_true_status_and_the_old_body(
    libraries: GatewayProcess, query: str, body: Any, status: int, kind: str, words: str
) -> None:
    reply = post(libraries, query, body)
    fields = envelope(reply)
    assert (reply.status, fields["type"]) == (status, kind)
    assert words in fields["data"]
    assert b"Traceback" not in reply.body


def test_an_error_repeats_the_call(libraries: GatewayProcess) -> None:
    fields = envelope(post(libraries, "func=demo.div", {"args": [1], "kwargs": {"b": 0}}))
    assert (fields["func"], fields["args"], fields["kwargs"]) == ("demo.div", [1], {"b": 0})


def test_get_takes_no_arguments_and_says_where_they_go(libraries: GatewayProcess) -> None:
    fields = envelope(get(libraries, "func=demo.echo&a=1"))
    assert fields["status"] == 422
    assert "/api/post" in fields["data"]


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("POST", "get", "GET"), ("GET", "post", "POST"), ("PUT", "post", "POST")]
)
def test_the_other_method_calls_nothing(libraries: GatewayProcess, method: str, path: str, allow: str) -> None:
    reply = ask(libraries, method, f"/api/{path}?func=demo.test")
    assert envelope(reply)["status"] == 405
    assert reply.headers["allow"] == allow


@pytest.mark.parametrize("body", OLD_BODIES)
@pytest.mark.parametrize("target", ["/api/post?func=demo.echo", "/api/file?func=demo.echo", "/v1/call/demo.echo"])
def test_an_old_clients_pickle_is_415_with_the_cure_on_every_address(
    libraries: GatewayProcess, target: str, body: bytes
) -> None:
    for media_type in ("application/octet-stream", "application/json", "multipart/form-data; boundary=x"):
        reply = ask(libraries, "POST", target, body, {"Content-Type": media_type})
        assert reply.status == 415
        assert "this server needs ksrpc >= 1" in reply.body.decode()


def test_a_token_is_asked_for_before_the_body_is_read(guarded: GatewayProcess, token: str) -> None:
    reply = post(guarded, "func=math.pow", {"args": [2, 3]})
    assert envelope(reply)["status"] == 401
    assert envelope(reply)["args"] == []
    assert reply.headers["www-authenticate"].startswith("Bearer")
    told = post(guarded, "func=math.pow", {"args": [2, 3]}, Authorization=f"Bearer {token}")
    assert envelope(told)["data"] == 8.0


def test_pages_of_other_sites_call_nothing(libraries: GatewayProcess) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        assert ask(libraries, "GET", "/api/get?func=demo.test", None, headers).status == 403
        assert ask(libraries, "POST", "/api/post?func=demo.test", b"", headers).status == 403


def test_the_options_of_a_call_hold(libraries: GatewayProcess) -> None:
    late = post(libraries, "func=demo.sleep", {"args": [30]}, **{"X-Ksrpc-Timeout": "0.3"})
    assert envelope(late)["status"] == 504
    assert envelope(get(libraries, "func=math.pi&async_remote=false"))["data"] == 3.141592653589793


def test_an_answer_is_kept_for_as_long_as_is_asked(libraries: GatewayProcess) -> None:
    query = "func=demo.echo&cache_expire=60"
    told = {"args": ["kept by the original's address"]}
    assert "hit" not in post(libraries, query, told).headers["cache-status"]
    assert "hit" in post(libraries, query, told).headers["cache-status"]
    assert "hit" not in post(libraries, query + "&cache_get=false", told).headers["cache-status"]
    assert "cache-status" not in post(libraries, "func=demo.echo", told).headers
    assert envelope(post(libraries, "func=demo.echo&cache_expire=soon", told))["status"] == 400


# /ws/json


@contextmanager
def opened(gateway: GatewayProcess, **headers: str) -> Iterator[ClientConnection]:
    """Open a connection that takes answers of any size."""
    with connect(f"{gateway.ws_url}/ws/json", additional_headers=headers, max_size=None) as socket:
        yield socket


@pytest.fixture
def socket(libraries: GatewayProcess) -> Iterator[ClientConnection]:
    """Open a connection of its own for each test."""
    with opened(libraries) as made:
        yield made


def say(socket: ClientConnection, **told: Any) -> None:
    socket.send(json.dumps(told))


def hear(socket: ClientConnection) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(socket.recv(timeout=30))
    if "pong" not in told:
        assert [name for name in told if name != "id"] == NAMES
        check_time(told["datetime"])
    return told


def test_frames_without_an_id_are_answered_in_their_order(socket: ClientConnection) -> None:
    say(socket, func="demo.sleep", args=[0.3])
    socket.send("{")
    for number in range(5):
        say(socket, func="demo.echo", args=[number])
    answers = [hear(socket) for _ in range(7)]
    assert [answer["data"] for answer in answers[2:]] == [0, 1, 2, 3, 4]
    assert (answers[0]["data"], answers[1]["status"]) == (0.3, 400)
    assert not any("id" in answer for answer in answers)


def test_frames_with_an_id_are_answered_when_they_are_ready(socket: ClientConnection) -> None:
    say(socket, func="demo.async_sleep", args=[1], id="slow")
    say(socket, func="demo.echo", args=["first"])
    say(socket, func="demo.echo", args=["fast"], id=7)
    answers = [hear(socket) for _ in range(3)]
    assert [answer.get("id") for answer in answers][-1] == "slow"
    assert {answer.get("id"): answer["data"] for answer in answers} == {"slow": 1, None: "first", 7: "fast"}


def test_tables_in_both_formats(socket: ClientConnection) -> None:
    say(socket, func="demo.test")
    fields = hear(socket)
    assert (fields["status"], fields["type"]) == (200, "DataFrame")
    assert pd.DataFrame.from_dict(fields["data"], orient="tight").shape == (5, 5)
    say(socket, func="demo.test", fmt="csv", cache_get=True, cache_expire=60, async_remote=False, kwargs=[], args=None)
    fields = hear(socket)
    assert len(pd.read_csv(io.StringIO(fields["data"]))) == 5
    say(socket, func="math.pi", fmt="csv")
    assert hear(socket)["data"] == 3.141592653589793


def test_a_kept_answer_serves_frames_too(socket: ClientConnection) -> None:
    def duration_s(**options: Any) -> float:
        started = time.monotonic()
        say(socket, func="demo.sleep", args=[1.25], **options)
        assert hear(socket)["data"] == 1.25
        return time.monotonic() - started

    assert duration_s(cache_expire=60) >= 1.25
    assert duration_s(cache_expire=60) < 1.25
    assert duration_s(cache_expire=60, cache_get=False) >= 1.25


@pytest.mark.parametrize(
    ("text", "status", "kind"),
    [
        ("{", 400, "DecodeError"),
        ("[1]", 400, "DecodeError"),
        ('{"func": "demo.echo", "func": "demo.div"}', 400, "DecodeError"),
        ('{"func": "demo.echo", "args": [NaN]}', 400, "DecodeError"),
        ('{"func": 5}', 400, "DecodeError"),
        ('{"func": "demo.echo", "kwargs": 5}', 400, "DecodeError"),
        ('{"func": "demo.echo", "id": [1]}', 400, "DecodeError"),
        ('{"func": "demo.echo", "id": true}', 400, "DecodeError"),
        ('{"func": "demo.echo", "nosuch": 1}', 400, "DecodeError"),
        ('{"func": "demo.echo", "async_remote": "no"}', 400, "DecodeError"),
        ('{"func": "demo.echo", "timeout_s": -1}', 400, "DecodeError"),
        ('{"func": "demo.echo", "cache_get": "no"}', 400, "DecodeError"),
        ('{"func": "demo.echo", "cache_expire": "soon"}', 400, "DecodeError"),
        ('{"func": "demo.echo", "fmt": "xml"}', 406, "NotAcceptableError"),
        ('{"cancel": 1, "func": "demo.echo"}', 400, "DecodeError"),
        ("[" * 100_000, 400, "DecodeError"),
        ("{}", 404, "NotFoundError"),
        ('{"func": "os.getcwd"}', 404, "NotFoundError"),
        ('{"func": "math.factorial", "args": [1]}', 403, "ForbiddenError"),
        ('{"func": "demo.div", "args": [1, 0]}', 500, "ZeroDivisionError"),
        ('{"func": "demo.sleep", "args": [30], "timeout_s": 0.3}', 504, "DeadlineError"),
    ],
)
def test_an_error_is_an_envelope_and_the_connection_stays(
    socket: ClientConnection, text: str, status: int, kind: str
) -> None:
    socket.send(text)
    fields = hear(socket)
    assert (fields["status"], fields["type"]) == (status, kind)
    say(socket, func="demo.echo", args=["still there"], id=1)
    assert hear(socket)["data"] == "still there"


def test_an_error_keeps_the_id(socket: ClientConnection) -> None:
    say(socket, func="demo.div", args=[1, 0], id="a", nosuch=1)
    assert hear(socket)["id"] == "a"


def test_ping_is_answered_at_once(socket: ClientConnection) -> None:
    say(socket, func="demo.async_sleep", args=[20], id=1)
    say(socket, func="demo.sleep", args=[20])
    for n in (1, "x", None, [1]):
        say(socket, ping=n)
        assert hear(socket) == {"pong": n}


def test_a_cancelled_call_is_answered_once_and_ends(socket: ClientConnection) -> None:
    say(socket, func="demo.sleep", args=[50], id="a")
    say(socket, cancel="a")
    fields = hear(socket)
    assert (fields["id"], fields["status"], fields["type"]) == ("a", 499, "CancelledError")
    say(socket, cancel="a")
    say(socket, cancel="never seen")
    say(socket, cancel=[1])
    say(socket, func="demo.echo", args=[1], id="a")
    assert hear(socket)["data"] == 1


def test_an_id_under_way_is_not_taken_twice(socket: ClientConnection) -> None:
    say(socket, func="demo.async_sleep", args=[20], id=1)
    say(socket, func="demo.echo", id=1)
    fields = hear(socket)
    assert (fields["status"], "id" in fields) == (400, False)
    assert "under way" in fields["data"]


def closing(socket: ClientConnection) -> tuple[int, str]:
    """Wait for the server to hang up; return code and reason."""
    while True:
        try:
            socket.recv(timeout=30)
        except ConnectionClosed as exc:
            return (exc.rcvd.code, exc.rcvd.reason) if exc.rcvd else (0, "")


def test_a_frame_over_one_mebibyte_ends_the_connection(libraries: GatewayProcess) -> None:
    with opened(libraries) as socket:
        fits = "x" * ((1 << 20) - 100)
        say(socket, func="demo.echo", args=[fits], id=1)
        assert hear(socket)["data"] == fits
        say(socket, func="demo.echo", args=["x" * (1 << 20)], id=1)
        assert closing(socket) == (1009, "the frame is over 1 MiB")


def test_a_frame_far_over_it_is_not_even_read(libraries: GatewayProcess) -> None:
    before = libraries.rss_anon_bytes
    with suppress(ConnectionClosed), opened(libraries) as socket:
        for _ in range(50):
            socket.send("x" * (4 << 20))
        pytest.fail("the connection stayed")
    assert libraries.rss_anon_bytes - before < 64 << 20


def test_too_many_open_calls_end_the_connection(libraries: GatewayProcess) -> None:
    with opened(libraries) as socket:
        for number in range(257):
            say(socket, func="demo.async_sleep", args=[50], id=number)
        assert closing(socket) == (1008, "over 256 calls are open on this connection")


def test_open_calls_hold_no_more_than_their_bound(libraries: GatewayProcess) -> None:
    large = "x" * ((1 << 20) - 200)
    with opened(libraries) as socket:
        say(socket, func="demo.sleep", args=[1.5])
        for _ in range(20):
            say(socket, func="demo.echo", args=[large])
        answers = [hear(socket) for _ in range(21)]
        assert [fields["status"] for fields in answers] == [200] * 17 + [503] * 4
        assert "16 MiB" in answers[-1]["data"]
        say(socket, func="demo.echo", args=[large])
        assert hear(socket)["data"] == large


def test_an_answer_over_its_bound_is_refused_and_the_connection_stays(libraries: GatewayProcess) -> None:
    with opened(libraries) as socket:
        say(socket, func="demo.blob", args=[65 << 20])
        fields = hear(socket)
        assert (fields["status"], fields["type"]) == (413, "TooLargeError")
        say(socket, func="demo.blob", args=[3])
        assert hear(socket)["data"] == [0, 0, 0]


@pytest.mark.parametrize("body", OLD_BODIES)
def test_an_old_client_is_told_the_cure(libraries: GatewayProcess, body: bytes) -> None:
    with opened(libraries) as socket:
        socket.send(body)
        code, reason = closing(socket)
        assert code == 1002
        assert "this server needs ksrpc >= 1" in reason


def test_binary_messages_are_refused(libraries: GatewayProcess) -> None:
    with opened(libraries) as socket:
        socket.send(b"{}")
        assert closing(socket) == (1002, "binary messages are not spoken here, only texts")


def test_a_handshake_without_a_right_has_its_true_status(guarded: GatewayProcess, libraries: GatewayProcess) -> None:
    with pytest.raises(InvalidStatus) as caught, opened(guarded):
        pass
    assert caught.value.response.status_code == 401
    with pytest.raises(InvalidStatus) as caught, opened(libraries, Origin="http://evil.example"):
        pass
    assert caught.value.response.status_code == 403


def test_a_revoked_token_ends_the_connection(guarded: GatewayProcess) -> None:
    made = usable(guarded, guarded.create_token("wang"))
    with opened(guarded, Authorization=f"Bearer {made}") as socket:
        say(socket, func="math.pow", args=[2, 3])
        assert hear(socket)["data"] == 8.0
        say(socket, func="demo.sleep", args=[15])
        assert guarded.run("token", "revoke", made.split("_")[1]).returncode == 0
        revoked_at = datetime.now()
        assert closing(socket) == (1008, "the token is no longer valid")
        assert datetime.now() - revoked_at < timedelta(seconds=3)


def test_a_slow_reader_holds_up_nobody_else(libraries: GatewayProcess) -> None:
    with connect(f"{libraries.ws_url}/ws/json", max_size=None, max_queue=1) as slow, opened(libraries) as other:
        for number in range(30):
            say(slow, func="demo.frame", args=[20_000, 10], id=number)
        say(other, func="demo.echo", args=["through"])
        assert hear(other)["data"] == "through"
        assert sorted(hear(slow)["id"] for _ in range(30)) == list(range(30))


def test_a_client_that_leaves_ends_its_calls(libraries: GatewayProcess) -> None:
    done = threading.Event()

    def occupy() -> None:
        for _ in range(3):
            with opened(libraries) as socket:
                for number in range(2):
                    say(socket, func="demo.sleep", args=[60], id=number)
                say(socket, ping=1)
                hear(socket)
        done.set()

    thread = threading.Thread(target=occupy)
    thread.start()
    thread.join(30)
    assert done.is_set()
    assert envelope(post(libraries, "func=demo.sleep", {"args": [0]}))["data"] == 0  # both processes are free again


# the examples


def run_example(name: str, gateway: GatewayProcess | None, folder: Path) -> str:
    """Run a program of `examples/` with the gateway's address; return what it printed."""
    env = clean_environment()
    given = [gateway.url] if gateway else []
    command = [sys.executable, str(ROOT / "examples" / name), *given]
    done = launch.run(command, cwd=folder, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.mark.parametrize("name", ["demo_http.py", "demo_websocket.py"])
def test_an_example_prints_what_it_shows(gateway: GatewayProcess, tmp_path: Path, name: str) -> None:
    printed = run_example(name, gateway, tmp_path)
    assert "3.141592653589793" in printed
    assert "8.0" in printed
    assert "000001.SZ" in printed
    assert "Hi BB, from an async function" in printed
    assert "ZeroDivisionError" in printed


def test_a_server_is_started_from_code(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "run_app.py"), "--port", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        url = line.split()[-1]
        assert run_url(url, tmp_path).splitlines()[0] == "3.141592653589793"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0


def run_url(url: str, folder: Path) -> str:
    command = [sys.executable, str(ROOT / "examples" / "demo_http.py"), url]
    env = clean_environment()
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=True).stdout
