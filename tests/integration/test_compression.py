"""Values on slow networks: how many bytes cross them, counted by a proxy between client and gateway."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

import ksrpc
from ksrpc.client.display.event import ProgressEvent
from ksrpc.client.progress import follow
from ksrpc.connections.base import Connection, Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from tests.helpers.awaited import Awaited
from tests.helpers.chaos import Fate, Meter, chaos, metered
from tests.helpers.server import GatewayProcess

CONFIG = """
[server]
port = 0
compression = "{compression}"
hosts = []
[call]
enabled = true
[access]
anonymous = {anonymous}
ip_allow = ["any"]
allow = ["made"]
[module.made]
path = "made.py"
arguments = "any"
processes = 2
"""

MODULE = '''
"""Tables as they come from vendors, and their opposite."""
import numpy as np
import pandas as pd

def bars(n):
    return pd.DataFrame({
        "time": pd.date_range("2020-01-01", periods=n, freq="min"),
        "code": "600519.SH",
        "close": np.round(1500 + np.cumsum(np.random.default_rng(0).normal(0, 0.05, n)), 2),
        "volume": np.random.default_rng(1).integers(0, 10_000, n) * 100,
        "open_interest": np.arange(n) // 7,
    })

def noise(n):
    return np.random.default_rng(0).integers(0, 256, n, dtype="uint8")

def sizes(value):
    return [value.nbytes if hasattr(value, "nbytes") else int(value.memory_usage().sum())]

def add(a, b):
    return a + b
'''
MB = 10**6
#: A table of about 20 MB.
ROWS = 400_000
#: Without the text and what is told about it.
ROW_BYTES = 32
FEW = 100_000
NOISE_BYTES = 3 * MB


def gateway(folder: Path, *, compression: str, anonymous: bool = True, host: str = "") -> GatewayProcess:
    config = CONFIG.format(compression=compression, anonymous=str(anonymous).lower())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "made.py").write_text(MODULE, encoding="utf-8")
    return GatewayProcess(
        folder, config.replace("hosts = []", f'host = "{host}"\nplaintext = true') if host else config
    )


@pytest.fixture(scope="module")
def always(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Share a gateway that compresses for callers on this machine too, as if they were far away."""
    with gateway(tmp_path_factory.mktemp("always"), compression="always") as process:
        yield process


