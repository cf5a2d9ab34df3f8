"""Measure what another user's small calls take, in calm and in a storm."""

from __future__ import annotations

import http.client
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.helpers.launch import ROOT, clean_environment
from tests.helpers.process import rss_anon_bytes
from tests.helpers.server import GatewayProcess

CALLS = 100
REPEATS = 5
#: A quieter calm than this is not compared with: floods take turns of the one processor that the gateway has.
LEAST_MS = 5.0
CONFIG = """
[server]
port = 0
[call]
enabled = true
processes = 1
[access]
allow = ["math"]
"""


class Storming:
    """Hold a storm that is up.

    Attributes:
        opened: What it told of itself.
        closed: How many of its sockets the gateway had hung up on by the end; how many it refused, for bombs.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.opened = self._read("opened")
        self.closed = -1

    def end(self) -> None:
        """Let it end."""
        if self.closed < 0 and self._process.stdin is not None:
            self._process.stdin.close()
            self.closed = self._read("closed")

    def _read(self, name: str) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the attacker failed"
        number: int = json.loads(line)[name]
        return number


@contextmanager
def storming(gateway: GatewayProcess, name: str, token: str, count: int) -> Iterator[Storming]:
    """Attack from another process."""
    command = [sys.executable, "-m", "tests.storm.attack", name, str(gateway.port), token, str(count)]
    environment = {**clean_environment(), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        try:
            storm = Storming(process)
            yield storm
            storm.end()
        finally:
            process.kill()


@contextmanager
def gateway_with_room(folder: Path) -> Iterator[GatewayProcess]:
    """Run a gateway that may have as many sockets as the machine allows."""
    with GatewayProcess(folder, CONFIG) as gateway:
        _, most = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (most, most))
        yield gateway


class Timing(NamedTuple):
    """Say what a call takes [ms]: the median of repeats."""

    median_ms: float
    worst_ms: float


class Neighbour:
    """Call small functions as another user, on one connection."""

    def __init__(self, gateway: GatewayProcess, token: str) -> None:
        self._gateway = gateway
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        self._link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)

    def call(self) -> float:
        """Call once; return what it took [ms]."""
        began = time.perf_counter()
        self._link.request("POST", "/v1/call/math.pow", b'{"args": [2, 3]}', self._headers)
        reply = self._link.getresponse()
        body = reply.read()
        assert (reply.status, body) == (200, b"8.0")
        return (time.perf_counter() - began) * 1e3

    def measure(self, *, calls: int = CALLS, repeats: int = REPEATS) -> Timing:
        """Give the median call and the 99th percentile, each the median of repeats."""
        self._link.close()  # it may have been idle for too long meanwhile
        rounds = [[self.call() for _ in range(calls)] for _ in range(repeats)]
        return Timing(
            statistics.median(map(statistics.median, rounds)),
            statistics.median(statistics.quantiles(times, n=100)[98] for times in rounds),
        )

    def close(self) -> None:
        """Hang up."""
        self._link.close()


def ratio(storm: Timing, calm: Timing) -> float:
    """Compare the 99th percentiles."""
    return storm.worst_ms / max(calm.worst_ms, LEAST_MS)


def memory_mib(gateway: GatewayProcess) -> float:
    """Read the gateway's private memory."""
    return rss_anon_bytes(gateway.pid) / (1 << 20)
