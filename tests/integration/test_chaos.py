"""On a network that delays, stalls, cuts, resets and repeats, a call runs at most once and its failure is truthful."""

from __future__ import annotations

import collections
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from ksrpc.connections.base import Connection, Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import KsrpcError
from tests.helpers.awaited import Awaited
from tests.helpers.chaos import FAULTS, chaos
from tests.helpers.lag import Lag
from tests.helpers.server import GatewayProcess

CALLS = 1000
CALLERS = 64
#: Calls of one WebSocket share its fate, so there are some; over HTTP a call has a connection of its own.
CONNECTIONS = {"http": 1, "websocket": 8}
MOST_BYTES = {"http": 40_000, "websocket": 250_000}  # before a connection meets its fate
CONNECT_S, ANSWER_S = 2.0, 3.0
LATE_S = 2.0  # a call ends so soon after its time, whatever happens to it
STALL_S = 5.0
MODULE = """
import os

def charge(ledger, nonce, payload):
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{nonce}\\n".encode())
    os.close(fd)
    return nonce, payload
"""
CONFIG = """
[server]
port = 0
[call]
enabled = true
place = "open"
[access]
anonymous = true
allow = ["till", "demo"]
[module.till]
path = "till.py"
arguments = "any"
"""


class Result(NamedTuple):
    nonce: int
    seconds: float
    error: Exception | None


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("till")
    (folder / "till.py").write_text(MODULE)
    with GatewayProcess(folder, CONFIG) as process:
        yield process


def connect(way: str, port: int) -> Connection:
    transport, _, manner = way.partition(" ")
    timeout = (CONNECT_S, ANSWER_S)
    made: Connection = HttpxConnection(f"http://127.0.0.1:{port}", timeout=timeout)
    if transport == "websocket":
        made = WebSocketConnection(f"ws://127.0.0.1:{port}", timeout=timeout)
    return Awaited(made) if manner else made


def charge(connection: Connection, ledger: Path, nonce: int) -> Result:
    """Make one call that leaves a mark; its arguments and answer are of many sizes."""
    payload = os.urandom((nonce * 37) % 9000)
    began, error = time.monotonic(), None
    try:
        answer = connection.call("till.charge", (str(ledger), nonce, payload), {}, Options())
        assert answer == (nonce, payload)
    except KsrpcError as exc:  # judged below
        error = exc.with_traceback(None)  # or it would hold this frame, which holds it, and the connection
    return Result(nonce, time.monotonic() - began, error)


@pytest.mark.timeout(300)
@pytest.mark.leaves("sessions_waiting")  # clients are closed while they are cut off
def test_at_most_once_and_truthful(till: GatewayProcess, way: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    transport = way.partition(" ")[0]
    with chaos(till.port, seed=len(way), most_bytes=MOST_BYTES[transport], stall_s=STALL_S) as network:
        connections = [connect(way, network.port) for _ in range(CONNECTIONS[transport])]
        with ThreadPoolExecutor(CALLERS) as threads, Lag() as lag:
            results = list(
                threads.map(lambda nonce: charge(connections[nonce % len(connections)], ledger, nonce), range(CALLS))
            )
        for connection in connections:
            connection.stop() if isinstance(connection, Awaited) else connection.close()
    with HttpxConnection(till.url) as direct:
        assert direct.call("demo.echo", (1,), {}, Options()) == 1  # the gateway is well
    check(results, ledger, limit_s=CONNECT_S + ANSWER_S + LATE_S + lag.worst_s)
    likely = set(FAULTS) - {"none", "duplicate"}  # duplicate: needs a request with a key over HTTP
    assert set(network.fates) >= likely, network.fates


def check(results: list[Result], ledger: Path, *, limit_s: float) -> None:
    """Compare what the callers were told with what really ran."""
    ran = collections.Counter(map(int, ledger.read_text().split()))
    assert max(ran.values()) == 1
    for result in results:
        if result.error is None:
            assert ran[result.nonce] == 1
        else:
            certain = not getattr(result.error, "maybe_ran", False)
            assert not (certain and ran[result.nonce]), result
    slowest = max(results, key=lambda result: result.seconds)
    assert slowest.seconds < limit_s, slowest
    assert sum(result.error is not None for result in results) < len(results) / 2
