"""On a network that delays, stalls, cuts and resets, a call runs at most once and its failure tells the truth."""

from __future__ import annotations

import collections
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from ksrpc.connections.base import Connection, Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import KsrpcError, LostError
from tests.helpers.awaited import Awaited
from tests.helpers.chaos import chaos
from tests.helpers.server import GatewayProcess

CALLS = 500
CALLERS = 8
TIME_S = 4.0
MOST_BYTES = {"http": 40_000, "websocket": 250_000}  # before a connection meets its fate
GRACE_S = 3.0  # a client waits so much longer than its deadline, ksrpc.limits.ANSWER_GRACE_S
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
    made: Connection = HttpxConnection(f"http://127.0.0.1:{port}", timeout=TIME_S)
    if transport == "websocket":
        made = WebSocketConnection(f"ws://127.0.0.1:{port}", timeout=TIME_S)
    return Awaited(made) if manner == "awaited" else made


def charge(connection: Connection, ledger: Path, nonce: int) -> Result:
    """Make one call that leaves a mark; its arguments and answer are of many sizes."""
    payload = os.urandom((nonce * 37) % 9000)
    began, error = time.monotonic(), None
    try:
        answer = connection.call("till.charge", (str(ledger), nonce, payload), {}, Options())
        assert answer == (nonce, payload)
    except Exception as exc:  # judged below
        error = exc
    return Result(nonce, time.monotonic() - began, error)


@pytest.mark.timeout(300)
def test_at_most_once_and_truthful(till: GatewayProcess, way: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with (
        chaos(till.port, seed=len(way), most_bytes=MOST_BYTES[way.partition(" ")[0]]) as network,
        ThreadPoolExecutor(CALLERS) as threads,
    ):
        connection = connect(way, network.port)
        results = list(threads.map(lambda nonce: charge(connection, ledger, nonce), range(CALLS)))
        connection.stop() if isinstance(connection, Awaited) else connection.close()
    with HttpxConnection(till.url) as direct:
        assert direct.call("demo.echo", (1,), {}, Options()) == 1  # the gateway is well
    ran = collections.Counter(map(int, ledger.read_text().split()))
    assert max(ran.values()) == 1
    for result in results:
        if result.error is None:
            assert ran[result.nonce] == 1
        elif isinstance(result.error, KsrpcError):
            certain = not (isinstance(result.error, LostError) and result.error.maybe_ran)
            assert not (certain and ran[result.nonce]), result
        else:
            raise result.error
    slowest = max(results, key=lambda result: result.seconds)
    assert slowest.seconds < 2 * TIME_S + GRACE_S + 2, slowest
    lost = sum(result.error is not None for result in results)
    assert 0 < lost < CALLS * 0.9, network.fates
    assert len(network.fates) >= 4
    for thread in threading.enumerate():
        if thread.name == "ksrpc-keeper":
            thread.join(5)
            assert not thread.is_alive()  # of a connection that is lost or closed nothing is left
