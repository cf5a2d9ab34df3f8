"""An HTTP proxy that leads wherever CONNECT asks for, and counts."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class ConnectProxy:
    """Open a tunnel for each CONNECT; refuse everything else.

    Every name leads to this machine.

    Args:
        credentials: "user:password" that a client has to show; empty: none.
        answer: Said to everybody instead of leading anywhere.

    Attributes:
        place: Its host and port.
        asked: What clients wanted to reach, in order.
        requests: The heads of their requests.
    """

    def __init__(self, credentials: str = "", *, answer: bytes = b"") -> None:
        self._wanted = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else ""
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        self.asked: list[str] = []
        self.requests: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Hang up on everybody."""
        self._over.set()
        for sock in (self._listener, *self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        self._open.add(near)
        with near, contextlib.ExitStack() as stack:
            head = _read_head(near)
            self.requests.append(head)
            method, _, rest = head.partition(" ")
            self.asked.append(rest.partition(" ")[0])
            with suppress(OSError):
                if self._answer:
                    near.sendall(self._answer)
                    return
                if method != "CONNECT":
                    near.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                    return
                if self._wanted and f"Proxy-Authorization: {self._wanted}\r\n" not in head:
                    near.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                    return
                port = int(self.asked[-1].rpartition(":")[2])
                far = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                self._open.add(far)
                near.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n")
                self._forward(near, far)

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        others = {near: far, far: near}
        while not self._over.is_set():
            for sock in select.select([near, far], [], [], 1.0)[0]:
                data = sock.recv(1 << 16)
                if not data:
                    return
                others[sock].sendall(data)


def _read_head(sock: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head and (data := sock.recv(4096)):
        head += data
    return head.decode("latin-1")


@contextmanager
def proxying(credentials: str = "", *, answer: bytes = b"") -> Iterator[ConnectProxy]:
    """Run a proxy; `answer` is said to everybody instead of leading anywhere."""
    proxy = ConnectProxy(credentials, answer=answer)
    try:
        yield proxy
    finally:
        proxy.stop()
