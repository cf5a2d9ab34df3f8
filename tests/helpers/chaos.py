"""A proxy between client and gateway that does what bad networks do."""

from __future__ import annotations

import collections
import random
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

#: What may happen to a connection, and how often; what each is stands at `_Direction`.
FAULTS: Mapping[str, int] = {"delay": 3, "stall": 3, "cut": 5, "reset": 3, "half-open": 2, "duplicate": 2, "none": 2}
_CHUNK = 4096
_DELAY_S = 0.02
_NO_RATE = 1 << 40
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


@dataclass(frozen=True)
class Fate:
    """Tell what happens to one direction of a connection.

    Attributes:
        kind: One of FAULTS.
        is_up: Whether it is what the client sends, or what it is sent.
        after_bytes: So many bytes go that way before it happens.
        pause_s: How long a stall takes.
    """

    kind: str
    is_up: bool
    after_bytes: int = 0
    pause_s: float = 1.0


class ChaosProxy:
    """Forward connections to a port; each direction meets one fate after the other, drawn or, a single one, given.

    Attributes:
        fates: How often each came true.
    """

    def __init__(self, port: int, *, seed: int, most_bytes: int, stall_s: float, fate: Fate | None) -> None:
        self._port = port
        self._random = random.Random(seed)
        self._most_bytes = most_bytes
        self._stall_s = stall_s
        self._fate = fate
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.over = threading.Event()
        self.fates: collections.Counter[str] = collections.Counter()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def port(self) -> int:
        """Give the port to connect to."""
        return int(self._listener.getsockname()[1])

    def stop(self) -> None:
        """Close everything and wait until nothing of it runs."""
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._acceptor.join(10)
        with self._lock:
            for sock in self._open:
                _shut(sock)
        while self._threads:
            self._threads.pop().join(10)
        self._listener.close()

    def came(self, fate: Fate) -> None:
        """Count what came true."""
        with self._lock:
            self.fates[fate.kind] += 1

    def connect_again(self) -> socket.socket:
        """Open one more connection to the gateway, of which all answers are dropped."""
        sock = socket.create_connection(("127.0.0.1", self._port))
        with self._lock:
            self._open.add(sock)
        self._start(self._drain, sock)
        return sock

    def _drain(self, sock: socket.socket) -> None:
        with suppress(OSError):
            while sock.recv(_CHUNK):
                pass
        with self._lock:
            self._open.discard(sock)
            sock.close()

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        with self._lock:
            self._threads = [old for old in self._threads if old.is_alive()]
            self._threads.append(thread)
            thread.start()  # inside, for one that did not start yet is not alive

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            self._start(_Pair(self, near, far).run, self._forget)

    def _forget(self, near: socket.socket, far: socket.socket) -> None:
        with self._lock:
            self._open -= {near, far}
            near.close()
            far.close()

    def draw(self, *, is_up: bool, is_first: bool) -> Fate:
        """Decide what happens next in one direction."""
        if self._fate is not None:
            return self._fate if is_first and self._fate.is_up == is_up else Fate("none", is_up, 1 << 60)
        with self._lock:
            kind = self._random.choices(list(FAULTS), list(FAULTS.values()))[0]
            pause_s = self._random.uniform(0.1, self._stall_s)
            return Fate(kind, is_up, self._random.randrange(self._most_bytes), pause_s)


class _Pair:
    """Carry one connection: each direction in a thread of its own, so that one can die alone."""

    def __init__(self, proxy: ChaosProxy, near: socket.socket, far: socket.socket) -> None:
        self.proxy, self.near, self.far = proxy, near, far
        self._is_reset = False

    def run(self, forget: object) -> None:
        up = _Direction(self, self.near, self.far, is_up=True)
        down = _Direction(self, self.far, self.near, is_up=False)
        other = threading.Thread(target=up.run, daemon=True)
        other.start()
        down.run()
        other.join()
        forget(self.near, self.far)  # type: ignore[operator]

    def end(self, *, reset: bool) -> None:
        """Hang up on both sides, politely or not."""
        self._is_reset |= reset
        for sock in (self.near, self.far):
            if reset:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            _shut(sock, socket.SHUT_RD if self._is_reset else socket.SHUT_RDWR)


