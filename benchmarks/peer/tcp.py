"""A bare socket: how fast bytes can go at all. The answers are ready, and read into memory that is there."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import pandas as pd

from benchmarks.peer.kind import ANSWERS, HOST, Connected, Kind

_REQUEST = struct.Struct("!16sdd")
_LENGTH, _NUMBER = struct.Struct("!Q"), struct.Struct("!d")
_LARGEST_BYTES = 80_000_000


def serve() -> None:
    """Serve each connection by a thread, and print the port."""
    with socket.create_server((HOST, 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=_answer, args=(listener.accept()[0],), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while request := connection.recv(_REQUEST.size, socket.MSG_WAITALL):
        name, x, y = _REQUEST.unpack(request)
        head, body = _body(name.rstrip(b"\0").decode(), x, y)
        connection.sendall(head + body if len(body) < _REQUEST.size else head)
        if len(body) >= _REQUEST.size:
            connection.sendall(body)


def _body(name: str, x: float, y: float) -> tuple[bytes, bytes]:
    if name in ("pow", "nap"):
        body = _NUMBER.pack(ANSWERS[name](*((x, y) if name == "pow" else (x,))))
    else:
        body = _values(name, int(x))
    return _LENGTH.pack(len(body)), body


@lru_cache(maxsize=16)
def _values(name: str, rows: int) -> bytes:
    frame = ANSWERS[name](*([rows] if name == "frame_of" else []))
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{name} is no frame")
    return frame.to_numpy().tobytes()


@contextmanager
def connect(port: int) -> Connected:
    """Connect; frames come as a view of bytes in memory that the next one overwrites."""
    with socket.create_connection((HOST, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        memory = memoryview(bytearray(_LARGEST_BYTES))
        head = memoryview(bytearray(_LENGTH.size))

        def ask(name: bytes, x: float = 0.0, y: float = 0.0) -> memoryview:
            connection.sendall(_REQUEST.pack(name, x, y))
            _fill(connection, head)
            return _fill(connection, memory[: _LENGTH.unpack(head)[0]])

        def number(name: bytes) -> Any:
            return lambda *args: _NUMBER.unpack(ask(name, *args))[0]

        yield {
            "pow": number(b"pow"),
            "nap": number(b"nap"),
            "frame_of": lambda rows: ask(b"frame_of", rows),
            "frame_small": lambda: ask(b"frame_small"),
            "frame_large": lambda: ask(b"frame_large"),
        }


def _fill(connection: socket.socket, part: memoryview) -> memoryview:
    count = 0
    while count < len(part):
        taken = connection.recv_into(part[count:])
        if not taken:
            raise ConnectionError("the server hung up")
        count += taken
    return part


KIND = Kind(
    "TCP, bare",
    serve,
    connect,
    lacks="has bytes of one type only",
    labels=dict.fromkeys(("frame_small", "frame_large", "frame_of"), "TCP, into the same memory"),
    is_shared=False,
)
