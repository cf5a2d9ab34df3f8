"""GET /metrics: who is told, what is counted, and that it is given back."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

import ksrpc
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import LostError
from ksrpc.server.metric import GAUGES
from ksrpc.store import TokenStore
from tests.helpers.cutter import cutting
from tests.helpers.inside import figures
from tests.helpers.keeping import listed, write_modules
from tests.helpers.server import ROOT, GatewayProcess
from tests.integration.exchange import ask

WATCHED = f"""
[server]
port = 0
[call]
enabled = true
processes = 1
[access]
anonymous = true
allow = ["mine"]
[user.anonymous]
handles = true
{listed("mine")}
"""
PROXIED = """
[server]
port = 0
[call]
enabled = true
[access]
trusted_proxies = ["loopback"]
ip_allow = ["loopback", "10.0.0.0/8"]
"""
FAR = {"X-Forwarded-For": "10.1.2.3"}
NOTHING = {"calls": 0, "streams": 0, "handles": 0, "sessions_connected": 0, "sessions_waiting": 0}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("watched")
    write_modules(folder, "mine")
    with GatewayProcess(folder, WATCHED) as process:
        yield process


def await_figures(gateway: GatewayProcess, **expected: int) -> None:
    """Ask until these gauges stand so."""
    end, tick = time.monotonic() + 30, threading.Event()
    while not expected.items() <= (told := figures(gateway)).items():
        assert time.monotonic() < end, told
        tick.wait(0.02)


def test_each_gauge_is_told_with_its_meaning_as_the_reference_lists_it(watched: GatewayProcess) -> None:
    reply = ask(watched, "GET", "/metrics")
    text = reply.body.decode()
    assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    page = (ROOT / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(ksrpc_\w+)` \| (.+) \|$", page, re.MULTILINE) == list(GAUGES)
    assert re.findall(r"^# HELP (ksrpc_\w+) (.+)$", text, re.MULTILINE) == list(GAUGES)
    assert re.findall(r"^# TYPE (ksrpc_\w+) gauge$", text, re.MULTILINE) == [gauge.name for gauge in GAUGES]
    assert "\nksrpc_ready 1.0\n" in text
    assert float(re.findall(r"^process_resident_memory_bytes (.+)$", text, re.MULTILINE)[0]) > 1 << 20


def test_what_a_client_has_it_hold_is_counted_until_it_closes(watched: GatewayProcess) -> None:
    await_figures(watched, **NOTHING)
    with ThreadPoolExecutor(1) as pool:
        with WebSocketConnection(watched.ws_url) as there:
            account = ksrpc.RpcClient("mine", there).Account("li")
            await_figures(watched, **{**NOTHING, "handles": 1, "sessions_connected": 1})
            items = iter(account.many(10**9))  # of which it reads no more than there is room for
            assert next(items) == 0
            await_figures(watched, calls=1, streams=1)
            hanging = pool.submit(account.hang)
            await_figures(watched, calls=2, streams=1, handles=1)
            assert figures(watched)["worker_processes"] == len(watched.worker_pids) == 1
        with pytest.raises(LostError):
            hanging.result()
    await_figures(watched, **NOTHING)


def test_a_session_that_waits_for_its_client_is_counted_as_such(watched: GatewayProcess) -> None:
    await_figures(watched, **NOTHING)
    with cutting(watched.port) as cutter, WebSocketConnection(cutter.ws_url) as there:
        account = ksrpc.RpcClient("mine", there).Account("li")
        cutter.is_closed = True
        cutter.cut()
        await_figures(watched, handles=1, sessions_connected=0, sessions_waiting=1)
        cutter.is_closed = False
        assert account.balance() == ("li", "CNY")
        await_figures(watched, handles=1, sessions_connected=1, sessions_waiting=0)
    await_figures(watched, **NOTHING)


def test_it_is_told_on_this_machine_and_elsewhere_to_administrators(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, PROXIED) as gateway:
        with closing(TokenStore(tmp_path / "data" / "store.sqlite3")) as tokens:
            admin = tokens.create("admin", scopes=frozenset({"call", "admin"}))
            user = tokens.create("li")

        def status(headers: dict[str, str], method: str = "GET") -> int:
            return ask(gateway, method, "/metrics", None, headers).status

        def by(token: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {token}"}

        end, tick = time.monotonic() + 30, threading.Event()
        while status({**FAR, **by(admin)}) == 401 and time.monotonic() < end:
            tick.wait(0.05)  # until it has seen the new tokens
        assert status({**FAR, **by(admin)}) == 200
        assert status({}) == status(by(user)) == 200
        assert status({**FAR, **by(user)}) == 403
        assert status(FAR) == status(by("ksr_no")) == 401
        assert status({"Origin": "https://evil.example"}) == 401
        assert status({"X-Forwarded-For": "203.0.113.7", **by(admin)}) == 403
        assert status({}, "POST") == 405


def test_the_page_of_another_site_is_told_nothing(watched: GatewayProcess) -> None:
    assert ask(watched, "GET", "/metrics", None, {"Origin": "https://evil.example"}).status == 403
