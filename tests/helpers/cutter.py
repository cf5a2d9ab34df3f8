"""A proxy that cuts connections where a test says: after so many bytes, or now; or lets them go silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_CHUNK = 1 << 16


class Cut(NamedTuple):
    """Say when a connection ends: after so many bytes of the client, or of the server; None = never.

    With `again` it does not end there: the next bytes, at most so many, are sent twice.
    """

    up: int | None = None
    down: int | None = None
    again: int = 0


class Cutter:
    """Forward connections to a port; the n-th one meets the n-th cut, all later ones none.

    Attributes:
        accepted: Connections so far.
        repeated: How often bytes were sent twice.
        is_closed: Whether new connections are hung up at once.
    """

    def __init__(self, port: int, cuts: Sequence[Cut] = ()) -> None:
        self._port = port
        self._cuts = list(cuts)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._silent: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.accepted = 0
        self.repeated = 0
        self.is_closed = False
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def ws_url(self) -> str:
        """Give the address for a WebSocket."""
        return f"ws://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End all connections of this moment."""
        with self._lock:
            for sock in self._open:
                _shut(sock)

    def silence(self) -> None:
        """Carry nothing more on the connections of this moment, and leave them open: what a lost route does."""
        with self._lock:
            self._silent |= self._open

    def stop(self) -> None:
        """Close everything."""
        _shut(self._listener)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                cut = self._cuts[self.accepted] if self.accepted < len(self._cuts) else Cut()
                self.accepted += 1
            far = None if self.is_closed else _connect(self._port)
            if far is None:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            ends = [threading.Event(), threading.Event()]
            for source, target, most, mine in ((near, far, cut.up, 0), (far, near, cut.down, 1)):
                work = (source, target, (most, cut.again), ends[mine], ends[1 - mine])
                threading.Thread(target=self._carry, args=work, daemon=True).start()

    def _carry(
        self,
        source: socket.socket,
        target: socket.socket,
        fate: tuple[int | None, int],
        mine: threading.Event,
        other: threading.Event,
    ) -> None:
        left, again = fate
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if source in self._silent:
                    continue
                if left is not None and len(data) > left:
                    target.sendall(data[: left + again])
                    if not again:
                        break
                    data, left = data[left:], None
                    self.repeated += 1
                target.sendall(data)
                left = None if left is None else left - len(data)
        _shut(source)
        _shut(target)
        mine.set()
        if other.is_set():
            with self._lock:
                self._open -= {source, target}
                source.close()
                target.close()


def _connect(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port))
    except OSError:
        return None


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def cutting(port: int, *cuts: Cut) -> Iterator[Cutter]:
    """Run a proxy in front of a port."""
    proxy = Cutter(port, cuts)
    try:
        yield proxy
    finally:
        proxy.stop()
