"""An edited configuration is in force within seconds; calls under way keep the old one; a broken one is none."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import ksrpc
from ksrpc.client import RemoteGateway
from ksrpc.errors import KsrpcError, LostError, NotFoundError, RefusedError
from tests.helpers.server import GatewayProcess

TAKEN = "the configuration was read anew"
BROKEN = "the configuration file is broken"
CONFIG = """
[server]
port = {port}
[call]
enabled = {enabled}
place = "open"
traceback = {traceback}
[access]
anonymous = true
allow = {allow}
ip_allow = {addresses}
[module.mine]
path = "mine.py"
arguments = "any"
"""
MINE = """
import os

def version():
    return 1

def pid():
    return os.getpid()

def meet(here, there):
    open(here, "w").close()
    return open(there).read()
"""
DAY = 86_400.0


def config(allow: str = '["demo", "math", "mine"]', **changes: str) -> str:
    fields = {"port": "0", "enabled": "true", "traceback": "false", "addresses": '["loopback"]', **changes}
    return CONFIG.format(allow=allow, **fields)


class Edited(GatewayProcess):
    """A gateway whose files are edited while it runs."""

    def write(self, text: str, *, told: str = TAKEN) -> None:
        """Replace its configuration and wait until it has said what it makes of it."""
        before = self.log.count(told)
        (self.folder / "ksrpc.toml").write_text(text, encoding="utf-8")
        self.await_log(told, times=before + 1)

    def readiness(self) -> str:
        with urllib.request.urlopen(f"{self.url}/readyz") as answer:
            return str(answer.read().decode())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Edited]:
    (tmp_path / "mine.py").write_text(MINE)
    with Edited(tmp_path, config()) as process:
        yield process


@pytest.fixture
def gw(server: Edited, transport: str) -> Iterator[RemoteGateway]:
    with ksrpc.connect(server.url if transport == "http" else server.ws_url, timeout=60) as gateway:
        yield gateway


def ask_until_told(gw: RemoteGateway, path: str, *args: object) -> None:
    """Call over and over; lost calls are passed over, for a process may just be gone."""
    for _ in range(200):
        with contextlib.suppress(LostError):
            gw.call(path, *args)


def test_what_is_opened_and_closed_holds_on_open_connections_too(server: Edited, gw: RemoteGateway) -> None:
    assert gw.call("math.pow", 2, 3) == 8.0
    with pytest.raises(NotFoundError):
        gw.call("statistics.mean", [1.0, 2.0])
    server.write(config('["demo", "statistics"]'))
    assert gw.call("statistics.mean", [1.0, 2.0]) == 1.5
    with pytest.raises(NotFoundError):
        gw.call("math.pow", 2, 3)
    server.write(config(enabled="false"))
    with pytest.raises(RefusedError, match=r"call\.enabled"):
        gw.call("statistics.mean", [1.0])


def test_processes_of_what_did_not_change_go_on(server: Edited, gw: RemoteGateway) -> None:
    pid = gw.call("mine.pid")
    before = set(server.worker_pids)
    server.write(config('["demo", "math", "mine", "statistics"]'))
    assert gw.call("mine.pid") == pid
    assert before <= set(server.worker_pids)


def _keep_calling(gw: RemoteGateway, is_over: threading.Event) -> tuple[int, list[Exception]]:
    done, errors = 0, []
    while not is_over.is_set():
        try:
            done += gw.call("demo.echo", 3) == 3
        except Exception as exc:  # told by the test
            errors.append(exc)
    return done, errors


def _under_load(gw: RemoteGateway, work: Callable[[], None]) -> int:
    """Do something while eight threads call; return how many calls were answered, all of them rightly."""
    is_over = threading.Event()
    with ThreadPoolExecutor(8) as threads:
        loads = [threads.submit(_keep_calling, gw, is_over) for _ in range(8)]
        try:
            work()
        finally:
            is_over.set()
    results = [load.result() for load in loads]
    assert [error for _, errors in results for error in errors] == []
    return sum(done for done, _ in results)


def test_a_broken_configuration_under_load_changes_nothing(server: Edited, gw: RemoteGateway) -> None:
    pid = gw.call("mine.pid")

    def work() -> None:
        for text in ("[access\n", config().replace("allow", "alow"), config('["*"]'), config('["not a path"]')):
            server.write(text, told=BROKEN)
            assert server.readiness().startswith("degraded: the configuration file is broken")
            assert str(server.folder) not in server.readiness()

    assert _under_load(gw, work) > 20
    assert "unknown key access.alow; did you mean allow?" in server.log
    assert gw.call("mine.pid") == pid
    server.write(config())
    assert server.readiness() == "ready\n"
    assert gw.call("mine.pid") == pid


def test_calls_go_on_while_the_configuration_changes(server: Edited, gw: RemoteGateway) -> None:
    def work() -> None:
        for turn in range(6):  # each makes all processes anew
            server.write(config(traceback=("true", "false")[turn % 2]))

    assert _under_load(gw, work) > 20


def test_a_call_under_way_ends_as_it_began(server: Edited, gw: RemoteGateway) -> None:
    here, there = server.folder / "here", server.folder / "there"
    os.mkfifo(here)
    os.mkfifo(there)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(gw.call, "mine.meet", str(here), str(there))
        here.read_text()  # it has begun
        server.write(config('["math"]', traceback="true"))
        there.write_text("and ended")
        assert answer.result() == "and ended"
    with pytest.raises(NotFoundError):
        gw.call("mine.pid")


def test_a_changed_module_file_is_served_after_a_reload_and_never_beside_the_old_one(
    server: Edited, gw: RemoteGateway
) -> None:
    mine = gw.module("mine")
    mine.cache_expire = DAY
    assert mine.version() == 1
    (server.folder / "mine.py").write_text("def version():\n    return 22\n")
    assert gw.call("mine.version") == 1  # the process that loaded it goes on
    for pid in server.worker_pids:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(RefusedError, match="was changed; `ksrpc config reload`"):
        ask_until_told(gw, "mine.version")
    os.kill(server.pid, signal.SIGHUP)
    server.await_log(TAKEN)
    assert gw.call("mine.version") == 22
    assert mine.version() == 22  # not what was kept of the old one


def test_the_signal_file_asks_for_a_reload(server: Edited, gw: RemoteGateway) -> None:
    assert gw.call("mine.version") == 1
    (server.folder / "mine.py").write_text("def version():\n    return 22\n")
    (server.folder / "data" / "reload").touch(mode=0o600)
    server.await_log(TAKEN)
    assert gw.call("mine.version") == 22


def test_a_narrower_address_rule_closes_open_connections(server: Edited, gw: RemoteGateway) -> None:
    assert gw.call("math.pow", 2, 3) == 8.0
    server.write(config(addresses='["10.0.0.0/8"]'))
    with pytest.raises(KsrpcError):
        ask_until_told(gw, "demo.sleep", 0.05)  # an open connection is looked at every second


def test_what_only_a_restart_changes_is_said(server: Edited, gw: RemoteGateway) -> None:
    server.write(config(port="1"))
    server.await_log("server.port takes effect when the server is started again")
    assert gw.call("math.pow", 2, 3) == 8.0
