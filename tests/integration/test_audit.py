"""What is written down of calls, seen from outside: by the file, and by `ksrpc audit`."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import ksrpc
from ksrpc.errors import ForbiddenError, KsrpcError, LostError, NotFoundError
from ksrpc.store.journal import journal_files, read_lines, verify
from tests.helpers.server import GatewayProcess

CONFIG = """
[server]
port = 0
[call]
enabled = true
traceback = true
[access]
allow = ["demo", "math", "numpy"]
block = ["math.sin"]
[quota.default]
rows_per_day = 1000000
[audit]
arguments = "preview"
"""
HOSTILE = 'a\r\n{"event":"forged"}\r\n\x1b[31m\u202e\u2028' + "x" * 500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("audit"), CONFIG) as process:
        yield process


@pytest.fixture(scope="module")
def token(server: GatewayProcess) -> str:
    return server.create_token("lisi")


def events(server: GatewayProcess) -> list[dict[str, Any]]:
    return [line.record for path in journal_files(server.folder / "data" / "audit") for line in read_lines(path)]


def written(server: GatewayProcess, **wanted: Any) -> list[dict[str, Any]]:
    """Wait until a record is on the disk; return all of its kind."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = [event for event in events(server) if wanted.items() <= event.items()]
        if found:
            return found
        threading.Event().wait(0.05)
    raise AssertionError(f"{wanted} was not written; there is {events(server)[-5:]}")


def test_a_call_is_written_before_and_after(server: GatewayProcess, token: str, transport: str) -> None:
    url = server.url if transport == "http" else server.ws_url
    with ksrpc.connect(url, token=token) as gw:
        gw.call("demo.frame", 30)
        with pytest.raises(ValueError, match="domain"):
            gw.call("math.sqrt", -1)
    (settled,) = written(server, rows=30, outcome="ok")[-1:]
    (decided,) = written(server, event="decided", call=settled["call"])
    assert (decided["user"], decided["from"], decided["path"]) == ("lisi", "127.0.0.1", "demo.frame")
    assert decided["token"] == token.split("_")[1]
    assert decided["asked"] == "(30)"
    assert decided["arguments"].split()[0].isdigit()
    assert settled["ms"] > 0
    assert settled["bytes"] > 30 * 8
    assert written(server, outcome="raised", event="settled")


def test_refusals_are_counted_and_strangers_too(server: GatewayProcess, token: str, transport: str) -> None:
    url = server.url if transport == "http" else server.ws_url
    with ksrpc.connect(url, token=token) as gw:
        for _ in range(5):
            with pytest.raises(NotFoundError):
                gw.call("os.system", "id")
            with pytest.raises(ForbiddenError):
                gw.call("math.sin", 1)
    with pytest.raises(KsrpcError), ksrpc.connect(url, token="wrong") as gw:
        gw.call("math.pow", 2, 3)
    told = {event["path"]: event["outcome"] for event in written(server, event="refused", user="lisi")}
    assert told["os.system"] == "not_found"
    assert told["math.sin"].startswith("forbidden A2")
    assert Counter(event["path"] for event in events(server) if event.get("path") == "os.system")["os.system"] == 1
    assert written(server, event="refused", outcome="unauthorized")[0]["from"] == "127.0.0.1"


def test_no_text_of_a_caller_forges_a_line(server: GatewayProcess, token: str, transport: str) -> None:
    url = server.url if transport == "http" else server.ws_url
    with ksrpc.connect(url, token=token) as gw:
        for path in (HOSTILE, f"demo.{HOSTILE}"):
            with suppress(KsrpcError, ValueError):
                gw.call(path, 1)
        gw.call("demo.echo", HOSTILE)
    request = urllib.request.Request(f"{server.url}/v1/call/demo.{quote(HOSTILE)}", b"{}", method="POST")
    request.add_header("Authorization", f"Bearer {token}")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=20)
    written(server, event="decided", path="demo.echo")
    for file in journal_files(server.folder / "data" / "audit"):
        text = file.read_bytes()
        assert text.isascii()
        assert not {*range(32)} - {10} & {*text}
        assert b'"event":"forged"' not in text
    assert not [event for event in events(server) if not event or event["event"] == "forged"]
    assert max(len(str(event.get("path", ""))) for event in events(server)) <= 200
    assert "\x1b" not in server.log


def test_tokens_and_settings_are_written(server: GatewayProcess) -> None:
    made = server.create_token("wang")
    shown = made.split("_")[1]
    assert written(server, event="token created", token=shown)[0]["user"] == "wang"
    assert server.run("token", "revoke", shown).returncode == 0
    assert written(server, event="token revoked", token=shown)
    with (server.folder / "ksrpc.toml").open("a") as file:
        file.write("\n")
    assert written(server, event="reloaded")
    everything = "".join(path.read_text() for path in journal_files(server.folder / "data" / "audit"))
    assert made.split("_")[2] not in everything


def test_many_callers_at_once_leave_whole_pairs(server: GatewayProcess, token: str) -> None:
    before = len(events(server))
    with ksrpc.connect(server.ws_url, token=token) as gw, ThreadPoolExecutor(64) as threads:
        assert list(threads.map(lambda number: gw.call("math.pow", number, 1), range(640))) == [*map(float, range(640))]
        gw.call("math.floor", 1.5)
    written(server, event="settled", call=written(server, event="decided", path="math.floor")[-1]["call"])
    new = events(server)[before:]
    decided = {event["call"] for event in new if event["event"] == "decided"}
    settled = {event["call"] for event in new if event["event"] == "settled"}
    assert len(decided) >= 641
    assert decided == settled
    assert not [verdict.fault for verdict in verify(server.folder / "data" / "audit") if verdict.fault]


def test_the_command_shows_and_verifies(server: GatewayProcess, token: str) -> None:
    with ksrpc.connect(server.url, token=token) as gw:
        for number in (18, 27, 36):
            gw.call("math.gcd", 12, number)
    (last,) = written(server, event="decided", path="math.gcd")[-1:]
    written(server, event="settled", call=last["call"])
    shown = server.run("audit", "ls", "--user", "lisi", "--path", "math.g*", "--since", "1h")
    line = shown.stdout.splitlines()[-1].split()
    assert line[2:6] == ["lisi", "127.0.0.1", "math.gcd(12,", "36)"]
    told = json.loads(server.run("audit", "ls", "--outcome", "ok", "-n", "3", "--json").stdout)
    assert len(told) == 3
    assert {event["outcome"] for event in told} == {"ok"}
    assert server.run("audit", "verify").stdout.startswith("ok ")
    bad = server.run("audit", "ls", "--since", "yesterday")
    assert bad.returncode == 2
    assert "neither a span" in bad.stderr


def test_a_server_that_is_killed_leaves_what_was_decided(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, CONFIG.replace("[access]", "[access]\nanonymous = true")) as server:
        with ksrpc.connect(server.ws_url) as gw:
            gw.call("demo.echo", 1)
            asking = threading.Thread(target=lambda: _ask(gw), name="asking")
            asking.start()
            (decided,) = written(server, event="decided", path="demo.sleep")
            server.kill()
            asking.join()
        assert not [e for e in events(server) if e["event"] == "settled" and e["call"] == decided["call"]]
        shown = server.run("audit", "ls", "--path", "demo.sleep").stdout
        assert "under way, or cut off" in shown
        assert server.run("audit", "verify").stdout.startswith("ok ")


def _ask(gw: ksrpc.RemoteGateway) -> None:
    with suppress(LostError, KsrpcError):
        gw.call("demo.sleep", 30)
