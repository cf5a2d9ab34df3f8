"""The check that follows every integration test finds each kind of thing that a test may leave."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

import ksrpc
from tests.helpers.leak import growth, held, nothing_left
from tests.helpers.server import GatewayProcess


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


def test_a_connection_of_a_gateway_is_named_until_it_is_closed(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as gateway:
        before = held()
        client = ksrpc.connect(gateway.ws_url)
        assert client.call("math.sqrt", 4) == 2.0
        assert growth(before, within_s=0)[f"connection of the gateway on port {gateway.port}"] == 1
        client.close()
        assert not growth(before)


def test_a_task_that_nobody_waited_for_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forget() -> None:
        tasks.append(asyncio.ensure_future(asyncio.Event().wait()))

    tasks: list[asyncio.Future[bool]] = []
    with pytest.raises(AssertionError, match="tasks that were not done"), nothing_left(monkeypatch):
        asyncio.run(forget())


def test_who_leaves_nothing_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    with nothing_left(monkeypatch), socket.socket(), _run_thread():
        assert held()
