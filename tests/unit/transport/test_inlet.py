"""Messages that go past the parser of `websockets` are those that it would have given."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol, State

from ksrpc.transport.inlet import Inlet
from tests.helpers.feed import FEEDS, Feed

MESSAGES = [b"", b"a", b"b" * 125, b"c" * 126, b"d" * 5000, b"e" * 65_535, b"f" * 65_536, b"g" * 200_000, b"h"]


class Listener:
    """Receive as the client does: first what needs no parser, then the rest."""

    def __init__(self) -> None:
        self.inlet = Inlet(1 << 20)
        self.protocol = Protocol(CLIENT, state=State.OPEN, max_size=1 << 20)
        self.protocol.reader = self.inlet
        self.protocol.parser = self.protocol.parse()
        next(self.protocol.parser)
        self.heard: list[bytes] = []
        self.past_parser = 0

    def feed(self, data: bytes) -> None:
        while data:
            room = self.inlet.room()
            piece, data = data[: len(room)], data[len(room) :]
            room[: len(piece)] = piece
            self._take(room[: len(piece)])

    def _take(self, data: memoryview) -> None:
        self.inlet.feed_data(data)
        while (message := self.inlet.take_message()) is not None:
            self.past_parser += 1
            self.heard.append(bytes(message))
        if not self.inlet.is_empty:
            self.protocol.receive_data(data[:0])  # type: ignore[arg-type]
            for frame in self.protocol.events_received():
                assert isinstance(frame, Frame)
                self.heard.append(bytes(frame.data))


def _pack(message: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True) -> bytes:
    return Frame(opcode, message, fin=fin).serialize(mask=False)


@pytest.mark.parametrize("feed", FEEDS)
def test_messages_come_whole_and_in_order_however_the_stream_is_cut(feed: Feed) -> None:
    listener = Listener()
    for piece in feed(b"".join(map(_pack, MESSAGES))):
        listener.feed(piece)
    assert listener.heard == MESSAGES


def test_whole_messages_need_no_parser() -> None:
    listener = Listener()
    for message in MESSAGES:
        listener.feed(_pack(message))
    assert listener.past_parser == len(MESSAGES)


def test_what_is_no_whole_binary_message_is_left_to_the_parser() -> None:
    listener = Listener()
    listener.feed(_pack(b"one"))
    for data in (
        _pack(b"text", Opcode.TEXT),
        _pack(b"ping", Opcode.PING),
        _pack(b"begun", fin=False),
        _pack(b"ended", Opcode.CONT),
    ):
        listener.feed(data)
    assert listener.heard == [b"one", b"text", b"ping", b"begun", b"ended"]
    assert listener.past_parser == 1


def test_masked_frames_are_refused_by_the_parser() -> None:
    listener = Listener()
    listener.inlet.room()[:20] = Frame(Opcode.BINARY, b"x" * 14).serialize(mask=True)
    listener.inlet.feed_data(bytes(20))
    assert listener.inlet.take_message() is None
    listener.protocol.receive_data(b"")
    assert listener.protocol.parser_exc is not None
