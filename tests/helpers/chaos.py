"""A proxy between client and gateway that does what bad networks do."""

from __future__ import annotations

import random
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: What may happen to a connection, and how often.
FAULTS = {"delay": 2, "cut up": 3, "cut down": 3, "half-open": 1, "reset": 2}
_CHUNK = 4096


class ChaosProxy:
    """Forward connections to a port; each has a fate, drawn from a seeded generator.

    Attributes:
        fates: How often each came.
    """

    def __init__(self, port: int, *, seed: int, quiet_s: float, most_bytes: int) -> None:
        self._port = port
        self._random = random.Random(seed)
        self._quiet_s = quiet_s
        self._most_bytes = most_bytes
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.fates: dict[str, int] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Give the port to connect to."""
        return int(self._listener.getsockname()[1])

    def stop(self) -> None:
        """Close everything."""
        self._over.set()
        self._listener.close()
        with self._lock:
            for sock in self._open:
                _close(sock)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near, *self._draw()), daemon=True).start()

    def _draw(self) -> tuple[str, int]:
        with self._lock:
            fate = self._random.choices(list(FAULTS), list(FAULTS.values()))[0]
            self.fates[fate] = self.fates.get(fate, 0) + 1
            return fate, self._random.randrange(0, self._most_bytes)

    def _carry(self, near: socket.socket, fate: str, count: int) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self._port))
        except OSError:
            near.close()
            return
        with self._lock:
            self._open |= {near, far}
        try:
            self._forward(near, far, fate, count)
        finally:
            for sock in (near, far):
                if fate == "reset":
                    with suppress(OSError):
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                _close(sock)
            with self._lock:
                self._open -= {near, far}

    def _forward(self, near: socket.socket, far: socket.socket, fate: str, count: int) -> None:
        """Move bytes both ways until someone hangs up or the fate comes true after so many bytes."""
        moved = {near: 0, far: 0}
        while not self._over.is_set():
            ready = select.select([near, far], [], [], 1.0)[0]
            for sock in ready:
                try:
                    data = sock.recv(_CHUNK)
                except OSError:
                    return
                if not data:
                    return
                left = count - moved[sock]
                moved[sock] += len(data)
                other = far if sock is near else near
                if fate == "delay":
                    self._over.wait(0.02)
                if self._is_due(fate, is_up=sock is near, left=left - len(data)):
                    with suppress(OSError):
                        other.sendall(data[: max(0, left)])
                    if fate == "half-open":
                        self._over.wait(self._quiet_s)
                    return
                try:
                    other.sendall(data)
                except OSError:
                    return

    def _is_due(self, fate: str, *, is_up: bool, left: int) -> bool:
        if left >= 0:
            return False
        return {"cut up": is_up, "cut down": not is_up}.get(fate, True)


def _close(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


@contextmanager
def chaos(port: int, *, seed: int, most_bytes: int, quiet_s: float = 20.0) -> Iterator[ChaosProxy]:
    """Run a proxy in front of a port; a connection's fate comes after at most so many bytes in one direction."""
    proxy = ChaosProxy(port, seed=seed, quiet_s=quiet_s, most_bytes=most_bytes)
    try:
        yield proxy
    finally:
        proxy.stop()
