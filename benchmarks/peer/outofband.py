"""Pickle, protocol 5, over a socket: arrays out of band into memory of their own, as fast as pickle goes."""

from __future__ import annotations

import pickle
import socket
import struct
import threading
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.peer.kind import ANSWERS, HOST, Connected, Kind

_COUNT, _LENGTH = struct.Struct("!I"), struct.Struct("!Q")


def serve() -> None:
    """Serve each connection by a thread, and print the port."""
    with socket.create_server((HOST, 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=_answer, args=(listener.accept()[0],), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while (asked := _receive(connection)) is not None:
        name, args = asked
        _send(connection, ANSWERS[name](*args))


def _send(connection: socket.socket, value: object) -> None:
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, 5, buffer_callback=buffers.append)
    parts: Sequence[Any] = [head, *(buffer.raw() for buffer in buffers)]
    lengths = b"".join(_LENGTH.pack(len(part)) for part in parts)
    connection.sendall(_COUNT.pack(len(parts)) + lengths + head)
    for part in parts[1:]:
        connection.sendall(part)


def _receive(connection: socket.socket) -> Any:
    start = connection.recv(_COUNT.size, socket.MSG_WAITALL)
    if not start:
        return None
    lengths = _read(connection, _COUNT.unpack(start)[0] * _LENGTH.size)
    head, *buffers = [_read(connection, length) for (length,) in _LENGTH.iter_unpack(lengths)]
    return pickle.loads(head, buffers=buffers)


def _read(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    left = memoryview(data)
    while left:
        taken = connection.recv_into(left)
        if not taken:
            raise ConnectionError("the other side hung up")
        left = left[taken:]
    return data


@contextmanager
def connect(port: int) -> Connected:
    """Connect; one call at a time."""
    with socket.create_connection((HOST, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def call(name: str) -> Any:
            def ask(*args: object) -> object:
                _send(connection, (name, args))
                return _receive(connection)

            return ask

        yield {name: call(name) for name in ANSWERS}


KIND = Kind("pickle 5 out of band, socket", serve, connect, is_shared=False)
