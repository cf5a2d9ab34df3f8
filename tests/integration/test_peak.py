"""Values of hundreds of megabytes pass through: the client holds them once, the gateway not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ksrpc.connections.base import Options
from tests.helpers.awaited import Awaited
from tests.helpers.process import rss_anon_bytes
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import connection_to

MIB = 1 << 20
RESULT_BYTES = int(os.environ.get("KSRPC_TEST_RESULT_MIB", "192")) * MIB
#: Arguments of more than 256 MiB are refused.
ARGUMENT_BYTES = 240 * MIB
_KEPT = Options(cache_expire=3600.0)
_MODULE = """
import numpy as np

def numbers(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float64)

def total(array: np.ndarray) -> float:
    return float(array.sum())
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


@contextmanager
def _asking(gateway: GatewayProcess, way: str) -> Iterator[Callable[..., Any]]:
    with connection_to(gateway, way, token=gateway.create_token("analyst")) as connection:
        yield lambda name, *args, options=Options(): connection.call(f"huge.{name}", args, {}, options)  # noqa: B008
        if isinstance(connection, Awaited):
            connection.stop()


@pytest.mark.parametrize("cached", [False, True], ids=["worker", "cached"])
def test_the_peak_of_moving_a_large_result(gateway: GatewayProcess, way: str, cached: bool) -> None:
    count = RESULT_BYTES // 8
    options = _KEPT if cached else Options()
    with _asking(gateway, way) as ask:
        ask("numbers", 100_000, options=options)  # what is allocated once
        if cached:
            ask("numbers", count, options=options)
        with (
            _watched(lambda: gateway.rss_anon_bytes) as gateway_grown,
            _watched(lambda: rss_anon_bytes(os.getpid())) as own_grown,
        ):
            value = ask("numbers", count, options=options)
            assert own_grown() <= 1.15 * RESULT_BYTES
            assert gateway_grown() <= 16 * MIB
        assert value.shape == (count,)
        assert np.array_equal(value[:: count // 1000], np.arange(0, count, count // 1000, dtype=np.float64))


def test_the_peak_of_moving_a_large_argument(gateway: GatewayProcess, way: str) -> None:
    argument = np.ones(ARGUMENT_BYTES // 8)
    with _asking(gateway, way) as ask:
        assert ask("total", np.ones(100_000)) == 100_000
        with (
            _watched(lambda: gateway.rss_anon_bytes) as gateway_grown,
            _watched(lambda: rss_anon_bytes(os.getpid())) as own_grown,
        ):
            assert ask("total", argument) == len(argument)
            assert own_grown() <= 0.15 * ARGUMENT_BYTES
            assert gateway_grown() <= 16 * MIB
