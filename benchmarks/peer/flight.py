"""Arrow Flight: tables over gRPC, converted beforehand on the server."""

from __future__ import annotations

import struct
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

from benchmarks.peer.kind import ANSWERS, FRAMES, HOST, Connected, Kind

_PAIR, _NUMBER = struct.Struct("!dd"), struct.Struct("!d")


def serve() -> None:
    """Serve the tables and two actions, and print the port."""
    pyarrow: Any = import_module("pyarrow")
    flight: Any = import_module("pyarrow.flight")

    @lru_cache(maxsize=16)
    def table(name: str) -> Any:
        function, _, rows = name.partition(":")
        if function == "records":
            return pyarrow.Table.from_pylist(ANSWERS["records"]())
        return pyarrow.Table.from_pandas(ANSWERS[function](*([int(rows)] if rows else [])))

    class Server(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
        """Answer."""

        def do_get(self, context: object, ticket: Any) -> Any:
            """Stream a table."""
            return flight.RecordBatchStream(table(ticket.ticket.decode()))

        def do_action(self, context: object, action: Any) -> Any:
            """Call a function of numbers."""
            packing = _PAIR if action.type == "pow" else _NUMBER
            return [_NUMBER.pack(ANSWERS[action.type](*packing.unpack(action.body)))]

    server = Server(f"grpc://{HOST}:0")
    print(server.port, flush=True)
    server.serve()


@contextmanager
def connect(port: int) -> Connected:
    """Connect; frames by `do_get`, small calls by `do_action`."""
    flight: Any = import_module("pyarrow.flight")

    with flight.connect((HOST, port)) as client:

        def act(name: str, packing: struct.Struct) -> Any:
            def call(*args: float) -> float:
                (answer,) = client.do_action((name, packing.pack(*args)))
                value: float = _NUMBER.unpack(answer.body.to_pybytes())[0]
                return value

            return call

        def fetch(name: str) -> Any:
            return client.do_get(flight.Ticket(name.encode()))

        yield {
            "pow": act("pow", _PAIR),
            "nap": act("nap", _NUMBER),
            "records": lambda: fetch("records").read_all().to_pylist(),
            "frame_of": lambda rows: fetch(f"frame_of:{rows}").read_pandas(),
            **{name: lambda name=name: fetch(name).read_pandas() for name in FRAMES},
        }


KIND = Kind(
    "Arrow Flight",
    serve,
    connect,
    "pyarrow",
    lacks="carries one table a call",
    labels=dict.fromkeys((*FRAMES, "records", "frame_of"), "Arrow Flight do_get")
    | dict.fromkeys(("pow", "nap"), "Arrow Flight do_action"),
)
