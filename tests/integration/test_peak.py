"""A result of hundreds of megabytes passes through: the client holds it once, the gateway not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ksrpc
from ksrpc.connections.base import Options
from tests.helpers.process import rss_anon_bytes
from tests.helpers.server import GatewayProcess

MIB = 1 << 20
RESULT_BYTES = int(os.environ.get("KSRPC_TEST_RESULT_MIB", "192")) * MIB
#: What both processes may need besides: room to receive into, and what their allocators keep.
_SLACK_BYTES = 16 * MIB
_KEPT = Options(cache_expire=3600.0)
_MODULE = """
import numpy as np

def numbers(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float64)
"""
_CONFIG = """
[server]
port = 0
data_dir = "data"
[call]
enabled = true
[cache]
max_mb = 10240
min_free_mb = 0
[access]
allow = ["huge"]
[module.huge]
path = "huge.py"
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("peak")
    Path(folder, "huge.py").write_text(_MODULE)
    with GatewayProcess(folder, _CONFIG) as server:
        yield server


@contextmanager
def _watched(read_bytes: Callable[[], int]) -> Iterator[Callable[[], int]]:
    """Sample a process's memory; the function given tells its highest growth."""
    before = highest = read_bytes()
    over = threading.Event()

    def sample() -> None:
        nonlocal highest
        while not over.wait(0.005):
            highest = max(highest, read_bytes())

    watcher = threading.Thread(target=sample)
    watcher.start()
    try:
        yield lambda: max(highest, read_bytes()) - before
    finally:
        over.set()
        watcher.join()


@pytest.mark.parametrize("transport", ["http", "websocket"])
@pytest.mark.parametrize("cached", [False, True], ids=["worker", "cached"])
def test_the_peak_of_moving_a_large_result(gateway: GatewayProcess, transport: str, cached: bool) -> None:
    url = gateway.url if transport == "http" else gateway.ws_url
    count = RESULT_BYTES // 8
    with ksrpc.connect(url, token=gateway.create_token("analyst")) as client:

        def ask(size: int = count) -> Any:
            return client.connection.call("huge.numbers", (size,), {}, _KEPT if cached else Options())

        ask(100_000)  # what is allocated once
        if cached:
            ask()
        with (
            _watched(lambda: gateway.rss_anon_bytes) as gateway_grown,
            _watched(lambda: rss_anon_bytes(os.getpid())) as own_grown,
        ):
            value = ask()
            assert own_grown() < 1.15 * RESULT_BYTES + _SLACK_BYTES
            assert gateway_grown() <= 16 * MIB
        assert value.shape == (count,)
        assert np.array_equal(value[:: count // 1000], np.arange(0, count, count // 1000, dtype=np.float64))
