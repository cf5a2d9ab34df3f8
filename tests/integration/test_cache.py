"""Asked once: the second caller gets the kept answer, many at once share one call; the right is checked first."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import ksrpc
from ksrpc import wire
from ksrpc.client import RemoteGateway
from ksrpc.connections.base import Options
from ksrpc.errors import DeadlineError, KsrpcError, NotFoundError, RemoteError
from tests.helpers import vendor
from tests.helpers.peer import RawSession
from tests.helpers.server import GatewayProcess

CONFIG = f"""
[server]
port = 0
[call]
enabled = true
processes = 2
[access]
allow = ["vendor", "demo"]
[user.outsider]
allow = ["demo"]
[module.vendor]
path = "{Path(vendor.__file__).as_posix()}"
arguments = "any"
place = "open"
"""
DAY = 86_400.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("cache"), CONFIG) as process:
        yield process


@pytest.fixture(scope="module")
def tokens(server: GatewayProcess) -> dict[str, str]:
    return {name: server.create_token(name) for name in ("insider", "outsider")}


@pytest.fixture
def gw(server: GatewayProcess, tokens: dict[str, str], transport: str) -> Iterator[RemoteGateway]:
    url = server.url if transport == "http" else server.ws_url
    with ksrpc.connect(url, token=tokens["insider"], timeout=60) as gateway:
        yield gateway


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """Name the file in which the library counts the calls that reached it."""
    return str(tmp_path / "ledger")


def ask(gw: RemoteGateway, path: str, *args: object, cache_get: bool = True, expire: float | None = DAY) -> object:
    return gw.connection.call(path, args, {}, Options(cache_get=cache_get, cache_expire=expire))


def count(ledger: str) -> int:
    path = Path(ledger)
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_the_library_is_asked_once(gw: RemoteGateway, ledger: str) -> None:
    first = ask(gw, "vendor.bars", ledger, 5)
    _await(lambda: ask(gw, "vendor.bars", ledger, 5) is not None and count(ledger) >= 1)
    before = count(ledger)
    for _ in range(5):
        assert wire.pack(ask(gw, "vendor.bars", ledger, 5)).join() == wire.pack(first).join()
    assert count(ledger) == before


def test_the_same_question_in_other_words_is_the_same(gw: RemoteGateway, ledger: str) -> None:
    connection = gw.connection
    options = Options(cache_expire=DAY)
    connection.call("vendor.bars", (ledger, 7), {}, options)
    _settle(gw, ledger)
    connection.call("vendor.bars", (), {"rows": 7, "ledger": ledger}, options)
    connection.call("vendor.bars", (ledger,), {"rows": np.int64(7)}, options)
    connection.call("vendor.bars", (ledger, 7), {"adjust": "pre"}, options)
    assert count(ledger) == 1
    connection.call("vendor.bars", (ledger, 7), {"adjust": "post"}, options)
    connection.call("vendor.bars", (ledger, 7.0), {}, options)
    assert count(ledger) == 3


def test_without_cache_expire_nothing_is_kept_and_nothing_is_read(gw: RemoteGateway, ledger: str) -> None:
    ask(gw, "vendor.bars", ledger, 3)
    _settle(gw, ledger)
    ask(gw, "vendor.bars", ledger, 3, expire=None)
    ask(gw, "vendor.bars", ledger, 3, expire=None)
    assert count(ledger) == 3


def test_cache_get_false_asks_again_and_keeps_the_new_answer(gw: RemoteGateway, ledger: str) -> None:
    ask(gw, "vendor.serial", ledger)
    _settle(gw, ledger)
    assert ask(gw, "vendor.serial", ledger) == 1
    assert ask(gw, "vendor.serial", ledger, cache_get=False) == 2
    _await(lambda: ask(gw, "vendor.serial", ledger) == 2)
    assert count(ledger) == 2


def test_an_error_is_not_kept(gw: RemoteGateway, ledger: str) -> None:
    for _ in range(3):
        with pytest.raises(RemoteError, match="no data today"):
            ask(gw, "vendor.fail", ledger)
    assert count(ledger) == 3


def test_permission_comes_before_the_cache(
    server: GatewayProcess, tokens: dict[str, str], gw: RemoteGateway, ledger: str
) -> None:
    ask(gw, "vendor.bars", ledger, 9)
    _settle(gw, ledger)
    with ksrpc.connect(server.url, token=tokens["outsider"]) as outsider, pytest.raises(NotFoundError):
        ask(outsider, "vendor.bars", ledger, 9)
    assert count(ledger) == 1


def test_twenty_ask_the_same_slow_question_at_once(server: GatewayProcess, tokens: dict[str, str], ledger: str) -> None:
    start = threading.Barrier(20)

    def one(number: int) -> object:
        url = server.url if number % 2 else server.ws_url
        with ksrpc.connect(url, token=tokens["insider"], timeout=60) as gateway:
            start.wait()
            return ask(gateway, "vendor.slow", ledger, 1.0)

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(one, range(20)))
    assert answers == [1] * 20
    assert count(ledger) == 1


def test_the_first_asker_may_go(server: GatewayProcess, tokens: dict[str, str], ledger: str) -> None:
    with (
        RawSession(server.ws_url, token=tokens["insider"]) as leader,
        ksrpc.connect(server.url, token=tokens["insider"], timeout=60) as follower,
        ThreadPoolExecutor(1) as threads,
    ):
        meta = {"path": "vendor.slow", "cache_expire": DAY}
        call = leader.session.call(meta, wire.pack_arguments((ledger, 1.5), {}).segments)
        leader.flush()
        _await(lambda: count(ledger) == 1)
        waiting = threads.submit(ask, follower, "vendor.slow", ledger, 1.5)
        threading.Event().wait(0.5)  # until it waits with the leader
        leader.session.cancel(call)
        leader.flush()
        assert waiting.result() == 1
    assert count(ledger) == 1


def test_a_follower_with_less_time_goes_alone(server: GatewayProcess, tokens: dict[str, str], ledger: str) -> None:
    with (
        ksrpc.connect(server.url, token=tokens["insider"], timeout=60) as patient,
        ksrpc.connect(server.ws_url, token=tokens["insider"], timeout=0.4) as hasty,
        ThreadPoolExecutor(1) as threads,
    ):
        hasty.call("demo.sync_say_hi", "x", timeout_s=30)
        waiting = threads.submit(ask, patient, "vendor.slow", ledger, 1.5)
        _await(lambda: count(ledger) == 1)
        with pytest.raises(DeadlineError):
            ask(hasty, "vendor.slow", ledger, 1.5)
        assert waiting.result() == 1
    assert count(ledger) == 1


def test_a_hit_needs_no_worker(server: GatewayProcess, gw: RemoteGateway, ledger: str) -> None:
    ask(gw, "vendor.bars", ledger, 11)
    _settle(gw, ledger)
    workers = server.worker_pids
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert ask(gw, "vendor.bars", ledger, 11) is not None
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    assert count(ledger) == 1


def test_a_hit_is_given_when_the_library_is_gone(tmp_path: Path) -> None:
    """All workers are dead and no new one could import the module."""
    ledger, library = str(tmp_path / "ledger"), tmp_path / "vendor.py"
    library.write_text(Path(vendor.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    config = CONFIG.replace(Path(vendor.__file__).as_posix(), library.as_posix())
    with GatewayProcess(tmp_path / "gw", config) as server:
        token = server.create_token("insider")
        with ksrpc.connect(server.url, token=token) as http, ksrpc.connect(server.ws_url, token=token) as socket:
            first = ask(http, "vendor.bars", ledger, 12)
            _settle(http, ledger)
            library.write_text("raise ImportError('the licence has ended')\n", encoding="utf-8")
            killed = server.worker_pids
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            _await(lambda: not set(killed) & set(server.worker_pids))
            for gw in (http, socket):
                assert wire.pack(ask(gw, "vendor.bars", ledger, 12)).join() == wire.pack(first).join()
                with pytest.raises(KsrpcError):
                    ask(gw, "vendor.bars", ledger, 13)
    assert count(ledger) == 1


def test_a_large_answer_is_kept_exactly(gw: RemoteGateway, server: GatewayProcess, ledger: str) -> None:
    before = _kept_bytes(server)
    first = ask(gw, "vendor.block", ledger, 20 << 20)
    _await(lambda: _kept_bytes(server) >= before + (20 << 20))
    _settle(gw, ledger)
    second = ask(gw, "vendor.block", ledger, 20 << 20)
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert np.array_equal(first, second)
    second[0] = 0  # it can be written to, and that harms nobody
    assert np.array_equal(first, np.asarray(ask(gw, "vendor.block", ledger, 20 << 20)))
    assert count(ledger) == 1


def test_an_answer_says_where_it_comes_from(server: GatewayProcess, tokens: dict[str, str], ledger: str) -> None:
    url = f"{server.url}/v1/call/vendor.serial?cache_expire=3600&ledger={ledger}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {tokens['insider']}"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Cache-Status"] == "ksrpc; fwd=miss; stored"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with urllib.request.urlopen(request) as answer:
            status = answer.headers["Cache-Status"]
            if "hit" in status:
                break
    assert status.startswith("ksrpc; hit; ttl=3")
    assert int(answer.headers["Age"]) >= 0
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_what_was_kept_outlives_the_gateway(tmp_path: Path) -> None:
    ledger = str(tmp_path / "ledger")
    with GatewayProcess(tmp_path / "gw", CONFIG) as server:
        token = server.create_token("insider")
        with ksrpc.connect(server.url, token=token) as gw:
            ask(gw, "vendor.bars", ledger, 4)
            _settle(gw, ledger)
        server.stop()
        server.start()
        with ksrpc.connect(server.url, token=token) as gw:
            assert ask(gw, "vendor.bars", ledger, 4) is not None
    assert count(ledger) == 1


def _kept_bytes(server: GatewayProcess) -> int:
    """Sum what is in the index: it tells of an answer when its file is whole."""
    with closing(sqlite3.connect(server.folder / "data" / "cache" / "index.sqlite3")) as db:
        return int(db.execute("SELECT bytes FROM total").fetchone()[0])


def _settle(gw: RemoteGateway, ledger: str) -> None:
    """Answers are kept after they are given: wait until the kept one is there."""
    _await(lambda: ask(gw, "demo.sync_say_hi", ledger) is not None)
    threading.Event().wait(0.15)


def _await(condition: object, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            pytest.fail(f"did not come true within {within_s} s")
        threading.Event().wait(0.02)
