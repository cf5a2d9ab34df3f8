"""Run the programs that ksrpc is compared with, each in a process: `python -m benchmarks.peer rpyc`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import bars
from tests.helpers.server import clean_environment

ROOT = Path(__file__).resolve().parents[1]
FRAMES = {"frame_small": bars.frame_small, "frame_mixed": bars.frame_mixed, "frame_large": bars.frame_large}
HOST = "127.0.0.1"


def serve_rpyc() -> None:
    """Serve every module by rpyc's classic mode, and print the port."""
    from rpyc.core import SlaveService
    from rpyc.utils.server import ThreadedServer

    server = ThreadedServer(SlaveService, hostname=HOST, port=0)
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


@contextmanager
def run_peer(name: str) -> Iterator[int]:
    """Start one of the servers above and give its port.

    Raises:
        RuntimeError: It ended without naming a port.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.peer", name],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.strip().isdigit():
            raise RuntimeError(f"the {name} server did not start")
        yield int(line)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def connect_rpyc() -> Iterator[tuple[Callable[[], object], Callable[[], object]]]:
    """Give rpyc's two ways to call `math.pow(2, 3)`: through `conn.modules`, and by a proxy kept."""
    import rpyc

    with run_peer("rpyc") as port:
        connection = rpyc.classic.connect(HOST, port)
        bound = connection.modules.math.pow
        try:
            yield (lambda: connection.modules.math.pow(2, 3)), (lambda: bound(2, 3))
        finally:
            connection.close()


@contextmanager
def connect_flight() -> Iterator[Callable[[str], object]]:
    """Give a function that fetches a frame by its name with Arrow Flight, as a DataFrame."""
    from pyarrow import flight

    with run_peer("flight") as port, flight.connect((HOST, port)) as client:
        yield lambda name: client.do_get(flight.Ticket(name.encode())).read_pandas()


if __name__ == "__main__":
    {"rpyc": serve_rpyc, "flight": serve_flight}[sys.argv[1]]()
