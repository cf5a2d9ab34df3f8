"""What the other tests lean on holds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.feed import FEEDS, Feed
from tests.helpers.process import child_pids, descendant_pids, is_running, rss_anon_bytes
from tests.helpers.server import GatewayProcess, StartError

HOLDER = """
import subprocess, sys
held = bytearray(int(sys.argv[1]))
held[::4096] = b"x" * len(held[::4096])
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=sys.stdin)
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def holder(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """Run a process that holds memory and has a child, both waiting for a line; give their ids."""
    command = [sys.executable, "-c", HOLDER, str(request.param)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process.pid, int(process.stdout.readline() if process.stdout else "")
    finally:
        process.communicate("\n")


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 3])
def test_every_feed_gives_all_bytes_in_order(feed: Feed, data: bytes) -> None:
    assert b"".join(feed(data)) == data


@pytest.mark.parametrize("holder", [64 << 20], indirect=True)
def test_children_and_memory_of_a_process(holder: tuple[int, int]) -> None:
    parent, child = holder
    assert child_pids(parent) == [child]
    assert {parent, child} <= set(descendant_pids(os.getpid()))
    assert is_running(child)
    assert (64 << 20) < rss_anon_bytes(parent) < (96 << 20)


def test_a_process_that_ended_neither_runs_nor_holds_memory() -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    assert not is_running(int(ended.stdout))
    with pytest.raises(ProcessLookupError):
        rss_anon_bytes(int(ended.stdout))


def test_a_gateway_that_does_not_start_tells_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no-such-command"):
        GatewayProcess(tmp_path, None, arguments=("no-such-command",)).start()
