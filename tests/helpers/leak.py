"""What a test leaves behind: tasks, threads, open files and sockets, child processes, and what gateways hold for it."""

from __future__ import annotations

import asyncio
import asyncio.runners
import gc
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.helpers import launch
from tests.helpers.inside import UNSETTLED, Counts, descriptors, inside, sockets
from tests.helpers.netlink import Connection, connections
from tests.helpers.process import child_pids
from tests.helpers.server import GatewayProcess

_SETTLE_S = 10.0
_TICK_S = 0.02
_MANY = 1000
#: Threads that end by themselves: the one that shows progress rests for a minute after the last call.
_PASSING = {"ksrpc-progress"}


def held() -> Counts:
    """Count what this process, and each gateway it runs, holds now."""
    counts = descriptors(os.getpid())
    counts.update(f"thread {thread.name.partition(' ')[0]}" for thread in _threads())
    parents = launch.parents()
    counts["descriptor of socket"] -= len(parents)  # by which they are asked; each is started when it is first needed
    counts["child process"] = sum(len(child_pids(pid)) for pid in (os.getpid(), *parents)) - len(parents)
    table = connections() if GatewayProcess.running else []
    for gateway in list(GatewayProcess.running):
        where = f"of the gateway on port {gateway.port}"
        counts[f"connection {where}"] = _connections(table, gateway.port)
        counts.update({f"{what} {where}": number for what, number in inside(gateway, table).items()})
    return counts


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.is_alive() and thread.name not in _PASSING]


def _connections(table: list[Connection], port: int) -> int:
    """Count the TCP connections of a port whose other end is this process's or nobody's.

    Another program that runs on, a browser or a kernel of a notebook, may keep its own.
    """
    holders = {(one.local, one.remote): one.inode for one in table if one.remote[1] == port}
    foreign = {*holders.values()} - {0, *sockets(os.getpid())}
    return sum(one.local[1] == port and holders.get((one.remote, one.local)) not in foreign for one in table)


def growth(before: Counts, *, within_s: float = _SETTLE_S) -> Counts:
    """Wait until nothing is held that was not before; return what still is when the time is over."""
    end, tick, turn = time.monotonic() + within_s, threading.Event(), 0
    while (more := held() - before) and time.monotonic() < end:
        if turn == 1:
            gc.collect()  # exceptions hold their frames, and those what was open in them
        tick.wait(_TICK_S)
        turn += 1
    return more


def steady(*, within_s: float = _SETTLE_S) -> Counts:
    """Wait until no gateway is about to start or to end a worker; count what is held then."""
    end, tick, counts = time.monotonic() + within_s, threading.Event(), held()
    while any(kind.startswith(UNSETTLED) for kind in counts) and time.monotonic() < end:
        tick.wait(_TICK_S)
        counts = held()
    return counts


@contextmanager
def nothing_left(monkeypatch: pytest.MonkeyPatch, *, but: Collection[str] = ()) -> Iterator[None]:
    """Fail if something is left open, or if a loop ends while tasks of it are not done.

    Args:
        monkeypatch: Undone at the end of the test.
        but: What a gateway may hold longer; see the marker `leaves`.
    """
    left: list[str] = []
    watch_tasks(monkeypatch, left)
    before = steady()
    for gateway in GatewayProcess.running:
        before.update({f"{what} of the gateway on port {gateway.port}": _MANY for what in but})
    yield
    more = growth(before)
    assert not more, f"left open: {dict(more)}"
    assert not left, f"tasks that were not done when their loop ended: {left}"


@pytest.fixture(autouse=True, name="_leaves_nothing")
def leaves_nothing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compare what is open before and after; the fixtures of a module or session have been set up before."""
    but = [what for marker in request.node.iter_markers("leaves") for what in marker.args]
    with nothing_left(monkeypatch, but=but):
        yield


def watch_tasks(monkeypatch: pytest.MonkeyPatch, left: list[str]) -> None:
    """Note every task that `asyncio.run` has to cancel because nobody waited for it."""
    cancel: Callable[[asyncio.AbstractEventLoop], Any] = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]

    def cancel_all(loop: asyncio.AbstractEventLoop) -> None:
        left.extend(repr(task) for task in asyncio.all_tasks(loop))
        cancel(loop)

    monkeypatch.setattr(asyncio.runners, "_cancel_all_tasks", cancel_all)