@pytest.fixture(scope="module")
def auto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Share a gateway as it is by default."""
    with gateway(tmp_path_factory.mktemp("auto"), compression="auto") as process:
        yield process


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    """Make a table that shrinks well."""
    made: dict[str, Any] = {}
    exec(MODULE, made)
    return cast(pd.DataFrame, made["bars"](ROWS))


class Through:
    """Call through a proxy that counts; small calls have been made, so that both sides know each other."""

    def __init__(self, connection: Connection, meter: Meter) -> None:
        self.connection = connection
        self.meter = meter

    def call(self, path: str, *args: Any) -> Any:
        self.meter.reset()
        return self.connection.call(path, args, {}, Options(timeout_s=60))


@pytest.fixture
def through(always: GatewayProcess, way: str) -> Iterator[Through]:
    with metered(always.port) as meter, connected(meter.port, way) as connection:
        through = Through(connection, meter)
        connection.describe("made.add")  # as the first thing, which tells an HTTP client nothing of codecs
        through.call("made.add", 1, 1)
        yield through


@contextmanager
def connected(port: int, way: str, *, token: str | None = None) -> Iterator[Connection]:
    """Connect to a port; what drives an awaited connection is stopped at the end."""
    transport, _, manner = way.partition(" ")
    kind = WebSocketConnection if transport == "websocket" else HttpxConnection
    made: Connection = kind(f"{'ws' if transport == 'websocket' else 'http'}://127.0.0.1:{port}", token=token)
    made = Awaited(made) if manner == "awaited" else made
    with made as opened:
        yield opened
    if isinstance(made, Awaited):
        made.stop()


def test_a_table_that_shrinks_crosses_in_a_third_of_its_bytes(through: Through, bars: pd.DataFrame) -> None:
    found = through.call("made.bars", ROWS)
    pd.testing.assert_frame_equal(found, bars, check_exact=True)
    assert through.meter.down_bytes < ROWS * ROW_BYTES / 3
    assert through.call("made.sizes", bars)[0] > ROWS * ROW_BYTES
    assert through.meter.up_bytes < ROWS * ROW_BYTES / 3


def test_small_tables_too(through: Through, bars: pd.DataFrame) -> None:
    some = bars[:5000]
    pd.testing.assert_frame_equal(through.call("made.add", some[["close"]], some[["close"]]), some[["close"]] * 2)
    assert through.meter.down_bytes < 5000 * 8 * 0.9
    assert through.meter.up_bytes < 2 * 5000 * 8 * 0.9


def test_what_does_not_shrink_costs_nothing_more(through: Through) -> None:
    noise = through.call("made.noise", NOISE_BYTES)
    assert NOISE_BYTES <= through.meter.down_bytes < 1.01 * NOISE_BYTES
    assert through.call("made.sizes", noise) == [NOISE_BYTES]
    assert NOISE_BYTES <= through.meter.up_bytes < 1.02 * NOISE_BYTES


def test_kept_answers_too(through: Through, bars: pd.DataFrame) -> None:
    options = Options(timeout_s=60, cache_expire=3600)
    for _ in range(2):
        through.meter.reset()
        pd.testing.assert_frame_equal(through.connection.call("made.bars", (FEW,), {}, options), bars[:FEW])
        assert 10_000 < through.meter.down_bytes < FEW * ROW_BYTES / 3


def test_a_connection_that_breaks_within_goes_on(always: GatewayProcess, bars: pd.DataFrame) -> None:
    """Again and again, and at once: not with the next heartbeat, for which each side waits 15 seconds."""
    for is_up in (*[False] * 8, True):
        fate = Fate("reset", is_up=is_up, after_bytes=MB)
        with chaos(always.port, fate=fate) as proxy, connected(proxy.port, "websocket") as connection:
            began = time.monotonic()
            found = connection.call("made.add", (bars["close"], bars["volume"]), {}, Options(timeout_s=60))
            assert time.monotonic() - began < 12
            assert proxy.fates["reset"] >= 1
        pd.testing.assert_series_equal(found, bars["close"] + bars["volume"])


def test_on_this_machine_everything_goes_as_it_lies(auto: GatewayProcess, way: str, bars: pd.DataFrame) -> None:
    with metered(auto.port) as meter, connected(meter.port, way) as connection:
        connection.call("made.add", (1, 1), {}, Options())
        connection.call("made.bars", (FEW,), {}, Options(timeout_s=60))
        assert meter.down_bytes > FEW * ROW_BYTES
        connection.call("made.sizes", (bars[:FEW],), {}, Options(timeout_s=60))
        assert meter.up_bytes > FEW * ROW_BYTES


def own_address() -> str:
    """Return an address of this machine that others have for it; "" if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, suppress(OSError):
        sock.connect(("192.0.2.1", 9))  # nothing is sent: the system chooses the address that it would send from
        address = str(sock.getsockname()[0])
        return "" if address.startswith(("127.", "0.")) else address
    return ""


def test_on_the_network_it_is_compressed_by_default(tmp_path: Path, bars: pd.DataFrame) -> None:
    address = own_address()
    if not address:
        pytest.skip("this machine has no address but those of the loopback")
    with gateway(tmp_path, compression="auto", anonymous=False, host="0.0.0.0") as process:
        token = process.create_token("li")
        for way in ("http", "websocket"):
            with metered(process.port, host=address) as meter, connected(meter.port, way, token=token) as connection:
                connection.call("made.add", (1, 1), {}, Options())
                meter.reset()
                found = connection.call("made.bars", (ROWS,), {}, Options(timeout_s=60))
                pd.testing.assert_frame_equal(found, bars)
                assert meter.down_bytes < ROWS * ROW_BYTES / 3
                meter.reset()
                connection.call("made.sizes", (bars,), {}, Options(timeout_s=60))
                assert meter.up_bytes < ROWS * ROW_BYTES / 3


