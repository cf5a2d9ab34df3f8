"""Values that land where they belong while they come are those that were sent, however the connection cuts them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.server import ServerProtocol

from ksrpc import wire
from ksrpc.errors import DecodeError, ProtocolError
from ksrpc.protocol import Callee, FrameType, pack_head
from ksrpc.protocol.event import Called
from ksrpc.protocol.ledger import Ledger, parse_count
from ksrpc.transport.conversation import Conversation
from ksrpc.transport.landing import LARGE_BYTES
from ksrpc.transport.waiter import Waiter

Array = npt.NDArray[np.uint8]
MIB = 1 << 20
NUMBERS: Array = np.random.default_rng(7).integers(0, 256, 5 * MIB, np.uint8)
#: Sizes of the arrays of one value: slices end inside, at and between them.
SIZES = st.lists(st.sampled_from([1, 5000, 70_000, 500_000, MIB, 2 * MIB]), min_size=1, max_size=4)
CUTS = st.lists(st.sampled_from([1, 3, 17, 63, 64, 4096, 100_000, 3 * MIB]), min_size=1, max_size=6)


class Link:
    """Join a client's conversation with a session as a server has it; bytes for the client come in pieces."""

    def __init__(self, slice_bytes: int = MIB) -> None:
        self.callee = Callee(now=0)
        self.callee.outbox.slice_bytes = slice_bytes
        self.ledger = Ledger(self.callee)
        self.talk = Conversation("ws://server/ws", token=None)
        self.called: list[Called] = []
        self.landed = 0
        self.open()

    def open(self) -> None:
        """Shake hands, and greet or go on."""
        self.rest = b""
        self.server = ServerProtocol(max_size=None)
        self.server.receive_data(self.talk.request())
        request = self.server.events_received()[0]
        self.server.send_response(self.server.accept(request))  # type: ignore[arg-type]
        for data in self.server.data_to_send():
            room = self.talk.room()
            room[: len(data)] = data
            assert self.talk.shake(room[: len(data)])
        if self.talk.welcome:
            self.server.receive_data(self.talk.attach())
        self.settle([MIB])

    def settle(self, cuts: list[int], *, most_bytes: int = 1 << 40) -> None:
        """Carry bytes both ways until nobody has more to say, or so many came to the client."""
        cycle, left = 0, most_bytes
        while True:
            self._hear(self.talk.pull()[0] if self.talk.is_attached or not self.talk.welcome else b"")
            data = self.rest + b"".join(self._pack())
            view, self.rest = memoryview(data)[:left], data[left:]
            left -= len(view)
            if not len(view):
                return
            while len(view):
                room = self.talk.room()
                cut = cuts[cycle % len(cuts)]
                count = min(cut if cycle % 200 < 60 else cut + 99_999, len(room), len(view))
                cycle += 1
                room[:count] = view[:count]
                self.talk.receive(room[:count])
                self.landed += len(room) > LARGE_BYTES
                view = view[count:]

    def _pack(self) -> Iterator[bytes]:
        while (frame := self.ledger.pull()) is not None:
            self.server.send_binary(b"".join(frame))
        yield from self.server.data_to_send()

    def _hear(self, data: bytes) -> None:
        self.server.receive_data(data)
        for frame in self.server.events_received():
            assert isinstance(frame, Frame)
            if frame.data[0] == FrameType.ATTACH:
                self.ledger.rewind(parse_count(frame.data))
                self.callee.outbox.put_back([(pack_head(FrameType.ACK, offset=self.ledger.received), b"")])
            elif not self.ledger.hear(frame.data):
                event = self.callee.receive(frame.data, time.monotonic())
                if isinstance(event, Called):
                    self.called.append(event)
                elif self.callee.peer is not None and not self.talk.welcome:
                    self.callee.welcome({"session": "s", "resume_s": 30})

    def call(self) -> tuple[int, Waiter]:
        """Begin a call; return its number and who waits for it."""
        waiter = Waiter()
        call = self.talk.call({"path": "demo.f"}, wire.pack_arguments((), {}).segments, waiter)
        self.settle([MIB])
        return call, waiter

    def answer(self, call: int, value: object) -> None:
        message = wire.pack(value)
        self.callee.answer(call, message.segments, size=message.nbytes)


def _arrays(sizes: list[int]) -> list[Array]:
    return [NUMBERS[number : number + size] for number, size in enumerate(sizes)]


def _check(value: object, wanted: list[Array]) -> None:
    assert isinstance(value, list)
    assert len(value) == len(wanted)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(value, wanted, strict=True))


@given(SIZES, CUTS, st.sampled_from([MIB, 300_000, 50_000]))
@settings(max_examples=15, deadline=None)
def test_any_cut_gives_the_value(sizes: list[int], cuts: list[int], slice_bytes: int) -> None:
    link, wanted = Link(slice_bytes), _arrays(sizes)
    (first, large), (second, small), (third, other) = link.call(), link.call(), link.call()
    link.answer(first, wanted)
    link.answer(third, wanted[::-1])
    link.answer(second, "small")
    link.settle(cuts)
    _check(large.result(), wanted)
    _check(other.result(), wanted[::-1])
    assert small.result() == "small"


@given(st.integers(1, 4 * MIB), CUTS)
@settings(max_examples=15, deadline=None)
def test_a_connection_that_breaks_inside_a_slice_costs_and_doubles_nothing(at: int, cuts: list[int]) -> None:
    link, wanted = Link(), [NUMBERS[: 3 * MIB], NUMBERS[MIB : 2 * MIB]]
    call, waiter = link.call()
    link.answer(call, wanted)
    link.settle(cuts, most_bytes=at)
    link.talk.restart()
    link.open()
    link.settle([MIB])
    _check(waiter.result(), wanted)
    assert waiter.news is not None
    assert waiter.news.came_bytes == wire.pack(wanted).nbytes


def test_the_bytes_of_a_large_slice_are_received_into_the_value() -> None:
    link = Link()
    call, waiter = link.call()
    link.answer(call, NUMBERS)
    link.settle([3 * MIB])
    assert link.landed >= 4
    value = waiter.result()
    assert value.flags.writeable
    assert np.array_equal(value, NUMBERS)


def test_a_call_given_up_while_its_slice_comes_ends_and_leaves_the_others() -> None:
    link = Link()
    call, _ = link.call()
    link.answer(call, NUMBERS)
    link.settle([100_000], most_bytes=2 * MIB + 1000)
    link.talk.abandon(call)
    again, waiter = link.call()
    link.settle([100_000])
    link.callee.fail(call, {"code": "cancelled"})
    link.answer(again, NUMBERS[:MIB])
    link.settle([100_000])
    assert np.array_equal(waiter.result(), NUMBERS[:MIB])


def test_a_slice_over_the_end_of_its_value_or_its_bounds_ends_the_connection() -> None:
    for extra, offset, error in ((2 * LARGE_BYTES, 0, DecodeError), (LARGE_BYTES, 1, ProtocolError)):
        link = Link()
        call, waiter = link.call()
        message = wire.pack(NUMBERS[:LARGE_BYTES]).join()
        begun = len(message) - LARGE_BYTES if offset else 5000
        link.server.send_binary(pack_head(FrameType.RESULT, call, {"size": len(message)}) + message[:begun])
        body = message[begun:] + (bytes(extra) if not offset else b"")
        link.server.send_binary(pack_head(FrameType.RESULT, call, offset=begun + offset, flags=1) + body)
        with pytest.raises(error, match=r"bytes after the end|offset"):
            link.settle([MIB])
        assert not waiter.is_done
