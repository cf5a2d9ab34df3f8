"""Run the programs that ksrpc is compared with, each in a process: `python -m benchmarks.peer rpyc`."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import bars
from tests.helpers.server import clean_environment

ROOT = Path(__file__).resolve().parents[1]
FRAMES = {"frame_small": bars.frame_small, "frame_mixed": bars.frame_mixed, "frame_large": bars.frame_large}
HOST = "127.0.0.1"
LARGE_BYTES = 80_000_000


def serve_rpyc() -> None:
    """Serve every module by rpyc's classic mode, and print the port."""
    from rpyc.core import SlaveService
    from rpyc.utils.server import ThreadedServer

    server = ThreadedServer(SlaveService, hostname=HOST, port=0)
    server.listener.listen(server.backlog)  # `start` does, but whoever reads the port connects at once
    print(server.port, flush=True)
    server.start()


def serve_flight() -> None:
    """Serve the frames by Arrow Flight, converted beforehand, and print the port."""
    import pyarrow
    from pyarrow import flight

    tables = {name: pyarrow.Table.from_pandas(frame()) for name, frame in FRAMES.items()}

    class Server(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
        def do_get(self, context: object, ticket: flight.Ticket) -> flight.RecordBatchStream:
            return flight.RecordBatchStream(tables[ticket.ticket.decode()])

    server = Server(f"grpc://{HOST}:0")
    print(server.port, flush=True)
    server.serve()


def serve_bytes() -> None:
    """Print the port, and answer each byte of one connection with 80 MB."""
    data = bars.frame_large().to_numpy().tobytes()
    with socket.create_server((HOST, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
        while connection.recv(1):
            connection.sendall(data)


def serve_bare() -> None:
    """Serve one answer, read as JSON from the standard input, with uvicorn and nothing else; print the port.

    Its settings are those of our own server.
    """
    import uvicorn

    answer = json.load(sys.stdin)
    body, headers = answer["body"].encode("latin-1"), [(n.encode(), t.encode()) for n, t in answer["headers"]]

    async def app(_scope: object, _receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listener = socket.create_server((HOST, 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    settings = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http="httptools",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=1024,
    )
    uvicorn.Server(settings).run(sockets=[listener])


@dataclass(frozen=True, slots=True)
class Peer:
    """Name a peer that runs."""

    port: int
    pid: int


@contextmanager
def run_peer(name: str, given: str = "") -> Iterator[Peer]:
    """Start one of the servers above, with this on its standard input.

    Raises:
        RuntimeError: It ended without naming a port.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.peer", name],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = _start(process, given)
        if not line.strip().isdigit():
            raise RuntimeError(f"the {name} server did not start")
        yield Peer(int(line), process.pid)
    finally:
        process.kill()
        process.communicate()


def _start(process: subprocess.Popen[str], given: str) -> str:
    """Give a server what it is to know and return its first line."""
    if process.stdin is None or process.stdout is None:
        return ""
    process.stdin.write(given)
    process.stdin.close()
    process.stdin = None
    return process.stdout.readline()


@contextmanager
def connect_rpyc() -> Iterator[tuple[Callable[[], object], Callable[[], object]]]:
    """Give rpyc's two ways to call `math.pow(2, 3)`: through `conn.modules`, and by a proxy kept."""
    import rpyc

    with run_peer("rpyc") as peer:
        connection = rpyc.classic.connect(HOST, peer.port)
        bound = connection.modules.math.pow
        try:
            yield (lambda: connection.modules.math.pow(2, 3)), (lambda: bound(2, 3))
        finally:
            connection.close()


@contextmanager
def connect_flight() -> Iterator[Callable[[str], object]]:
    """Give a function that fetches a frame by its name with Arrow Flight, as a DataFrame."""
    from pyarrow import flight

    with run_peer("flight") as peer, flight.connect((HOST, peer.port)) as client:
        yield lambda name: client.do_get(flight.Ticket(name.encode())).read_pandas()


@contextmanager
def connect_bytes() -> Iterator[Callable[[], memoryview]]:
    """Give a function that fetches 80 MB over a bare socket, into the same memory each time."""
    with run_peer("bytes") as peer, socket.create_connection((HOST, peer.port)) as connection:
        buffer = memoryview(bytearray(LARGE_BYTES))

        def fetch() -> memoryview:
            connection.sendall(b"?")
            count = 0
            while count < LARGE_BYTES:
                count += connection.recv_into(buffer[count:])
            return buffer

        yield fetch


if __name__ == "__main__":
    serve = {"rpyc": serve_rpyc, "flight": serve_flight, "bytes": serve_bytes, "bare": serve_bare}
    serve[sys.argv[1]]()
