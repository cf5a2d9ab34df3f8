"""Attack a gateway from a process of its own: `python -m tests.storm.attack NAME PORT TOKEN COUNT`.

Prints {"opened": …} once the storm is up, goes on until its input ends, then prints {"closed": …}: how many of its
sockets the gateway has hung up on.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import resource
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ksrpc import wire
from tests.security.attack.request import SHAKE
from tests.security.transport import hostile


class Target(NamedTuple):
    """Say whom to attack.

    Attributes:
        token: Of a user who may call; strangers do without.
    """

    port: int
    token: str
    number: int


Storm = Callable[[Target, threading.Event], Iterator[int]]
_HOST = b"Host: localhost\r\n"
_CALL = b"POST /v1/call/math.pow HTTP/1.1\r\n" + _HOST


def connect(target: Target, data: bytes = b"") -> socket.socket:
    """Open a connection and say something on it."""
    sock = socket.create_connection(("127.0.0.1", target.port), timeout=30)
    if data:
        sock.sendall(data)
    return sock


def _bearer(target: Target) -> bytes:
    return b"Authorization: Bearer " + target.token.encode() + b"\r\n"


def _upgrade(target: Target) -> socket.socket:
    """Open a WebSocket of the user and greet."""
    sock = connect(target, b"GET /ws/bytes HTTP/1.1\r\n" + _HOST + _bearer(target) + SHAKE + b"\r\n")
    sock.recv(4096)
    sock.sendall(_masked(0x82, hostile.hello()))
    sock.recv(4096)
    return sock


def _masked(first: int, data: bytes) -> bytes:
    size = bytes((0x80 | len(data),)) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return bytes((first,)) + size + bytes(4) + data


def _hold(socks: list[socket.socket], over: threading.Event) -> int:
    """Wait for the end; count the sockets that the gateway hung up on."""
    over.wait()
    return sum(is_closed(sock) for sock in socks)


def is_closed(sock: socket.socket) -> bool:
    """Tell whether the peer hung up, read or not."""
    sock.setblocking(False)
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def idle(target: Target, over: threading.Event) -> Iterator[int]:
    """Open connections that say nothing, or begin a head and stop."""
    said = itertools.cycle((b"", b"", b"GET /", _CALL, b"\x16\x03\x01"))
    socks = [connect(target, next(said)) for _ in range(target.number)]
    yield len(socks)
    yield _hold(socks, over)


def _drip(socks: list[socket.socket], data: bytes, over: threading.Event) -> Iterator[int]:
    yield len(socks)
    for at in itertools.cycle(range(len(data))):
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.sendall(data[at : at + 1])
        if over.wait(0.05):
            break
    yield _hold(socks, over)


def drip_head(target: Target, over: threading.Event) -> Iterator[int]:
    """Send heads byte by byte."""
    socks = [connect(target, _CALL + b"X-Slow: ") for _ in range(target.number)]
    yield from _drip(socks, b"a" * 10_000, over)


def drip_body(target: Target, over: threading.Event) -> Iterator[int]:
    """Send bodies byte by byte, as JSON, in chunks and in the binary form, before and behind the token."""
    kinds = (
        _bearer(target) + b"Content-Type: application/json\r\nContent-Length: 4000000\r\n\r\n",
        _bearer(target) + b"Content-Type: " + wire.MEDIA_TYPE.encode() + b"\r\nContent-Length: 4000000\r\n\r\n",
        b"Content-Type: application/json\r\nContent-Length: 4000000\r\n\r\n",
    )
    socks = [
        connect(target, _CALL + kind) for kind, _ in zip(itertools.cycle(kinds), range(target.number), strict=False)
    ]
    yield from _drip(socks, b" ", over)


def drip_frames(target: Target, over: threading.Event) -> Iterator[int]:
    """Send a message of a session byte by byte."""
    socks = [_upgrade(target) for _ in range(target.number)]
    for sock in socks:
        sock.sendall(b"\x82\xfe\xff\xff" + bytes(4))
    yield from _drip(socks, b"a", over)


def _flood(target: Target, over: threading.Event, begin: bytes, data: bytes) -> Iterator[int]:
    """Send the same without end and without reading, on a new connection each time one is closed."""
    closed = 0
    yield 1
    while not over.is_set():
        with contextlib.suppress(OSError), _upgrade(target) as sock:
            sock.sendall(begin)
            while not over.is_set():
                sock.sendall(data)
        closed += 1
    yield closed


def fragments(target: Target, over: threading.Event) -> Iterator[int]:
    """Send messages in fragments of one byte."""
    yield from _flood(target, over, _masked(0x02, b"x"), _masked(0x00, b"x") * 10_000)


def empty_fragments(target: Target, over: threading.Event) -> Iterator[int]:
    """Send a message in fragments of nothing: it never grows, and what is kept of it does."""
    yield from _flood(target, over, _masked(0x02, b"x"), _masked(0x00, b"") * 10_000)


def pings(target: Target, over: threading.Event) -> Iterator[int]:
    """Send pings and take no answers."""
    yield from _flood(target, over, b"", _masked(0x89, b"x" * 100) * 1000)


def pongs(target: Target, over: threading.Event) -> Iterator[int]:
    """Send answers that nobody asked for."""
    yield from _flood(target, over, b"", _masked(0x8A, b"") * 10_000)


def messages(target: Target, over: threading.Event) -> Iterator[int]:
    """Send messages that are nothing."""
    yield from _flood(target, over, b"", _masked(0x82, b"") * 10_000)


def pipeline(target: Target, over: threading.Event) -> Iterator[int]:
    """Send thousands of requests at once and take no answers."""
    data = (b"GET /livez HTTP/1.1\r\n" + _HOST + b"\r\n") * 10_000
    closed = 0
    yield 1
    while not over.is_set():
        with contextlib.suppress(OSError), connect(target) as sock:
            sock.settimeout(0.5)
            while not over.is_set():
                sock.sendall(data)
        closed += 1
    yield closed


def _bodies() -> Iterator[tuple[bytes, bytes]]:
    binary, json_type = wire.MEDIA_TYPE.encode(), b"application/json"
    for body in hostile.bombs():
        yield binary, body
    yield json_type, b'{"args": [' + b"[" * 500_000 + b"]" * 500_000 + b"]}"
    yield json_type, b'{"args": [' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"]}"
    yield json_type, b'{"args": [' + b"9" * 1_000_000 + b"]}"
    packed = gzip.compress(bytes(32 << 20))
    yield json_type + b"\r\nContent-Encoding: gzip", packed
    yield binary + b"\r\nContent-Encoding: gzip", packed


def bombs(target: Target, over: threading.Event) -> Iterator[int]:
    """Send small bodies that say they are large, deep or many."""
    bodies = list(_bodies())
    refused = 0
    yield len(bodies)
    for media_type, body in itertools.cycle(bodies):
        if over.wait(0.02):
            break
        head = _CALL + _bearer(target) + b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n" % (media_type, len(body))
        with contextlib.suppress(OSError), connect(target) as sock:
            with contextlib.suppress(OSError):
                sock.sendall(head + body)
            status = sock.recv(4096)[9:12]
            assert status[:1] == b"4", (media_type, body[:40], status)
            refused += 1
    yield refused


STORMS: dict[str, Storm] = {
    storm.__name__.replace("_", " "): storm
    for storm in (
        idle, drip_head, drip_body, drip_frames, fragments, empty_fragments, pings, pongs, messages, pipeline, bombs,
    )
}  # fmt: skip


def _end_with_input(over: threading.Event) -> None:
    select.select([sys.stdin], [], [])
    over.set()


def main(name: str, port: str, token: str, count: str) -> None:
    """Run one storm until the input ends."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.nice(19)  # the processors are for those who are measured
    over = threading.Event()
    threading.Thread(target=_end_with_input, args=(over,), daemon=True).start()
    storm = STORMS[name](Target(int(port), token, int(count)), over)
    print(json.dumps({"opened": next(storm)}), flush=True)
    print(json.dumps({"closed": next(storm)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
