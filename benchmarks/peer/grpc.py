"""gRPC without message classes: bytes out, bytes back. Frames are Arrow's stream format, made beforehand."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

import msgpack

from benchmarks.peer.kind import ANSWERS, FRAMES, HOST, Connected, Kind

_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_PAIR, _NUMBER = struct.Struct("!dd"), struct.Struct("!d")
_THREADS = 64
_PLAIN = ("records", "tree")


def serve() -> None:
    """Serve the answers as bytes, and print the port."""
    grpc: Any = import_module("grpc")
    handlers = {name: grpc.unary_unary_rpc_method_handler(_handler(name)) for name in ANSWERS}
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=_OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("library", handlers),))
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


def _handler(name: str) -> Callable[[bytes, object], bytes]:
    answer = ANSWERS[name]
    if name == "pow":
        return lambda request, _: _NUMBER.pack(answer(*_PAIR.unpack(request)))
    if name == "nap":
        return lambda request, _: _NUMBER.pack(answer(*_NUMBER.unpack(request)))
    if name in _PLAIN:
        return lambda _request, _: msgpack.packb(answer())
    return lambda request, _: _stream(name, request)


@lru_cache(maxsize=16)
def _stream(name: str, request: bytes) -> bytes:
    pyarrow: Any = import_module("pyarrow")
    table = pyarrow.Table.from_pandas(ANSWERS[name](*([int(request)] if request else [])))
    out = io.BytesIO()
    with pyarrow.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


@contextmanager
def connect(port: int) -> Connected:
    """Connect by a channel."""
    grpc: Any = import_module("grpc")
    pyarrow: Any = import_module("pyarrow")

    with grpc.insecure_channel(f"{HOST}:{port}", options=_OPTIONS) as channel:
        raw = {name: channel.unary_unary(f"/library/{name}") for name in ANSWERS}

        def read(name: str, request: bytes = b"") -> object:
            return pyarrow.ipc.open_stream(raw[name](request)).read_pandas()

        yield {
            "pow": lambda x, y: _NUMBER.unpack(raw["pow"](_PAIR.pack(x, y)))[0],
            "nap": lambda seconds: _NUMBER.unpack(raw["nap"](_NUMBER.pack(seconds)))[0],
            **{name: lambda name=name: msgpack.unpackb(raw[name](b"")) for name in _PLAIN},
            "frame_of": lambda rows: read("frame_of", b"%d" % rows),
            **{name: lambda name=name: read(name) for name in FRAMES},
        }


KIND = Kind(
    "gRPC, bytes",
    serve,
    connect,
    "grpcio",
    lacks="carries one table of Arrow a call",
    labels=dict.fromkeys(_PLAIN, "gRPC, bytes of msgpack")
    | dict.fromkeys((*FRAMES, "frame_of"), "gRPC, bytes of Arrow"),
)
