"""Measure a siege, which is too long for a test: `python -m tests.security.attack.siege [SOCKETS]`.

Idle WebSockets and connections, requests that come byte by byte, and floods of tiny frames, one after the other;
meanwhile one caller measures its calls. Prints the 99th percentile of each stage beside that of calm, and the
gateway's memory. Attackers are processes of their own; on a machine with few cores they take these from the gateway.
"""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path

from tests.helpers.server import GatewayProcess
from tests.security.attack.request import SHAKE
from tests.security.transport import hostile

CALLS = 500
BODY = b'{"args": [2, 3]}'
SLOW = 500
_FORK = multiprocessing.get_context("fork")
FLOODERS = 2


def measure(gateway: GatewayProcess) -> tuple[float, float]:
    """Make calls on one connection; return the median and the 99th percentile [ms]."""
    link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        link.request("POST", "/v1/call/math.pow", BODY, {"Content-Type": "application/json"})
        reply = link.getresponse()
        assert reply.read() == b"8.0", reply.status
        times.append((time.perf_counter() - began) * 1e3)
    link.close()
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


@contextmanager
def crowd(gateway: GatewayProcess, count: int) -> Iterator[int]:
    """Open connections that say nothing, every second a WebSocket, as far as a user may have them."""
    with ExitStack() as held:
        opened = 0
        for number in range(count):
            sock = held.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=60))
            if number % 2:
                sock.sendall(b"GET /ws/bytes HTTP/1.1\r\nHost: localhost\r\n" + SHAKE + b"\r\n")
                if sock.recv(4096).startswith(b"HTTP/1.1 101"):  # a user may have only so many
                    sock.sendall(_masked(hostile.hello()))
            opened += 1
        yield opened


def _masked(data: bytes) -> bytes:
    return bytes([0x82, 0x80 | len(data)]) + bytes(4) + data


@contextmanager
def drip(gateway: GatewayProcess, _: int) -> Iterator[int]:
    """Send requests byte by byte, for as long as the gateway listens to them."""
    with _attackers(1, partial(_drip, gateway)):
        yield SLOW


def _drip(gateway: GatewayProcess, over: Event) -> None:
    with ExitStack() as held:
        socks = [held.enter_context(socket.create_connection(("127.0.0.1", gateway.port))) for _ in range(SLOW)]
        line = b"POST /v1/call/math.pow HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 10_000
        for at in range(len(line)):
            for sock in socks:
                with contextlib.suppress(OSError):
                    sock.sendall(line[at : at + 1])
            if over.wait(0.05):
                return


@contextmanager
def flood(gateway: GatewayProcess, _: int) -> Iterator[int]:
    """Send messages in fragments of one byte, without end."""
    with _attackers(FLOODERS, partial(_flood, gateway)):
        yield FLOODERS


def _flood(gateway: GatewayProcess, over: Event) -> None:
    fragments = (bytes([0x00, 0x81]) + bytes(4) + b"x") * 200
    while not over.is_set():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as sock:
            sock.sendall(b"GET /ws/bytes HTTP/1.1\r\nHost: localhost\r\n" + SHAKE + b"\r\n")
            sock.recv(4096)
            sock.sendall(bytes([0x02, 0x81]) + bytes(4) + b"x")
            while not over.is_set():
                sock.sendall(fragments)


@contextmanager
def _attackers(count: int, attack: Callable[[Event], None]) -> Iterator[None]:
    over = _FORK.Event()
    attackers = [_FORK.Process(target=attack, args=(over,)) for _ in range(count)]
    for attacker in attackers:
        attacker.start()
    yield
    over.set()
    for attacker in attackers:
        attacker.join()


def report(gateway: GatewayProcess, name: str, count: int, calm_ms: float) -> None:
    """Measure and print one line."""
    median_ms, worst_ms = measure(gateway)
    times = f"  {worst_ms / calm_ms:5.2f} x calm" if calm_ms else ""
    memory_mib = gateway.rss_anon_bytes / (1 << 20)
    print(f"{name:16}{count:7}  median {median_ms:6.2f} ms  p99 {worst_ms:7.2f} ms{times}  {memory_mib:6.1f} MiB")


def main(count: int) -> None:
    """Run all stages."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(count, most - 200)
    with tempfile.TemporaryDirectory() as folder, GatewayProcess(Path(folder)) as gateway:
        measure(gateway)
        calm_ms = measure(gateway)[1]
        report(gateway, "calm", 0, calm_ms)
        for name, stage in (("idle", crowd), ("byte by byte", drip), ("fragments", flood)):
            with stage(gateway, count) as opened:
                report(gateway, name, opened, calm_ms)
            report(gateway, "  afterwards", 0, calm_ms)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
