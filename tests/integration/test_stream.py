"""However the bytes of a WebSocket are cut on their way, each call is read and answered once, hits like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from websockets.frames import Frame, Opcode

from ksrpc import wire
from ksrpc.protocol.event import Event, RaiseCame, ResultCame
from tests.helpers.peer import RawSession
from tests.helpers.server import GatewayProcess

CALLS = 40
Cut = Callable[[list[bytes]], Iterator[bytes]]


def each(messages: list[bytes]) -> Iterator[bytes]:
    """Send each message by itself."""
    yield from map(_pack, messages)


def together(messages: list[bytes]) -> Iterator[bytes]:
    """Send all at once."""
    yield b"".join(map(_pack, messages))


def askew(messages: list[bytes]) -> Iterator[bytes]:
    """Send pieces that end inside headers and bodies."""
    data, sizes, at = b"".join(map(_pack, messages)), [1, 2, 3, 5, 7, 61, 200], 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        yield data[at : at + size]
        at += size


def in_fragments(messages: list[bytes]) -> Iterator[bytes]:
    """Send each message as three frames, with a ping among them."""
    for message in messages:
        yield Frame(Opcode.BINARY, message[:10], fin=False).serialize(mask=True)
        yield Frame(Opcode.PING, b"?").serialize(mask=True)
        yield Frame(Opcode.CONT, message[10:20], fin=False).serialize(mask=True)
        yield Frame(Opcode.CONT, message[20:]).serialize(mask=True)


def turn_and_turn(messages: list[bytes]) -> Iterator[bytes]:
    """Send one message whole, the next in fragments, the next two together."""
    for at in range(0, len(messages), 4):
        yield _pack(messages[at])
        yield from in_fragments(messages[at + 1 : at + 2])
        yield from together(messages[at + 2 : at + 4])


def _pack(message: bytes) -> bytes:
    return Frame(Opcode.BINARY, message).serialize(mask=True)


@pytest.mark.parametrize("expire", [None, 3600.0])
@pytest.mark.parametrize("cut", [each, together, askew, in_fragments, turn_and_turn])
def test_each_call_is_answered_once(gateway: GatewayProcess, cut: Cut, expire: float | None) -> None:
    with RawSession(gateway.ws_url) as session:
        session.ask("math.pow", 2, 3)
        for _ in range(2):  # the second time out of the cache, if it may
            asked = {_open(session, number, expire): float(number) ** 2 for number in range(CALLS)}
            for piece in cut(list(_pulled(session))):
                session.socket.socket.sendall(piece)
            assert _collect(session, len(asked)) == asked


def test_a_broken_rule_ends_the_connection_and_says_which(gateway: GatewayProcess) -> None:
    with RawSession(gateway.ws_url) as session:
        session.socket.send(b"\xff" * 40)
        with pytest.raises(Exception, match=r"1002.*meta|1002.*frame"):
            session.socket.recv(timeout=20)


def _open(session: RawSession, number: int, expire: float | None) -> int:
    meta = {"path": "math.pow"} | ({} if expire is None else {"cache_expire": expire})
    return session.session.call(meta, wire.pack_arguments((number, 2), {}).segments)


def _pulled(session: RawSession) -> Iterator[bytes]:
    while (frame := session.session.pull()) is not None:
        yield b"".join(frame)


def _collect(session: RawSession, count: int) -> dict[int, float]:
    answers: dict[int, float] = {}
    while len(answers) < count:
        message = session.socket.recv(timeout=60)
        assert isinstance(message, bytes)
        event: Event | None = session.session.receive(message, time.monotonic())
        assert not isinstance(event, RaiseCame)
        if isinstance(event, ResultCame):
            assert event.call not in answers
            answers[event.call] = wire.parse(bytes(event.body))
    return answers
