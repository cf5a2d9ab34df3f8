"""Hold the servers of all contenders, each started when it is first wanted, all of them stopped at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import bars
from benchmarks.loop import Loop
from benchmarks.measure import Case
from benchmarks.peer import FRAMES, PEERS, Kind, Peer, Ways, run_peer
from ksrpc.client import RpcClient
from ksrpc.connections.base import Connection
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from tests.helpers.server import GatewayProcess

TRANSPORTS = ("WebSocket", "HTTP")
_CONFIG = """
[server]
port = 0
[call]
enabled = true
[cache]
enabled = false
[access]
anonymous = true
allow = ["math", "bars"]
[module.math]
executor = "{executor}"
[module.bars]
path = "{bars}"
"""


@contextmanager
def run_gateway(executor: str) -> Iterator[GatewayProcess]:
    """Start a gateway whose `math` runs with this executor; `bars` always runs in worker processes."""
    with tempfile.TemporaryDirectory() as folder:
        config = _CONFIG.format(executor=executor, bars=Path(bars.__file__).as_posix())
        with GatewayProcess(Path(folder), config) as gateway:
            yield gateway


def connection_to(gateway: GatewayProcess, transport: str) -> Connection:
    """Give a connection that was not used before."""
    if transport == "WebSocket":
        return WebSocketConnection(gateway.ws_url + "/ws/bytes")
    return HttpxConnection(gateway.url + "/api/file")


class Stage:
    """Give what the measurements call.

    Attributes:
        loop: Where awaited calls are made.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.loop = stack.enter_context(Loop())
        self._gateways: dict[str, GatewayProcess] = {}
        self._peers: dict[str, Peer | str] = {}
        self._ways: dict[str, Ways] = {}

    def gateway(self, executor: str = "process") -> GatewayProcess:
        """Give the gateway whose `math` runs with this executor."""
        if executor not in self._gateways:
            self._gateways[executor] = self.stack.enter_context(run_gateway(executor))
        return self._gateways[executor]

    def connect(self, transport: str, executor: str = "process") -> Connection:
        """Give a connection of its own to a gateway, closed at the end."""
        connection = self.stack.enter_context(connection_to(self.gateway(executor), transport))
        self.stack.callback(lambda: self.loop.run(connection.aclose()))
        return connection

    def module(self, name: str, connection: Connection, *, awaited: bool = False) -> Any:
        """Give a remote module as users have it."""
        return RpcClient(name, connection, async_local=awaited)

    def peer(self, name: str) -> Peer | str:
        """Give a peer's server, or say why there is none."""
        if name not in self._peers:
            self._peers[name] = self._start(name)
        return self._peers[name]

    def _start(self, name: str) -> Peer | str:
        if reason := missing(PEERS[name]):
            return reason
        try:
            return self.stack.enter_context(run_peer(name))
        except RuntimeError as error:
            return str(error)

    def ways(self, name: str) -> Ways:
        """Give the ways of one connection to a peer; there are none if it is not there."""
        if name not in self._ways:
            peer = self.peer(name)
            self._ways[name] = {} if isinstance(peer, str) else self.connect_peer(name, self.stack)
        return self._ways[name]

    def connect_peer(self, name: str, stack: ExitStack) -> Ways:
        """Give the ways of a new connection to a peer that runs, for as long as the stack holds.

        Raises:
            LookupError: It does not run.
        """
        peer = self.peer(name)
        if isinstance(peer, str):
            raise LookupError(peer)
        return stack.enter_context(PEERS[name].connect(peer.port))

    def peer_cases(self, function: str, *args: object, first: str = "") -> tuple[list[Case], dict[str, str]]:
        """List the peers' ways to call a function, this one first; and why the others are not among them."""
        cases, absent = [], {}
        for name in sorted(PEERS, key=lambda name: name != first):
            kind, ways = PEERS[name], self.ways(name)
            for way in [way for way in (function, *_ALSO.get(function, ())) if way in ways]:
                cases.append(Case(kind.label_of(way), _calling(ways[way], args)))
            if function not in ways:
                peer = self.peer(name)
                absent[kind.label] = peer if isinstance(peer, str) else kind.lacks
        return cases, absent


#: Other ways of a peer to do the same.
_ALSO = {"pow": ("kept",)} | {name: (f"fresh {name}",) for name in (*FRAMES, "records")}


def _calling(way: Callable[..., object], args: tuple[object, ...]) -> Callable[[], object]:
    return lambda: way(*args)


def missing(kind: Kind) -> str:
    """Tell why a peer cannot be used on this Python. Empty if it can."""
    if not kind.package:
        return ""
    try:
        import_module(_MODULES.get(kind.package, kind.package))
    except ImportError as error:
        return f"cannot be installed here ({type(error).__name__}: {error})"
    return ""


_MODULES: Mapping[str, str] = {"grpcio": "grpc", "pyarrow": "pyarrow.flight"}


def check_frame(name: str) -> Callable[[object], None]:
    """Give what compares a result with the right frame; a view of bytes is compared by its values."""
    return compare_frame(FRAMES[name]())


def compare_frame(wanted: pd.DataFrame) -> Callable[[object], None]:
    """Give what raises unless a result is this frame."""
    import numpy as np

    def check(result: object) -> None:
        if isinstance(result, memoryview):
            values = np.frombuffer(result, np.float64).reshape(wanted.shape)
            result = pd.DataFrame(values, columns=wanted.columns)
        if not isinstance(result, pd.DataFrame):
            raise TypeError(f"a frame came as {type(result).__name__}")
        pd.testing.assert_frame_equal(result, wanted)

    return check


def check_frames(wanted: Mapping[str, pd.DataFrame]) -> Callable[[object], None]:
    """Give what raises unless a result is a dict of these frames."""

    def check(result: object) -> None:
        if type(result) is not dict or list(result) != list(wanted):
            raise ValueError(f"{str(result)[:80]} came for frames of {', '.join(wanted)}")
        for name, frame in wanted.items():
            compare_frame(frame)(result[name])

    return check


def check_answer(name: str) -> Callable[[object], None]:
    """Give what raises unless a result is what this function of `bars` gives."""
    if name in FRAMES:
        return check_frame(name)
    wanted = getattr(bars, name)()
    return check_frames(wanted) if name == "frames_ten" else check_value(wanted)


def check_value(wanted: object) -> Callable[[object], None]:
    """Give what raises unless a result is equal to this."""

    def check(result: object) -> None:
        if result != wanted or type(result) is not type(wanted):
            raise ValueError(f"{str(result)[:80]} came for {str(wanted)[:80]}")

    return check
