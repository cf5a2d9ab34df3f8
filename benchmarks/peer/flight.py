"""Arrow Flight: tables over gRPC, converted on the server beforehand, or for each call as answers of a library are."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

from benchmarks.peer.kind import ANSWERS, FRAMES, HOST, Connected, Kind

#: Before the name of what is to be converted for this call.
_FRESH = "fresh "
_PAIR, _NUMBER = struct.Struct("!dd"), struct.Struct("!d")


def serve() -> None:
    """Serve the tables and two actions, and print the port."""
    pyarrow: Any = import_module("pyarrow")
    flight: Any = import_module("pyarrow.flight")

    def convert(name: str) -> Any:
        function, _, rows = name.partition(":")
        if function == "records":
            return pyarrow.Table.from_pylist(ANSWERS["records"]())
        return pyarrow.Table.from_pandas(ANSWERS[function](*([int(rows)] if rows else [])))

    table = lru_cache(maxsize=16)(convert)

    class Server(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
        """Answer."""

        def do_get(self, context: object, ticket: Any) -> Any:
            """Stream a table."""
            name = ticket.ticket.decode()
            fresh = name.removeprefix(_FRESH)
            return flight.RecordBatchStream(table(name) if fresh == name else convert(fresh))

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
            "frame_of": lambda rows: fetch(f"frame_of:{rows}").read_pandas(),
            **{name: lambda name=name: fetch(name).read_pandas() for name in _both(FRAMES)},
            **{name: lambda name=name: fetch(name).read_all().to_pylist() for name in _both(("records",))},
        }


def _both(names: Iterable[str]) -> list[str]:
    return [f"{start}{name}" for start in ("", _FRESH) for name in names]


KIND = Kind(
    "Arrow Flight",
    serve,
    connect,
    "pyarrow",
    lacks="carries one table a call",
    labels=dict.fromkeys((*FRAMES, "records", "frame_of"), "Arrow Flight do_get")
    | dict.fromkeys(("pow", "nap"), "Arrow Flight do_action")
    | {f"{_FRESH}{name}": "Arrow Flight, converted for each call" for name in (*FRAMES, "records")},
)
