"""What a test leaves behind: tasks, threads, open files and sockets, child processes, connections of gateways."""

from __future__ import annotations

import asyncio
import asyncio.runners
import collections
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import launch
from tests.helpers.process import child_pids
from tests.helpers.server import GatewayProcess

_SETTLE_S = 10.0
_TICK_S = 0.02
_OPEN = {"01", "08"}  # ESTABLISHED, CLOSE_WAIT of the kernel's table
#: Threads that end by themselves: the one that shows progress rests for a minute after the last call.
_PASSING = {"ksrpc-progress"}

Counts = collections.Counter[str]


def held() -> Counts:
    """Count what this process, and each gateway it runs, holds now."""
    counts: Counts = collections.Counter(f"descriptor of {target.partition(':[')[0]}" for target in _targets())
    counts.update(f"thread {thread.name.partition(' ')[0]}" for thread in _threads())
    parents = launch.parents()
    counts["descriptor of socket"] -= len(parents)  # by which they are asked; each is started when it is first needed
    counts["child process"] = sum(len(child_pids(pid)) for pid in (os.getpid(), *parents)) - len(parents)
    table = _tcp_table() if GatewayProcess.running else []
    for gateway in list(GatewayProcess.running):
        counts[f"connection of the gateway on port {gateway.port}"] = _connections(table, gateway.port)
    return counts


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.is_alive() and thread.name not in _PASSING]


def _targets() -> Iterator[str]:
    """Tell what each descriptor of this process stands for."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the one that lists them
            yield os.readlink(f"/proc/self/fd/{name}")


def _tcp_table() -> list[list[str]]:
    """Read the kernel's tables of TCP; a reading takes some milliseconds, so there is one for all gateways."""
    files = [path for name in ("tcp", "tcp6") if (path := Path("/proc/self/net", name)).exists()]
    return [line.split() for file in files for line in file.read_text().splitlines()[1:]]


def _connections(table: list[list[str]], port: int) -> int:
    """Count the TCP connections of a port whose other end is this process's or nobody's.

    Another program that runs on, a browser or a kernel of a notebook, may keep its own.
    """
    wanted = f":{port:04X}"
    ends = [(row[1][-13:], row[2][-13:], row[9]) for row in table if row[3] in _OPEN]
    holders = {(local, remote): inode for local, remote, inode in ends if remote.endswith(wanted)}
    own = {target[len("socket:[") : -1] for target in _targets() if target.startswith("socket:[")} if holders else set()
    foreign = set(holders.values()) - own - {"0"}
    return sum(local.endswith(wanted) and holders.get((remote, local)) not in foreign for local, remote, _ in ends)


def growth(before: Counts, *, within_s: float = _SETTLE_S) -> Counts:
    """Wait until nothing is held that was not before; return what still is when the time is over."""
    end, tick, turn = time.monotonic() + within_s, threading.Event(), 0
    while (more := held() - before) and time.monotonic() < end:
        if turn == 1:
            gc.collect()  # exceptions hold their frames, and those what was open in them
        tick.wait(_TICK_S)
        turn += 1
    return more


@contextmanager
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail if something is left open, or if a loop ends while tasks of it are not done."""
    left: list[str] = []
    watch_tasks(monkeypatch, left)
    before = held()
    yield
    more = growth(before)
    assert not more, f"left open: {dict(more)}"
    assert not left, f"tasks that were not done when their loop ended: {left}"


def watch_tasks(monkeypatch: pytest.MonkeyPatch, left: list[str]) -> None:
    """Note every task that `asyncio.run` has to cancel because nobody waited for it."""
    cancel: Callable[[asyncio.AbstractEventLoop], Any] = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]

    def cancel_all(loop: asyncio.AbstractEventLoop) -> None:
        left.extend(repr(task) for task in asyncio.all_tasks(loop))
        cancel(loop)

    monkeypatch.setattr(asyncio.runners, "_cancel_all_tasks", cancel_all)
