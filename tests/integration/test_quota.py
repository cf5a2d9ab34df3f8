"""Row quotas from outside: over every transport, from many threads, across restarts and edits of the configuration."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from websockets.sync.client import connect

import ksrpc
from ksrpc.client import RemoteGateway
from ksrpc.connections.base import Options
from ksrpc.errors import NotFoundError, QuotaError, RemoteError
from tests.helpers import vendor
from tests.helpers.server import GatewayProcess
from tests.integration.exchange import Reply, ask, post

ZONE = ZoneInfo("Asia/Shanghai")
CONFIG = f"""
[server]
port = 0
time_zone = "Asia/Shanghai"
[call]
enabled = true
place = "open"
processes = 4
[access]
allow = ["vendor", "demo", "math"]
[user.narrow]
allow = ["math"]
quota = {{ rows_per_day = 0 }}
[module.vendor]
path = "{Path(vendor.__file__).as_posix()}"
arguments = "any"
"""
#: As the original's QUOTA_MODULE = {"demo": 1000} and QUOTA_FUNC = {"demo.test": 500}.
QUOTA = """
[quota."demo"]
rows_per_day = 1000
[quota."demo.test"]
rows_per_day = 500
[quota."vendor"]
rows_per_day = 1000
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Share a server; each test is a user of its own."""
    with GatewayProcess(tmp_path_factory.mktemp("quota"), CONFIG + QUOTA) as process:
        yield process


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    return f"user-{abs(hash(request.node.nodeid)) % 10**9}"


@pytest.fixture
def token(server: GatewayProcess, user: str) -> str:
    return server.create_token(user)


@pytest.fixture
def gw(server: GatewayProcess, token: str, transport: str) -> Iterator[RemoteGateway]:
    with ksrpc.connect(server.url if transport == "http" else server.ws_url, token=token, timeout=60) as gateway:
        yield gateway


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """Name the file in which the library counts the calls that reached it."""
    return str(tmp_path / "ledger")


def reached(ledger: str) -> int:
    path = Path(ledger)
    return len(path.read_text().splitlines()) if path.exists() else 0


def get(server: GatewayProcess, target: str, token: str) -> Reply:
    return ask(server, "GET", target, headers={"Authorization": f"Bearer {token}"})


def used(server: GatewayProcess, token: str) -> dict[str, int]:
    reply = get(server, "/v1/me", token)
    return {usage["scope"]: usage["used"] for usage in reply.json()["quota"]}


def listed(server: GatewayProcess, user: str) -> dict[str, int]:
    done = server.run("quota", "ls", "--user", user, "--json")
    assert done.returncode == 0, done.stderr
    return {usage["scope"]: usage["used"] for usage in json.loads(done.stdout)}


def midnight_in_s() -> float:
    now = datetime.now(ZONE)
    return (datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), ZONE) - now).total_seconds()


def test_the_originals_switches_hold(server: GatewayProcess, gw: RemoteGateway, token: str) -> None:
    for _ in range(100):
        assert len(gw.call("demo.test")) == 5
    with pytest.raises(
        QuotaError, match=r"^the quota of 500 rows of demo\.test a day is used up \(500 used\)"
    ) as caught:
        gw.call("demo.test")
    error = caught.value
    assert (error.scope, error.limit_rows, error.used_rows, error.retryable) == ("demo.test", 500, 500, True)
    assert error.retry_after_s == pytest.approx(midnight_in_s(), abs=5)
    assert error.maybe_ran is False
    assert len(gw.call("demo.frame", 500)) == 500
    with pytest.raises(QuotaError, match=r"^the quota of 1000 rows of demo a day is used up"):
        gw.call("demo.sync_say_hi", "x")
    assert gw.call("math.pow", 2, 3) == 8.0
    assert used(server, token) == {"demo": 1000, "demo.test": 500, "vendor": 0}


def test_a_refusal_is_a_429_that_says_when_to_come_back(server: GatewayProcess, token: str) -> None:
    assert post(server, "demo.frame", {"args": [1500]}, Authorization=f"Bearer {token}").status == 200
    reply = get(server, "/v1/call/demo.test", token)
    left_s = midnight_in_s()
    problem = reply.problem()
    assert reply.status == 429
    assert reply.headers["ratelimit-policy"] == '"demo";q=1000;qu="rows";w=86400'
    name, left, opens = reply.headers["ratelimit"].split(";")
    assert (name, left) == ('"demo"', "r=0")
    assert int(opens.removeprefix("t=")) == pytest.approx(left_s, abs=5)
    assert int(reply.headers["retry-after"]) == pytest.approx(left_s, abs=5)
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert problem["violated-policies"] == ["demo"]
    assert (problem["code"], problem["scope"], problem["limit_rows"], problem["used_rows"]) == (
        "quota",
        "demo",
        1000,
        1500,
    )
    assert problem["maybe_ran"] is False


def test_the_originals_addresses_refuse_too(server: GatewayProcess, token: str) -> None:
    assert post(server, "demo.frame", {"args": [1500]}, Authorization=f"Bearer {token}").status == 200
    reply = get(server, "/api/get?func=demo.test", token)
    assert reply.status == reply.json()["status"] == 429
    assert reply.json()["type"] == "QuotaError"
    assert "1000 rows of demo a day" in reply.json()["data"]
    assert int(reply.headers["retry-after"]) > 0
    body, headers = b'{"args": [1, 2]}', {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    assert ask(server, "POST", "/api/post?func=demo.div", body, headers).status == 429
    with connect(f"{server.ws_url}/ws/json", additional_headers=headers) as socket:
        socket.send(json.dumps({"func": "demo.test", "id": 7}))
        told = json.loads(socket.recv(timeout=30))
        assert (told["id"], told["status"], told["type"]) == (7, 429, "QuotaError")
        assert told["retry_after_s"] == pytest.approx(midnight_in_s(), abs=5)
        socket.send(json.dumps({"func": "math.pow", "args": [2, 3]}))
        assert json.loads(socket.recv(timeout=30))["data"] == 8.0


def test_an_error_costs_nothing(server: GatewayProcess, gw: RemoteGateway, token: str, ledger: str) -> None:
    gw.call("vendor.bars", ledger, 999)
    for _ in range(5):
        with pytest.raises(RemoteError, match="no data today"):
            gw.call("vendor.fail", ledger)
    assert used(server, token)["vendor"] == 999
    assert gw.call("vendor.serial", ledger) == 7
    with pytest.raises(QuotaError):
        gw.call("vendor.serial", ledger)
    assert reached(ledger) == 7


def test_a_kept_answer_costs_nothing_and_is_given_when_all_is_used(
    server: GatewayProcess, gw: RemoteGateway, token: str, ledger: str
) -> None:
    def bars() -> object:
        return gw.connection.call("vendor.bars", (ledger, 1200), {}, Options(cache_expire=3600))

    first = bars()
    _await(lambda: _is_kept(bars))
    for _ in range(3):
        pd.testing.assert_frame_equal(bars(), first)  # type: ignore[arg-type]
    assert used(server, token)["vendor"] == 1200
    with pytest.raises(QuotaError):
        gw.call("vendor.bars", ledger, 1200)
    assert reached(ledger) == 1


def test_who_joins_a_call_does_not_pay(server: GatewayProcess, token: str, ledger: str) -> None:
    tokens = [token, server.create_token("follower")]

    def slow(mine: str) -> object:
        with ksrpc.connect(server.url, token=mine, timeout=60) as gateway:
            return gateway.connection.call("vendor.slow", (ledger, 2.0), {}, Options(cache_expire=3600))

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(slow, tokens[0])
        _await(lambda: reached(ledger) == 1)
        second = threads.submit(slow, tokens[1])
        assert [first.result(), second.result()] == [1, 1]
    assert [used(server, mine)["vendor"] for mine in tokens] == [1, 0]


def test_twenty_threads_get_no_more_than_the_quota_and_one_call(
    server: GatewayProcess, token: str, ledger: str
) -> None:
    def fetch(number: int) -> int:
        rows = 0
        with ksrpc.connect(server.url if number % 2 else server.ws_url, token=token, timeout=60) as gateway:
            for _ in range(3):
                try:
                    rows += len(gateway.call("vendor.bars", f"{ledger}{number}", 70))
                except QuotaError:
                    continue
        return rows

    with ThreadPoolExecutor(20) as threads:
        rows = list(threads.map(fetch, range(20)))
    assert used(server, token)["vendor"] == sum(rows)
    assert sum(rows) < 1000 + 70
    while used(server, token)["vendor"] < 1000:  # what was refused for the sake of running calls may be had now
        fetch(0)
    assert 1000 <= used(server, token)["vendor"] < 1000 + 70


def test_permission_comes_before_the_quota(server: GatewayProcess) -> None:
    with ksrpc.connect(server.url, token=server.create_token("narrow")) as gateway:
        with pytest.raises(NotFoundError):
            gateway.call("demo.test")
        with pytest.raises(QuotaError, match="lets nothing through") as caught:
            gateway.call("math.pow", 2, 3)
    assert caught.value.retry_after_s is None


def test_two_tokens_are_one_user(server: GatewayProcess, token: str, user: str) -> None:
    with ksrpc.connect(server.url, token=token) as gateway:
        gateway.call("demo.frame", 1000)
    with ksrpc.connect(server.url, token=server.create_token(user)) as gateway, pytest.raises(QuotaError):
        gateway.call("demo.frame", 1)


def test_the_command_line_shows_and_gives_back(server: GatewayProcess, gw: RemoteGateway, user: str) -> None:
    gw.call("demo.frame", 1000)
    assert listed(server, user) == {"demo": 1000, "demo.test": 0, "vendor": 0}
    table = server.run("quota", "ls").stdout
    assert [word in table for word in (user, "1,000", "100%", "narrow", "everything")] == [True] * 5
    with pytest.raises(QuotaError):
        gw.call("demo.frame", 1)
    assert server.run("quota", "reset", user).returncode == 0
    assert len(gw.call("demo.frame", 3)) == 3
    assert listed(server, user)["demo"] == 3
    again = server.run("quota", "reset", "nobody")
    assert again.returncode == 1
    assert "nobody has used nothing today" in again.stderr


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_what_was_used_outlives_the_server(tmp_path: Path, is_killed: bool) -> None:
    with GatewayProcess(tmp_path / "gw", CONFIG + QUOTA) as server:
        token, ledger = server.create_token("zhang"), str(tmp_path / "ledger")
        with ThreadPoolExecutor(1) as threads, ksrpc.connect(server.url, token=token) as gateway:
            gateway.call("vendor.bars", ledger, 999)
            gateway.call("vendor.serial", f"{ledger}2")
            assert used(server, token)["vendor"] == 1000
            assert server.run("quota", "reset", "zhang").returncode == 0
            gateway.call("vendor.bars", ledger, 999)
            running = threads.submit(gateway.call, "vendor.slow", f"{ledger}3", 30)
            _await(lambda: reached(f"{ledger}3") == 1)
            if is_killed:
                server.kill()
            server.stop()
            assert running.exception() is not None
        server.start()
        assert listed(server, "zhang")["vendor"] == 999
        with ksrpc.connect(server.url, token=token) as gateway:
            gateway.call("vendor.serial", f"{ledger}2")
            with pytest.raises(QuotaError):
                gateway.call("vendor.serial", f"{ledger}2")


def test_an_edited_configuration_holds_for_the_next_call(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, CONFIG) as server:
        token = server.create_token("zhang")

        def write(quota: str) -> None:
            before = server.log.count("read anew")
            (server.folder / "ksrpc.toml").write_text(CONFIG + quota)
            _await(lambda: server.log.count("read anew") > before)

        with ksrpc.connect(server.ws_url, token=token) as gateway:
            gateway.call("demo.frame", 5000)
            assert used(server, token) == {}
            write("[quota.default]\nrows_per_day = 10\n")
            gateway.call("demo.frame", 10)
            with pytest.raises(QuotaError, match="the quota of 10 rows a day"):
                gateway.call("demo.frame", 1)
            write("[quota.default]\nrows_per_day = 12\n")
            gateway.call("demo.frame", 2)
            with pytest.raises(QuotaError, match="the quota of 12 rows a day"):
                gateway.call("demo.frame", 1)
            write("")
            gateway.call("demo.frame", 5000)


def _is_kept(call: Callable[[], Any]) -> bool:
    """Tell whether an answer is kept by now: until then the call itself may be refused."""
    try:
        call()
    except QuotaError:
        return False
    return True


def _await(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"did not come true within {within_s} s")
