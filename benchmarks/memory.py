"""Measure how much private memory the gateway needs to pass a huge result to many slow readers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import bars
from benchmarks.reader import HttpReader, Reader, WebSocketReader
from tests.helpers.server import GatewayProcess

MIB = 1 << 20
READERS = 8
_SLOW_PHASE_S = 8.0
_SLOW_BYTES_PER_S = 4 * MIB
_TARGET_BYTES = 16 * MIB
_TRANSPORTS: dict[str, Callable[[GatewayProcess, str], Reader]] = {
    "HTTP": HttpReader,
    "WebSocket": WebSocketReader,
}


@dataclass(frozen=True, slots=True)
class Growth:
    """Say by how much a gateway's RssAnon rose above what it was before, at its highest."""

    name: str
    grown_bytes: int
    target_bytes: int


@contextmanager
def watch_memory(read_bytes: Callable[[], int]) -> Iterator[Callable[[], int]]:
    """Sample a memory reading during what happens inside; the function given tells the highest growth."""
    before = read_bytes()
    highest = before
    done = threading.Event()

    def sample() -> None:
        nonlocal highest
        while not done.wait(0.02):
            highest = max(highest, read_bytes())

    watcher = threading.Thread(target=sample)
    watcher.start()
    try:
        yield lambda: max(highest, read_bytes()) - before
    finally:
        done.set()
        watcher.join()


def read_slowly(reader: Reader) -> int:
    """Read a few megabytes a second for some seconds, the rest at full speed, and count the bytes."""
    total = 0
    slow_until = time.monotonic() + _SLOW_PHASE_S
    while taken := reader.take():
        total += taken
        if time.monotonic() < slow_until:
            time.sleep(taken / _SLOW_BYTES_PER_S)
    reader.close()
    return total


def measure_growth(
    gateway: GatewayProcess, transport: str, *, path: str, result_bytes: int, target_bytes: int
) -> Growth:
    """Let slow readers fetch what a path gives, all at once, and see what the gateway's private memory does.

    Raises:
        RuntimeError: A reader got less than the result.
    """
    make_reader = _TRANSPORTS[transport]
    with watch_memory(lambda: gateway.rss_anon_bytes) as grown, ThreadPoolExecutor(READERS) as pool:
        readers = [make_reader(gateway, path) for _ in range(READERS)]
        least = min(pool.map(read_slowly, readers))
        most = grown()
    if least < result_bytes:
        raise RuntimeError(f"a reader got {least} of {result_bytes} bytes")
    size = f"{result_bytes >> 30} GiB" if result_bytes >> 30 else f"{result_bytes >> 20} MiB"
    name = f"RssAnon of the gateway, {size} to each of {READERS} slow {transport} readers"
    return Growth(name, most, target_bytes)


def grow_gateway(gateway: GatewayProcess) -> Iterator[Growth]:
    """Measure, for each transport, what memory a huge result costs a gateway that has answered a call before."""
    for transport in _TRANSPORTS:
        yield measure_growth(
            gateway, transport, path="bars.block", result_bytes=bars.BLOCK_BYTES, target_bytes=_TARGET_BYTES
        )
