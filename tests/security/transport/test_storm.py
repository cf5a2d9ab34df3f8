"""Changed bytes in great number over real connections: each is answered or hung up on, and the gateway serves on."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from random import Random

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from ksrpc import wire
from tests.fuzz.corpus import load_corpus
from tests.fuzz.mutation import alter, scramble
from tests.helpers.server import GatewayProcess
from tests.integration.exchange import ask
from tests.security.transport import hostile
from tests.security.transport.conftest import Fortress

GROWTH_BYTES = 24 << 20
#: What a body that may be a value may be answered with: it ran, it was refused, or the call itself raised.
ANSWERS = {200, 400, 403, 413, 415, 422, 500}
#: How a connection ends: as its client wishes, for a rule that it broke, for a message that is too large.
CLOSED = {1000, 1002, 1009}
#: Numbers of the fuzzer's targets: see tests/fuzz/target.py.
REQUEST, CALLEE, JSON = 1, 4, 6


@pytest.fixture(autouse=True)
def _survives(fortress: Fortress) -> Iterator[None]:
    """Expect of every storm: nothing imported, the gateway as it was."""
    before = fortress.gateway.rss_anon_bytes
    yield
    assert fortress.imported == []
    assert_serves(fortress.gateway)
    assert fortress.gateway.rss_anon_bytes < before + GROWTH_BYTES


def assert_serves(gateway: GatewayProcess) -> None:
    """Expect a good answer to a good call."""
    assert ask(gateway, "POST", "/v1/call/demo.echo", b'{"args": [7]}').json() == 7


def changed(target: int, count: int) -> Iterator[bytes]:
    """Yield inputs of one target of the fuzzer, changed; the same ones each time."""
    chance = Random(target)
    corpus = [data for data in load_corpus() if data[0] == target]
    made = 0
    while made < count:
        data = alter(chance.choice(corpus), chance.choice(corpus), chance)
        if data[0] == target and len(data) < 20_000:
            made += 1
            yield data[1:]


@pytest.mark.parametrize(("target", "media_type"), [(REQUEST, wire.MEDIA_TYPE), (JSON, "application/json")])
def test_bodies(fortress: Fortress, target: int, media_type: str) -> None:
    link = http.client.HTTPConnection("127.0.0.1", fortress.gateway.port, timeout=30)
    headers = {"Content-Type": media_type, "Accept": wire.MEDIA_TYPE}
    seen = set()
    for number, body in enumerate(changed(target, 150)):
        link.request("POST", "/v1/call/demo.echo", body, headers)
        reply = link.getresponse()
        reply.read()
        seen.add(reply.status)
        assert reply.status in ANSWERS, (number, body)
        if number % 50 == 0:
            assert_serves(fortress.gateway)
    link.close()
    assert {200, 400} <= seen


def test_frames(fortress: Fortress) -> None:
    for number, stream in enumerate(changed(CALLEE, 60)):
        with connect(f"{fortress.gateway.ws_url}/ws/bytes") as sock, contextlib.suppress(ConnectionClosed):
            sock.send(hostile.hello())
            for frame in _frames(stream):
                sock.send(frame)
        assert sock.close_code in CLOSED, (number, stream)
        if number % 20 == 0:
            assert_serves(fortress.gateway)


def _frames(stream: bytes) -> Iterator[bytes]:
    """Cut a stream of frames where its lengths say, or where it ends."""
    while len(stream) >= 4:
        size = int.from_bytes(stream[:4], "little")
        yield stream[4 : 4 + size]
        stream = stream[4 + size :]


def test_calls_on_one_connection(fortress: Fortress) -> None:
    bodies = list(changed(REQUEST, 100))
    with connect(f"{fortress.gateway.ws_url}/ws/bytes", max_queue=None) as sock:
        sock.send(hostile.hello())
        for number, body in enumerate(bodies, 1):
            sock.send(hostile.call_of("demo.echo", body, number=number))
        ended: set[int] = set()
        while len(ended) < len(bodies):
            data = sock.recv(timeout=30)
            assert isinstance(data, bytes)
            kind, flags, _, call, _ = hostile.HEADER.unpack_from(data)
            if kind == 10 or (kind == hostile.RESULT and flags & hostile.FIN):
                ended.add(call)
    assert ended == set(range(1, len(bodies) + 1))


REQUESTS = [
    b"POST /v1/call/demo.echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 13\r\n\r\n{"args": [7]}',
    b"GET /v1/call/demo.echo?x=1 HTTP/1.1\r\nHost: localhost\r\nAccept: text/csv;q=0.5, */*\r\n\r\n",
    b"POST /v1/call/demo.echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"GET /ws/bytes HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x82\x85\x01\x02\x03\x04abcde",
]


def test_requests(fortress: Fortress) -> None:
    chance = Random(1)
    for number in range(100):
        data = scramble(chance.choice(REQUESTS), chance)
        with socket.create_connection(("127.0.0.1", fortress.gateway.port), timeout=30) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            came = _drain(sock)
        assert not came or came.startswith(b"HTTP/1.1 "), (number, data)
        assert b"Traceback" not in came
        if number % 50 == 0:
            assert_serves(fortress.gateway)


def _drain(sock: socket.socket) -> bytes:
    came = b""
    try:
        while piece := sock.recv(65536):
            came += piece
    except ConnectionResetError:
        pass
    return came
