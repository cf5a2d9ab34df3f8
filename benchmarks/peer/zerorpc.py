"""zerorpc: msgpack over ZeroMQ, on gevent."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from benchmarks.peer.kind import ANSWERS, HOST, Connected, Kind


def serve() -> None:
    """Serve the answers, and print the port. Its `nap` lets others run, as one does with gevent."""
    zerorpc: Any = import_module("zerorpc")
    gevent: Any = import_module("gevent")

    def nap(seconds: float) -> float:
        gevent.sleep(seconds)
        return seconds

    def power(x: float, y: float) -> object:
        return ANSWERS["pow"](x, y)

    methods = {"pow": power, "nap": nap, "records": ANSWERS["records"], "tree": ANSWERS["tree"]}
    server = zerorpc.Server(methods)
    port = _free_port()
    server.bind(f"tcp://{HOST}:{port}")
    print(port, flush=True)
    server.run()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def connect(port: int) -> Connected:
    """Connect from the main thread; greenlets share it."""
    zerorpc: Any = import_module("zerorpc")
    client = zerorpc.Client(f"tcp://{HOST}:{port}")
    try:
        yield {"pow": client.pow, "nap": client.nap, "records": client.records, "tree": client.tree}
    finally:
        client.close()


KIND = Kind("zerorpc", serve, connect, "zerorpc", "carries no DataFrame", by="greenlets")
