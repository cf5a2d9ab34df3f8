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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import launch
from tests.helpers.process import child_pids
from tests.helpers.server import GatewayProcess

_SETTLE_S = 10.0
_TICK_S = 0.02
_OPEN = {"01", "08"}  # ESTABLISHED, CLOSE_WAIT of the kernel's table

Counts = collections.Counter[str]


def held() -> Counts:
    """Count what this process, and each gateway it runs, holds now."""
    counts: Counts = collections.Counter(_descriptor_kinds())
    counts.update(f"thread {thread.name.partition(' ')[0]}" for thread in _threads())
    parents = launch.parents()
    counts["child process"] = sum(len(child_pids(pid)) for pid in (os.getpid(), *parents)) - len(parents)
    for gateway in list(GatewayProcess.running):
        counts[f"connection of the gateway on port {gateway.port}"] = _connections(gateway.port)
    return counts


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.is_alive()]


def _descriptor_kinds() -> Iterator[str]:
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the one that lists them
            continue
        yield f"descriptor of {target.partition(':[')[0]}"


def _connections(port: int) -> int:
    """Count the TCP connections that a port of this machine has."""
    wanted, count = f":{port:04X}", 0
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            count += fields[1].endswith(wanted) and fields[3] in _OPEN
    return count


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
