"""Ask a gateway for answers that it keeps: how long one takes, and how many a second one core gives."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import ksrpc
from benchmarks.load import Flood, on_own_cores, record_request, split_answer
from benchmarks.measure import Case, Figure, Group, Rate, run_group
from benchmarks.peer import HOST, Ways, run_peer
from benchmarks.stage import TRANSPORTS, check_frame
from ksrpc.client import RemoteGateway
from ksrpc.connections.base import Options
from tests.helpers.server import GatewayProcess

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
allow = ["bars"]
[module.bars]
path = "{bars}"
"""
_KEPT = Options(cache_expire=86_400.0)
_KEPT_WITHIN_S = 60.0
_REQUESTS = 1000
_LEAST_RATE = 0.35
_FRAME_TARGETS = {"frame_small": 0.30, "frame_mixed": 0.60, "frame_large": 0.30}
_SOCKET_TARGET = 1.2
_SMALL, _MIXED, _LARGE = "frame_small", "frame_mixed", "frame_large"
#: A small frame over HTTP has no target: the request alone costs more than the answer.
_UNTARGETED = ("HTTP", _SMALL)
_TITLES = {
    _SMALL: ("Cached frame of 250 × 4 float64 (8 kB)", 50),
    _MIXED: ("Cached frame of 100 000 × 8, two columns of text", 3),
    _LARGE: ("Cached frame of 1 000 000 × 10 float64 (80 MB)", 1),
}


@dataclass(frozen=True, slots=True)
class Keeper:
    """Hold a gateway that keeps its answers, and the token of somebody who may ask."""

    gateway: GatewayProcess
    token: str

    def connect(self, transport: str) -> RemoteGateway:
        """Give a client that was not connected before."""
        url = self.gateway.ws_url if transport == "WebSocket" else self.gateway.url
        return ksrpc.connect(url, token=self.token)

    def request(self, name: str, *args: object) -> bytes:
        """Give the bytes with which our client asks over HTTP."""
        return record_request(f"bars.{name}", args, _KEPT, token=self.token)

    def await_kept(self, name: str, *args: object) -> None:
        """Ask until the answer comes out of the cache.

        Raises:
            TimeoutError: It does not.
        """
        request = self.request(name, *args)
        deadline = time.monotonic() + _KEPT_WITHIN_S
        while b"; hit;" not in _read_head(self.gateway.port, request):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} was not kept")
            threading.Event().wait(0.05)


def ask(client: RemoteGateway, name: str, *args: object) -> object:
    """Call a function of `bars` and take a kept answer for it."""
    return client.connection.call(f"bars.{name}", args, {}, _KEPT)


@contextmanager
def run_keeper(folder: Path) -> Iterator[Keeper]:
    """Start a gateway that has its cache in `folder/data`."""
    config = _CONFIG.format(bars=(Path(__file__).resolve().parent / "bars.py").as_posix())
    with GatewayProcess(folder, config) as gateway:
        yield Keeper(gateway, gateway.create_token("analyst"))


@contextmanager
def connect_keeper() -> Iterator[tuple[Keeper, dict[str, RemoteGateway]]]:
    """Start a gateway that has the frames and a price, and connect to it by each transport."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        keeper = stack.enter_context(run_keeper(Path(folder)))
        for name in (*_TITLES, "price"):
            keeper.await_kept(name)
        yield keeper, {name: stack.enter_context(keeper.connect(name)) for name in TRANSPORTS}


def cached_groups(clients: dict[str, RemoteGateway], flight: Ways, tcp: Ways) -> Iterator[Group]:
    """Compare what is kept with Arrow Flight, and the large frame with a bare socket too."""
    for name, (title, calls) in _TITLES.items():
        peer = Case("Arrow Flight do_get", flight[name])
        yield Group(title, [peer, *_cases(clients, name, _FRAME_TARGETS[name])], calls, check_frame(name))
    title = "Cached frame of 80 MB beside a bare socket"
    cases = [Case("TCP, into the same memory", tcp[_LARGE]), *_cases(clients, _LARGE, _SOCKET_TARGET)]
    yield Group(title, cases, 1, check_frame(_LARGE))


def _cases(clients: dict[str, RemoteGateway], name: str, target: float) -> list[Case]:
    return [
        Case(
            f"ksrpc {transport}, hit",
            lambda client=client: ask(client, name),  # type: ignore[misc]
            None if (transport, name) == _UNTARGETED else target,
        )
        for transport, client in clients.items()
    ]


def rate_hits(keeper: Keeper, rounds: int) -> Iterator[Rate]:
    """Count the hits that one core gives over HTTP, beside what uvicorn alone gives of the same bytes."""
    for name, told in (("price", "one number"), (_SMALL, "frame of 8 kB")):
        request = keeper.request(name)
        with ExitStack() as stack:
            ours = stack.enter_context(_flood(keeper.gateway.port, request))
            headers, body = split_answer(ours.ask(1))
            given = {"headers": [(n.decode(), t.decode()) for n, t in headers], "body": body.decode("latin-1")}
            peer = stack.enter_context(run_peer("uvicorn", json.dumps(given)))
            bare = stack.enter_context(_flood(peer.port, request))
            stack.enter_context(on_own_cores(keeper.gateway.pid, peer.pid))
            cases = [Case(f"uvicorn alone, {told}", _asking(bare)), Case(f"ksrpc HTTP, hit, {told}", _asking(ours))]
            figures = run_group(Group("", cases, 1, _body_check(body)), rounds)
        yield from (_rate(figure, target) for figure, target in zip(figures, (None, _LEAST_RATE), strict=True))


def _asking(flood: Flood) -> Callable[[], bytes]:
    return lambda: flood.ask(_REQUESTS)


def _body_check(wanted: bytes) -> Callable[[object], None]:
    def check(result: object) -> None:
        if not isinstance(result, bytes) or split_answer(result)[1] != wanted:
            raise ValueError("another answer came")

    return check


def _rate(figure: Figure, target: float | None) -> Rate:
    ratios = 1 / figure.ratio, 1 / figure.ratio_high, 1 / figure.ratio_low
    return Rate(figure.name, _REQUESTS / figure.median_s, *ratios, target)


@contextmanager
def _flood(port: int, request: bytes) -> Iterator[Flood]:
    flood = Flood(port, request)
    try:
        yield flood
    finally:
        flood.close()


def _read_head(port: int, request: bytes) -> bytes:
    """Ask once, and read no more than the head and what comes with it."""
    with socket.create_connection((HOST, port)) as connection:
        connection.sendall(request)
        head = b""
        while b"\r\n\r\n" not in head and (piece := connection.recv(4096)):
            head += piece
    return head.partition(b"\r\n\r\n")[0]