class _Direction:
    """Move the bytes of one direction until someone hangs up or a fate ends it.

    * delay: some chunks come a little later;
    * stall: nothing comes for a while, then all of it; the connection stays;
    * cut, reset: the connection ends in the middle, politely or not;
    * half-open: from then on nothing comes this way, not even the end; the other way lives;
    * duplicate: a chunk that is whole messages of a WebSocket comes twice; HTTP requests that carry a key are sent
      whole over a second connection too, and what is answered there goes nowhere.
    """

    def __init__(self, pair: _Pair, source: socket.socket, target: socket.socket, *, is_up: bool) -> None:
        self._pair, self._source, self._target = pair, source, target
        self._is_up = is_up
        self._moved = 0
        self._second: socket.socket | None = None
        self._messages = _Messages()
        self._fate = pair.proxy.draw(is_up=is_up, is_first=True)
        self._is_dead = False

    def run(self) -> None:
        while self._step():
            pass
        if self._second is not None:
            _shut(self._second)
        if not self._is_dead:
            self._pair.end(reset=self._fate.kind == "reset" and self._moved > self._fate.after_bytes)

    def _step(self) -> bool:
        try:
            data = self._source.recv(_CHUNK)
            if not data:
                return False
            if not self._is_dead:
                self._pass_on(data)
        except OSError:
            return False
        return self._is_dead or self._fate.kind not in ("cut", "reset") or self._moved <= self._fate.after_bytes

    def _pass_on(self, data: bytes) -> None:
        before, self._moved = self._fate.after_bytes - self._moved, self._moved + len(data)
        is_whole = self._messages.are_whole(data)
        if self._moved <= self._fate.after_bytes or (
            self._fate.kind == "duplicate" and not self._may_repeat(data, is_whole)
        ):
            self._send(data)
            return
        if self._fate.kind != "none":
            self._pair.proxy.came(self._fate)
        self._meet(data, max(0, before))

    def _may_repeat(self, data: bytes, is_whole: bool) -> bool:
        return is_whole or (data.startswith(b"POST ") and b"\r\nidempotency-key:" in data.lower())

    def _meet(self, data: bytes, before: int) -> None:
        """Do what is due; the direction goes on to its next fate unless this was its end."""
        kind = self._fate.kind
        if kind in ("cut", "reset", "half-open"):
            self._is_dead = kind == "half-open"
            self._target.sendall(data[:before])
            return
        if kind in ("delay", "stall"):
            self._pair.proxy.over.wait(_DELAY_S if kind == "delay" else self._fate.pause_s)
        if kind == "duplicate" and data.startswith(b"POST "):
            self._second = self._second or self._pair.proxy.connect_again()
        elif kind == "duplicate":
            self._send(data)
        self._send(data)
        self._moved = 0
        self._fate = self._pair.proxy.draw(is_up=self._is_up, is_first=False)

    def _send(self, data: bytes) -> None:
        self._target.sendall(data)
        if self._second is not None:
            self._second.sendall(data)


class _Messages:
    """Follow the frames of a WebSocket behind the head of its handshake."""

    def __init__(self) -> None:
        self._rest = b""
        self._has_begun = False

    def are_whole(self, data: bytes) -> bool:
        """Take the next chunk; tell whether it begins and ends where frames do."""
        begins = not self._rest and self._has_begun
        self._rest += data
        if not self._has_begun:
            head, end, self._rest = self._rest.partition(b"\r\n\r\n")
            self._has_begun = bool(end) and b"upgrade: websocket" in head.lower()
            self._rest = self._rest if self._has_begun else b"" if end else head
        while self._has_begun and 0 < (size := _frame_bytes(self._rest)) <= len(self._rest):
            self._rest = self._rest[size:]
        return begins and not self._rest


def _frame_bytes(data: bytes) -> int:
    """Tell how long the frame is that begins here; 0: its header is not there."""
    if len(data) < 2:
        return 0
    length, mask = data[1] & 127, 4 * (data[1] >> 7)
    extra = {126: 2, 127: 8}.get(length, 0)
    if len(data) < 2 + extra:
        return 0
    return 2 + extra + mask + (int.from_bytes(data[2 : 2 + extra]) if extra else length)


def _shut(sock: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    """Wake who reads; the end is told to the other side at once, or only when the socket is closed."""
    with suppress(OSError):
        sock.shutdown(how)


@contextmanager
def chaos(
    port: int, *, seed: int = 0, most_bytes: int = 1, stall_s: float = 6.0, fate: Fate | None = None
) -> Iterator[ChaosProxy]:
    """Run a proxy in front of a port; a connection's fate comes after at most so many bytes in one direction."""
    proxy = ChaosProxy(port, seed=seed, most_bytes=most_bytes, stall_s=stall_s, fate=fate)
    try:
        yield proxy
    finally:
        proxy.stop()


class Meter:
    """Count what goes through a proxy.

    Attributes:
        port: The port to connect to.
        up_bytes: What clients sent.
        down_bytes: What they were sent.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.up_bytes = 0
        self.down_bytes = 0

    def reset(self) -> None:
        """Begin to count anew."""
        self.up_bytes = self.down_bytes = 0

    def count(self, size: int, *, is_up: bool) -> None:
        """Count a piece. Each direction of the only connection has a thread of its own, so nothing is lost."""
        if is_up:
            self.up_bytes += size
        else:
            self.down_bytes += size


@contextmanager
def throttled(port: int, *, bytes_s: int) -> Iterator[int]:
    """Run a proxy in front of a port that lets so many bytes a second through, one way or the other; give its port."""
    with metered(port, rate_bytes_s=bytes_s) as meter:
        yield meter.port


@contextmanager
def metered(port: int, *, rate_bytes_s: int = _NO_RATE, host: str = "127.0.0.1") -> Iterator[Meter]:
    """Run a proxy in front of a port that counts, and lets so many bytes a second through in each direction."""
    listener = socket.create_server(("127.0.0.1", 0))
    meter = Meter(int(listener.getsockname()[1]))
    over = threading.Event()
    opened: list[socket.socket] = [listener]

    def forward(source: socket.socket, target: socket.socket, is_up: bool) -> None:
        with suppress(OSError):
            while data := source.recv(max(1, min(1 << 18, rate_bytes_s // 50))):
                meter.count(len(data), is_up=is_up)
                target.sendall(data)
                if rate_bytes_s < _NO_RATE:
                    over.wait(len(data) / rate_bytes_s)
        for sock in (source, target):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while not over.is_set():
                near, far = listener.accept()[0], socket.create_connection((host, port))
                opened.extend((near, far))
                for source, target, is_up in ((near, far, True), (far, near, False)):
                    threading.Thread(target=forward, args=(source, target, is_up), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield meter
    finally:
        over.set()
        for sock in opened:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
