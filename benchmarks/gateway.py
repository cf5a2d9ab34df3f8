"""Run ksrpc's own gateway for the measurements, and call it as a user would."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.server import GatewayProcess

HERE = Path(__file__).resolve().parent

_CONFIG = """
[server]
port = 0
[call]
enabled = true
[access]
anonymous = true
allow = ["math", "demo", "bars"]
[module.math]
executor = "{executor}"
[module.bars]
path = "{bars}"
"""


@contextmanager
def run_gateway(executor: str) -> Iterator[GatewayProcess]:
    """Start a gateway whose `math` runs with this executor; `bars` always runs in a worker process."""
    with tempfile.TemporaryDirectory() as folder:
        config = _CONFIG.format(executor=executor, bars=HERE / "bars.py")
        with GatewayProcess(Path(folder), config) as gateway:
            yield gateway


@dataclass(frozen=True, slots=True)
class Callers:
    """Hold the calls to time: `pow` by executor and transport, frames by transport."""

    pow: dict[tuple[str, str], Callable[[], object]]
    frame: dict[str, Callable[[str], object]]


@contextmanager
def connect_gateway() -> Iterator[Callers]:
    """Start a gateway per executor and connect to each over every transport."""
    from ksrpc import RpcClient

    pow_calls: dict[tuple[str, str], Callable[[], object]] = {}
    frame_calls: dict[str, Callable[[str], object]] = {}
    with ExitStack() as stack:
        for executor in ("inline", "process"):
            gateway = stack.enter_context(run_gateway(executor))
            for transport, connection in _connections(gateway):
                stack.enter_context(connection)
                pow_calls[executor, transport] = _pow(RpcClient("math", connection, async_local=False))
                frame_calls[transport] = _frame(RpcClient("bars", connection, async_local=False))
        yield Callers(pow_calls, frame_calls)


def _connections(gateway: GatewayProcess) -> Iterator[tuple[str, Any]]:
    from ksrpc.connections.http import HttpxConnection
    from ksrpc.connections.websocket import WebSocketConnection

    yield "WebSocket", WebSocketConnection(gateway.ws_url + "/ws/bytes")
    yield "HTTP", HttpxConnection(gateway.url + "/api/file")


def _pow(math: Any) -> Callable[[], object]:
    return lambda: math.pow(2, 3)


def _frame(bars: Any) -> Callable[[str], object]:
    return lambda name: getattr(bars, name)()
