"""Servers made of one socket and a script, for everything that no proper server does."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from ksrpc.protocol import FIN, Callee, FrameType, pack_head
from ksrpc.protocol.event import Called, Event, Greeted

Script = Callable[["Guest"], None]


class Guest:
    """Hold the server's end of one connection."""

    def __init__(self, sock: socket.socket, over: threading.Event) -> None:
        self.sock = sock
        self.over = over

    def read_request(self) -> bytes:
        """Read one HTTP request with its body."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._read()
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        while len(body) < int(fields.get(b"content-length", b"0")):
            body += self._read()
        return head + b"\r\n\r\n" + body

    def answer(self, status: str, body: bytes, *, media_type: str, length: int | None = None) -> None:
        """Send an HTTP answer; `length` is what it claims to have."""
        size = len(body) if length is None else length
        head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {size}\r\n\r\n"
        self.sock.sendall(head.encode() + body)

    def hold(self) -> None:
        """Keep the connection open, saying nothing, until the test is over."""
        self.over.wait(30)

    def _read(self) -> bytes:
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionResetError
        return data


class SessionGuest:
    """Speak WebSocket and the call protocol by hand on one connection."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.protocol = ServerProtocol(max_size=None)
        self.session = Callee(now=0.0)
        self._messages: deque[bytes] = deque()
        self._accept()

    def greet(self) -> None:
        """Take HELLO and send WELCOME."""
        while not isinstance(self.event(), Greeted):
            continue
        self.session.welcome({"session": "test"})
        self.flush()

    def called(self) -> Called:
        """Wait for the next call."""
        while not isinstance(event := self.event(), Called):
            continue
        return event

    def event(self) -> Event | None:
        """Take the next message."""
        return self.session.receive(self.message(), 0.0)

    def message(self) -> bytes:
        """Wait for the next binary message."""
        while not self._messages:
            self._feed()
            frames = [event for event in self.protocol.events_received() if isinstance(event, Frame)]
            self._messages += [bytes(frame.data) for frame in frames if frame.opcode is Opcode.BINARY]
        return self._messages.popleft()

    def flush(self) -> None:
        """Send what the session has."""
        while (pair := self.session.pull()) is not None:
            self.send(b"".join(pair))

    def send(self, data: bytes) -> None:
        """Send one message."""
        self.protocol.send_binary(data)
        self.write()

    def send_cut(self, data: bytes, size: int) -> None:
        """Send one message in fragments."""
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        self.protocol.send_binary(pieces[0], fin=False)
        for piece in pieces[1:]:
            self.protocol.send_continuation(piece, fin=False)
        self.protocol.send_continuation(b"", fin=True)
        self.write()

    def result(self, call: int, value: bytes) -> bytes:
        """Make a small answer."""
        return pack_head(FrameType.RESULT, call, flags=FIN) + value

    def close(self, code: int, reason: str) -> None:
        """Close with a code."""
        self.protocol.send_close(code, reason)
        self.write()

    def write(self) -> None:
        """Write what the WebSocket has."""
        self.guest.sock.sendall(b"".join(self.protocol.data_to_send()))

    def _feed(self) -> None:
        data = self.guest.sock.recv(1 << 16)
        if not data:
            raise ConnectionResetError
        self.protocol.receive_data(data)

    def _accept(self) -> None:
        while self.protocol.state is State.CONNECTING:
            self._feed()
            for request in self.protocol.events_received():
                if isinstance(request, Request):
                    self.protocol.send_response(self.protocol.accept(request))
                    self.write()


class RawServer:
    """Run one script for each connection, the last one for all that follow: `with RawServer(script) as server:`."""

    def __init__(self, *scripts: Script) -> None:
        self.accepted = 0
        self.failures: list[Exception] = []
        self._scripts = scripts
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen)]

    def __enter__(self) -> RawServer:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
        if error is None:
            assert self.failures == []

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(script, sock))
            self._threads.append(thread)
            thread.start()

    def _serve(self, script: Script, sock: socket.socket) -> None:
        sock.settimeout(20)
        try:
            with contextlib.suppress(OSError):
                script(Guest(sock, self._over))
        except Exception as exc:
            self.failures.append(exc)
        finally:
            sock.close()
