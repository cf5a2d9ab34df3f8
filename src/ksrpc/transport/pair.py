"""A socket pair between the gateway and a worker process: the worker's blocking side.

Source: docs/spec/protocol.md "Carriers".
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterator

from ksrpc.protocol import Buffer, Callee, Framer, pack_length
from ksrpc.protocol.event import Event

_READ_BYTES = 1 << 16
_JOIN_BYTES = 1 << 16


class BlockingPair:
    """Drive a Callee over the worker's end of the pair, one thread, no loop."""

    def __init__(self, sock: socket.socket, session: Callee) -> None:
        self.session = session
        self._sock = sock
        self._framer = Framer(session.limits)
        self._events: deque[Event] = deque()

    def events(self) -> Iterator[Event]:
        """Yield what happens until the gateway closes its end."""
        while True:
            while self._events:
                yield self._events.popleft()
            self.flush()
            if not self._read():
                return

    def flush(self) -> None:
        """Send all that waits; where credit has run out, read until more is granted.

        Raises:
            EOFError: The gateway is gone.
        """
        outbox = self.session.outbox
        while True:
            while not outbox.is_empty and (frame := self.session.pull()) is not None:
                self._send(*frame)
            if not outbox.has_waiting:
                return
            if not self._read():
                raise EOFError

    def _read(self) -> bool:
        data = self._sock.recv(_READ_BYTES)
        for message in self._framer.feed(data):
            event = self.session.receive(message, time.monotonic())
            if event is not None:
                self._events.append(event)
        return bool(data)

    def _send(self, head: bytes, body: Buffer) -> None:
        start = pack_length(head, body)
        if len(body) <= _JOIN_BYTES:
            self._sock.sendall(b"".join((start, body)))
        else:
            self._sock.sendall(start)
            self._sock.sendall(body)
