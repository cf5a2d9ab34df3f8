"""The proxy of the chaos tests does to bytes what it says, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.helpers.chaos import Fate, chaos

SENT = bytes(range(256)) * 40
HEAD = b"POST /api/file HTTP/1.1\r\nIdempotency-Key: abc\r\n\r\n"


class Sink:
    """Take connections; keep what each of them brought, and answer with so many bytes."""

    def __init__(self, answer: bytes = b"") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.changed = threading.Condition()
        self.brought: list[bytearray] = []
        self.ended = 0
        self._answer = answer
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self.changed:
                self.brought.append(bytearray())
            self._threads.append(threading.Thread(target=self._read, args=(sock, self.brought[-1])))
            self._threads[-1].start()

    def _read(self, sock: socket.socket, brought: bytearray) -> None:
        with sock:
            with contextlib.suppress(OSError):
                sock.sendall(self._answer)
            while data := self._more(sock):
                with self.changed:
                    brought += data
                    self.changed.notify_all()
        with self.changed:
            self.ended += 1
            self.changed.notify_all()

    def _more(self, sock: socket.socket) -> bytes:
        try:
            return sock.recv(65536)
        except OSError:
            return b""

    def wait(self, brought: list[int], *, ended: int | None = None, within_s: float = 20) -> bool:
        """Wait until the connections brought so many bytes each, and so many of them ended."""
        with self.changed:
            return self.changed.wait_for(
                lambda: sorted(map(len, self.brought)) == brought and ended in (None, self.ended), within_s
            )

    def stop(self) -> None:
        """Take no more, and wait for what runs."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink(answer=b"hello" * 100)
    yield made
    made.stop()


def read_all(sock: socket.socket, count: int = 1 << 20) -> bytes:
    """Read so many bytes, or until the end."""
    sock.settimeout(20)
    found = b""
    while len(found) < count and (data := sock.recv(4096)):
        found += data
    return found


@pytest.mark.parametrize("kind", ["none", "delay", "stall"])
def test_what_only_takes_time_loses_nothing(sink: Sink, kind: str) -> None:
    fate = Fate(kind, is_up=True, after_bytes=5000, pause_s=0.2)
    with chaos(sink.port, fate=fate) as network, socket.create_connection(("127.0.0.1", network.port)) as sock:
        sock.sendall(SENT)
        assert read_all(sock, 500) == b"hello" * 100
        assert sink.wait([len(SENT)])
    assert bytes(sink.brought[0]) == SENT
    assert network.fates == ({} if kind == "none" else {kind: 1})


def test_a_cut_on_the_way_up_comes_after_exactly_so_many_bytes(sink: Sink) -> None:
    fate = Fate("cut", is_up=True, after_bytes=5000)
    with chaos(sink.port, fate=fate) as network, socket.create_connection(("127.0.0.1", network.port)) as sock:
        sock.sendall(SENT)
        assert sink.wait([5000], ended=1)
        assert sock.recv(1) in (b"", b"h")


def test_a_cut_on_the_way_down_comes_after_exactly_so_many_bytes(sink: Sink) -> None:
    fate = Fate("cut", is_up=False, after_bytes=123)
    with chaos(sink.port, fate=fate) as network, socket.create_connection(("127.0.0.1", network.port)) as sock:
        assert read_all(sock) == (b"hello" * 100)[:123]
        assert sink.wait([0], ended=1)


def test_a_reset_is_one(sink: Sink) -> None:
    with (
        chaos(sink.port, fate=Fate("reset", is_up=True)) as network,
        socket.create_connection(("127.0.0.1", network.port)) as sock,
    ):
        sock.sendall(b"abc")
        with pytest.raises(ConnectionResetError):
            read_all(sock)


def test_half_open_is_dead_one_way_only_and_tells_nobody(sink: Sink) -> None:
    fate = Fate("half-open", is_up=True, after_bytes=10)
    with chaos(sink.port, fate=fate) as network:
        with socket.create_connection(("127.0.0.1", network.port)) as sock:
            sock.sendall(SENT)
            assert read_all(sock, 500) == b"hello" * 100
            assert sink.wait([10])
        assert not sink.wait([10], ended=1, within_s=0.3)  # our end is not told either
    assert sink.wait([10], ended=1)


@pytest.mark.parametrize("size", [0, 5, 125, 126, 3000])
def test_a_message_comes_twice(sink: Sink, size: int) -> None:
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2)
    message = b"\x82" + length + b"x" * size
    head = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    fate = Fate("duplicate", is_up=True)
    with chaos(sink.port, fate=fate) as network, socket.create_connection(("127.0.0.1", network.port)) as sock:
        sock.sendall(head)
        assert sink.wait([len(head)])
        sock.sendall(message)
        assert sink.wait([len(head) + 2 * len(message)])
        sock.sendall(message)
        assert sink.wait([len(head) + 3 * len(message)])
    assert sink.brought[0] == head + message * 3


def test_half_a_message_does_not_come_twice(sink: Sink) -> None:
    with (
        chaos(sink.port, fate=Fate("duplicate", is_up=True)) as network,
        socket.create_connection(("127.0.0.1", network.port)) as sock,
    ):
        head = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
        for number, part in enumerate([head, b"\x82\x05ab", b"cde\x82\x01x"]):
            sock.sendall(part)
            assert sink.wait([[38, 42, 48][number]])
    assert network.fates == {}


def test_a_request_with_a_key_comes_twice_as_a_whole(sink: Sink) -> None:
    fate = Fate("duplicate", is_up=True)
    with chaos(sink.port, fate=fate) as network, socket.create_connection(("127.0.0.1", network.port)) as sock:
        sock.sendall(HEAD)
        assert sink.wait([len(HEAD)] * 2)
        sock.sendall(b"body")
        assert sink.wait([len(HEAD) + 4] * 2)
        assert read_all(sock, 500) == b"hello" * 100
    assert network.fates == {"duplicate": 1}


def test_nothing_of_it_is_left(sink: Sink) -> None:
    before = set(threading.enumerate())
    with chaos(sink.port, seed=3, most_bytes=2000) as network:
        for _ in range(20):
            sock = socket.create_connection(("127.0.0.1", network.port))
            sock.close()
    assert {thread for thread in threading.enumerate() if "_read" not in thread.name} <= before
