"""rpyc in its classic mode: remote objects by reference, fetched as a whole with `obtain`, which is pickle."""

from __future__ import annotations

from contextlib import contextmanager

from benchmarks.peer.kind import HOST, Connected, Kind


def serve() -> None:
    """Serve every module, and print the port."""
    from rpyc.core import SlaveService
    from rpyc.utils.server import ThreadedServer

    server = ThreadedServer(SlaveService, hostname=HOST, port=0, protocol_config={"allow_pickle": True})
    server.listener.listen(server.backlog)  # `start` does, but whoever reads the port connects at once
    print(server.port, flush=True)
    server.start()


@contextmanager
def connect(port: int) -> Connected:
    """Connect; `pow` goes through `conn.modules`, `kept` by a proxy that was kept."""
    import rpyc
    from rpyc.utils.classic import obtain

    connection = rpyc.classic.connect(HOST, port)
    bound, remote = connection.modules.math.pow, connection.modules["benchmarks.bars"]

    def power(x: float, y: float) -> object:
        return connection.modules.math.pow(x, y)

    try:
        yield {
            "pow": power,
            "kept": bound,
            "nap": remote.nap,
            "records": lambda: obtain(remote.records()),
            "tree": lambda: obtain(remote.tree()),
            "frame_small": lambda: obtain(remote.frame_small()),
        }
    finally:
        connection.close()


KIND = Kind(
    "rpyc",
    serve,
    connect,
    "rpyc",
    lacks="takes seconds by obtain, and 80 MB longer than it waits",
    labels={
        "pow": "rpyc conn.modules.math.pow",
        "kept": "rpyc, method kept",
        "records": "rpyc obtain (pickle)",
        "tree": "rpyc obtain (pickle)",
        "frame_small": "rpyc obtain (pickle)",
    },
)
