"""The check that follows every test with a gateway finds each kind of thing that a test, or a gateway, may leave."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

import ksrpc
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from tests.helpers.cutter import cutting
from tests.helpers.inside import Counts
from tests.helpers.keeping import listed, write_modules
from tests.helpers.leak import growth, held, nothing_left
from tests.helpers.server import GatewayProcess

#: It runs in the gateway itself, and what it leaves there is the gateway's.
LEAKY = """
import asyncio, subprocess, sys
KEPT = {}
async def leave(what):
    if what == "task":
        KEPT[what] = asyncio.ensure_future(asyncio.Event().wait())
    elif what == "process":
        KEPT[what] = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    elif what == "pipe":
        KEPT[what] = subprocess.os.pipe()
    else:
        KEPT[what] = open(__file__)
async def mend():
    KEPT.pop("task").cancel()
    KEPT.pop("process").communicate()
    for fd in KEPT.pop("pipe"):
        subprocess.os.close(fd)
    KEPT.pop("file").close()
"""
CONFIG = f"""
[server]
port = 0
[call]
enabled = true
place = "open"
[access]
anonymous = true
allow = ["mine", "leaky"]
[user.anonymous]
handles = true
[module.leaky]
executor = "inline"
{listed("mine")}
"""


def _connection_of(gateway: GatewayProcess) -> str:
    return f"connection of the gateway on port {gateway.port}"


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("keeper")
    write_modules(folder, "mine")
    (folder / "server" / "leaky.py").write_text(LEAKY)
    with GatewayProcess(folder, CONFIG) as gateway:
        with ksrpc.connect(gateway.ws_url) as client:
            client.call("mine.live")
        assert not growth(Counts({**held(), _connection_of(gateway): 0}))
        yield gateway


@contextmanager
def _run_thread() -> Iterator[None]:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="forgotten")
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@contextmanager
def _run_child() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        try:
            yield
        finally:
            child.communicate(b"\n")


@pytest.mark.parametrize(
    ("leave", "kind"),
    [
        (socket.socket, "descriptor of socket"),
        (Path(__file__).open, f"descriptor of {Path(__file__)}"),
        (_run_thread, "thread forgotten"),
        (_run_child, "child process"),
    ],
)
def test_what_is_left_open_is_named_until_it_is_closed(
    leave: Callable[[], AbstractContextManager[object]], kind: str
) -> None:
    before = held()
    with leave():
        assert kind in growth(before, within_s=0)
    assert not growth(before)


def test_a_connection_of_a_gateway_is_named_until_it_is_closed(keeper: GatewayProcess) -> None:
    before = held()
    client = ksrpc.connect(keeper.ws_url)
    client.call("mine.live")
    assert growth(before, within_s=0)[_connection_of(keeper)] == 1
    client.close()
    assert not growth(before)


@contextmanager
def _leave_session(gateway: GatewayProcess) -> Iterator[None]:
    with WebSocketConnection(gateway.ws_url) as there:
        ksrpc.RpcClient("mine", there).live()
        yield


@contextmanager
def _leave_waiting_session(gateway: GatewayProcess) -> Iterator[None]:
    with cutting(gateway.port) as cutter, WebSocketConnection(cutter.ws_url) as there:
        mine = ksrpc.RpcClient("mine", there)
        mine.live()
        cutter.is_closed = True
        cutter.cut()
        yield
        cutter.is_closed = False
        mine.live()  # who closes without a connection cannot say so: the session would wait until its time is over


@contextmanager
def _leave_handle(gateway: GatewayProcess) -> Iterator[None]:
    with HttpxConnection(gateway.url) as there:
        account = ksrpc.RpcClient("mine", there).Account("li")
        yield
        account.release()


@contextmanager
def _leave_stream(gateway: GatewayProcess) -> Iterator[None]:
    with WebSocketConnection(gateway.ws_url) as there:
        account = ksrpc.RpcClient("mine", there).Account("li")
        items = account.many(10**9)
        assert next(items) == 0
        yield


@pytest.mark.parametrize(
    ("leave", "kinds"),
    [
        (_leave_session, {"sessions_connected", "connection", "tasks"}),
        (_leave_waiting_session, {"sessions_waiting"}),
        (_leave_handle, {"handles"}),
        (_leave_stream, {"streams", "calls", "handles", "sessions_connected"}),
    ],
)
def test_what_a_client_leaves_in_a_gateway_is_named_until_it_closes(
    keeper: GatewayProcess, leave: Callable[[GatewayProcess], AbstractContextManager[None]], kinds: set[str]
) -> None:
    before = held()
    with leave(keeper):
        _await_growth(before, {f"{kind} of the gateway on port {keeper.port}" for kind in kinds})
    assert not growth(before)


def test_what_a_gateway_itself_leaves_is_named(keeper: GatewayProcess) -> None:
    before = held()
    with ksrpc.connect(keeper.url) as client:
        for what in ("task", "process", "pipe", "file"):
            client.call("leaky.leave", what)
    where = f"of the gateway on port {keeper.port}"
    file = keeper.folder / "server" / "leaky.py"
    kinds = "tasks", "process beside the workers", "descriptor of pipe", f"descriptor of {file}"
    _await_growth(before, {f"{kind} {where}" for kind in kinds})
    with ksrpc.connect(keeper.url) as client:
        client.call("leaky.mend")
    assert not growth(before)


def _await_growth(before: Counts, kinds: set[str]) -> None:
    """Wait until these kinds are found."""
    end, tick = time.monotonic() + 30, threading.Event()
    while not kinds <= {*(found := growth(before, within_s=0))}:
        assert time.monotonic() < end, found
        tick.wait(0.02)


def test_a_task_that_nobody_waited_for_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forget() -> None:
        tasks.append(asyncio.ensure_future(asyncio.Event().wait()))

    tasks: list[asyncio.Future[bool]] = []
    with pytest.raises(AssertionError, match="tasks that were not done"), nothing_left(monkeypatch):
        asyncio.run(forget())


def test_who_leaves_nothing_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    with nothing_left(monkeypatch), socket.socket(), _run_thread():
        assert held()