def test_who_inflates_nothing_is_sent_what_lies(always: GatewayProcess) -> None:
    for accept, is_agreed in (("application/vnd.ksrpc.v1", False), ('application/vnd.ksrpc.v1;codecs="lz4"', True)):
        headers = {"Accept": accept, "X-Ksrpc": "1", "Content-Type": "application/json"}
        body = b'{"args": [%d]}' % FEW
        request = urllib.request.Request(f"{always.url}/v1/call/made.bars", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            size = len(answer.read())
            told = answer.headers.get("Accept-Post")
        assert (size < FEW * ROW_BYTES / 2) == is_agreed
        assert (told is not None) == is_agreed


def test_sizes_are_told_as_they_are_here_and_as_they_travel(
    always: GatewayProcess, way: str, bars: pd.DataFrame
) -> None:
    """The link is slow, so that calls last; what is told is compared with what went through."""
    events: list[ProgressEvent] = []
    with metered(always.port, rate_bytes_s=900_000) as meter, connected(meter.port, way) as connection:
        follow(connection._inner if isinstance(connection, Awaited) else connection, events.append)
        connection.call("made.add", (1, 1), {}, Options())
        meter.reset()
        connection.call("made.add", (bars["volume"], 0), {}, Options(timeout_s=60))
    for state, through_bytes in (("sending", meter.up_bytes), ("receiving", meter.down_bytes)):
        told = [event for event in events if event.state == state and event.total_bytes]
        assert {event.total_bytes for event in told} <= set(range(8 * ROWS, 8 * ROWS + 1000))
        assert [event.done_bytes for event in told] == sorted(event.done_bytes for event in told)
        if state == "sending" and way.startswith("http"):  # the system takes all of it at once
            continue
        last = told[-1]
        assert 8 * ROWS / 4 < last.done_bytes <= 8 * ROWS + 1000
        assert 0 < last.wire_bytes < last.done_bytes * 0.6
        assert last.wire_bytes <= through_bytes < 8 * ROWS * 0.6


def test_large_arguments_pass_through_the_gateway(always: GatewayProcess, auto: GatewayProcess) -> None:
    """As they lie and compressed: neither is gathered there, nor inflated."""
    data = np.zeros(64 * MB, "uint8")
    data[::3] = np.random.default_rng(1).integers(0, 256, len(data[::3]), dtype="uint8")
    for process in (always, auto):
        for way in ("http", "websocket"):
            with connected(process.port, way) as connection:
                connection.call("made.sizes", (data[: 4 * MB],), {}, Options(timeout_s=60))
                before, most, over = process.rss_anon_bytes, [0], threading.Event()

                def look(process: GatewayProcess = process, most: list[int] = most, over: Any = over) -> None:
                    while not over.wait(0.02):
                        most[0] = max(most[0], process.rss_anon_bytes)

                watcher = threading.Thread(target=look)
                watcher.start()
                try:
                    assert connection.call("made.sizes", (data,), {}, Options(timeout_s=60)) == [data.size]
                finally:
                    over.set()
                    watcher.join()
                assert most[0] - before < 16 << 20


def test_small_calls_do_not_wait_for_a_large_one(always: GatewayProcess) -> None:
    """The network is slow and the value is being compressed; the others are answered meanwhile."""
    with metered(always.port, rate_bytes_s=1_000_000) as meter, connected(meter.port, "websocket") as far:
        far.call("made.add", (1, 1), {}, Options())
        large = threading.Thread(target=far.call, args=("made.bars", (ROWS,), {}, Options(timeout_s=60)))
        large.start()
        with ksrpc.connect(always.url) as near:
            answers = [near.call("made.add", 1, number) for number in range(20)]
        assert answers == list(range(1, 21))
        assert large.is_alive()
        large.join(60)
        assert not large.is_alive()
