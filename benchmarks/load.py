"""Ask an HTTP server as fast as it answers: the same bytes again and again on many kept connections.

Server and generator have a core each, so that neither waits for the other's work.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ksrpc.connections.base import Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.errors import KsrpcError

CONNECTIONS = 32
_PIECE_BYTES = 1 << 18
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Flood:
    """Keep one request under way on each of some connections to one server."""

    def __init__(self, port: int, request: bytes, connections: int = CONNECTIONS) -> None:
        self._request = request
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._parts: dict[int, bytes] = {}
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[connection.fileno()] = connection
            self._poll.register(connection, select.EPOLLIN)

    def ask(self, count: int) -> bytes:
        """Have a number of requests answered and return the last answer.

        Raises:
            RuntimeError: One was not answered with 200, or a connection was closed.
        """
        fresh = list(self._sockets.values())[:count]
        for connection in fresh:
            connection.sendall(self._request)
        sent, done, last = len(fresh), 0, b""
        while done < count:
            for number, _ in self._poll.poll():
                answer = self._read(number)
                if answer:
                    done, last = done + 1, answer
                    if sent < count:
                        self._sockets[number].sendall(self._request)
                        sent += 1
        return last

    def close(self) -> None:
        """Hang up."""
        self._poll.close()
        for connection in self._sockets.values():
            connection.close()

    def _read(self, number: int) -> bytes:
        """Read once; return the answer if it is whole now."""
        data = self._sockets[number].recv(_PIECE_BYTES)
        if not data:
            raise RuntimeError("the server closed a connection")
        data = self._parts.pop(number, b"") + data
        if not is_whole(data):
            self._parts[number] = data
            return b""
        if not data.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"the server answered {data[:300]!r}")
        return data


def is_whole(data: bytes) -> bool:
    """Tell whether an answer has its whole head and body."""
    end = data.find(_HEAD_END)
    if end < 0:
        return False
    start = data.find(_LENGTH, 0, end) + len(_LENGTH)
    size = int(data[start : data.index(b"\r", start)])
    return len(data) - end - len(_HEAD_END) >= size


def split_answer(answer: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Split an answer into headers and body."""
    head, _, body = answer.partition(_HEAD_END)
    lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
    return [(name, text) for name, _, text in lines], body


def record_request(path: str, args: tuple[object, ...], options: Options, *, token: str) -> bytes:
    """Return what our own client sends for a call."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = HttpxConnection(f"http://127.0.0.1:{listener.getsockname()[1]}", token=token)

        def call() -> None:
            with suppress(KsrpcError):
                connection.call(path, args, {}, options)

        caller = threading.Thread(target=call)
        caller.start()
        peer, _ = listener.accept()
        listener.close()  # the client must find nobody when it asks again
        with peer:
            request = b""
            while not is_whole(request.replace(b"Content-Length", b"content-length")):
                request += peer.recv(_PIECE_BYTES)
        caller.join()
    return request


@contextmanager
def on_own_cores(*server_pids: int) -> Iterator[None]:
    """Put servers on one core and this process on another, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        for pid in server_pids:
            _pin(pid, cores[0])
        os.sched_setaffinity(0, {cores[-1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _pin(pid: int, core: int) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})
