"""Two sessions back to back: every call gets its own bytes, memory stays bounded, and garbage is refused politely."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ksrpc.errors import ProtocolError
from ksrpc.limits import SESSION
from ksrpc.protocol import FIN, Callee, Caller, Framer, FrameType, pack_head, pack_length, parse_frame
from ksrpc.protocol.event import BodyCame, Called, CancelCame, Greeted, RaiseCame, ResultCame
from ksrpc.protocol.session import Session

LIMITS = replace(
    SESSION,
    frame_bytes=60,
    slice_bytes=50,
    inline_bytes=30,
    window_bytes=70,
    window_max_bytes=200,
    connection_window_bytes=300,
    small_answer_bytes=10,
    calls=50,
)

#: One call: bytes of its arguments and of its answer, whether it fails, whether it is abandoned.
CALLS = st.lists(
    st.tuples(st.integers(0, 700), st.integers(0, 700), st.booleans(), st.integers(0, 9).map(lambda n: n == 0)),
    min_size=1,
    max_size=12,
)


def _arguments(call: int, size: int) -> bytes:
    return bytes((call * 7 + at) % 256 for at in range(size))


@dataclass
class Pipe:
    """Carry frames one way as a byte stream that arrives in any pieces."""

    framer: Framer = field(default_factory=lambda: Framer(LIMITS))
    buffer: bytearray = field(default_factory=bytearray)

    def put(self, session: Session) -> bool:
        """Send one frame of the session, if it has one."""
        pair = session.pull()
        if pair is not None:
            self.buffer += pack_length(*pair) + pair[1]
        return pair is not None

    def take(self, count: int) -> list[bytes]:
        """Deliver some bytes; return the frames that they complete."""
        piece = bytes(self.buffer[:count])
        del self.buffer[:count]
        return list(self.framer.feed(piece))


class Pair:
    """Hold a caller and a callee, what each got, and what each has not consumed yet."""

    def __init__(self, plan: list[tuple[int, int, bool, bool]]) -> None:
        self.plan = plan
        self.caller, self.callee = Caller(now=0.0, limits=LIMITS), Callee(now=0.0, limits=LIMITS)
        self.there, self.back = Pipe(), Pipe()
        self.arguments: dict[int, bytes] = {}
        self.results: dict[int, bytes] = {}
        self.ended: dict[int, bytes | None] = {}
        self.held: dict[tuple[str, int], int] = {}
        self.most_held = 0
        self.caller.greet({})

    def act_callee(self, message: bytes) -> None:
        event = self.callee.receive(message, 0.0)
        if isinstance(event, Greeted):
            self.callee.welcome({})
        elif isinstance(event, Called | BodyCame):
            body = bytes(event.body)
            self.arguments[event.call] = self.arguments.get(event.call, b"") + body
            if isinstance(event, BodyCame):
                self._hold("callee", event.call, len(body))
            if event.fin:
                self._answer(event.call)
        elif isinstance(event, CancelCame):
            self.callee.fail(event.call, {"code": "cancelled"})

    def act_caller(self, message: bytes) -> None:
        event = self.caller.receive(message, 0.0)
        if isinstance(event, Greeted):
            for size, _, _, is_abandoned in self.plan:
                call = self.caller.call({"path": "demo.f"}, [_arguments(self.caller.highest_call + 1, size)])
                if is_abandoned:
                    self.caller.abandon(call)
                    self.ended[call] = None
        elif isinstance(event, ResultCame):
            self.results[event.call] = self.results.get(event.call, b"") + bytes(event.body)
            if event.credited:
                self._hold("caller", event.call, len(event.body))
            if event.fin:
                self.ended[event.call] = self.results[event.call]
        elif isinstance(event, RaiseCame):
            self.ended[event.call] = None

    def consume(self, pick: int) -> None:
        """Take what one call holds away."""
        if self.held:
            side, call = key = sorted(self.held)[pick % len(self.held)]
            count = self.held.pop(key)
            (self.caller if side == "caller" else self.callee).consume(call, count)

    def _hold(self, side: str, call: int, count: int) -> None:
        self.held[side, call] = self.held.get((side, call), 0) + count
        live = self.caller if side == "caller" else self.callee
        assert self.held[side, call] <= LIMITS.window_max_bytes or call not in live.tracks
        waiting = sum(n for (s, c), n in self.held.items() if s == side and c in live.tracks)
        self.most_held = max(self.most_held, waiting)

    def _answer(self, call: int) -> None:
        size, fails = self.plan[call - 1][1:3]
        if fails:
            self.callee.fail(call, {"code": "busy"})
        else:
            self.callee.answer(call, [_arguments(call + 100, size)], size=size)


def _steps(pair: Pair, draw: Callable[[int], int]) -> list[Callable[[], object]]:
    """List what may happen next, in the order that the draw gives."""

    def deliver(pipe: Pipe, act: Callable[[bytes], None]) -> None:
        for message in pipe.take(1 + draw(120)):
            act(message)

    return [
        lambda: pair.there.put(pair.caller),
        lambda: pair.back.put(pair.callee),
        lambda: deliver(pair.there, pair.act_callee),
        lambda: deliver(pair.back, pair.act_caller),
        lambda: pair.consume(draw(1000)),
    ]


@settings(max_examples=120, deadline=None)
@given(plan=CALLS, seed=st.integers(0, 2**32))
def test_every_call_gets_exactly_its_own_bytes(plan: list[tuple[int, int, bool, bool]], seed: int) -> None:
    pair, chance = Pair(plan), Random(seed)
    steps = _steps(pair, chance.randrange)
    for _ in range(60_000):
        steps[chance.randrange(len(steps))]()
        if len(pair.ended) == len(plan) and not pair.caller.tracks and not pair.callee.tracks:
            break
    assert len(pair.ended) == len(plan), "some call never ended"
    assert pair.most_held <= LIMITS.connection_window_bytes
    for call, (size, answer, fails, is_abandoned) in enumerate(plan, 1):
        if not is_abandoned:
            assert pair.arguments[call] == _arguments(call, size)
            assert pair.ended[call] == (None if fails else _arguments(call + 100, answer))


def _recorded() -> list[bytes]:
    """List frames as they pass in both directions of a short session."""
    meta = {"path": "demo.f", "deadline_ms": 1000}
    return [
        pack_head(FrameType.CALL, 1, meta, flags=FIN) + b"args",
        pack_head(FrameType.CALL, 2, meta),
        pack_head(FrameType.BODY, 2) + b"x" * 40,
        pack_head(FrameType.BODY, 2, flags=FIN, offset=40) + b"y",
        pack_head(FrameType.DESCRIBE, 3, {"path": "demo"}, flags=FIN),
        pack_head(FrameType.QUEUED, 1, {"position": 1}),
        pack_head(FrameType.STARTED, 1),
        pack_head(FrameType.RESULT, 1, {"size": 60}) + b"z" * 30,
        pack_head(FrameType.RESULT, 1, flags=FIN, offset=30) + b"z" * 30,
        pack_head(FrameType.HANDOVER, 2, offset=10),
        pack_head(FrameType.RAISE, 2, {"code": "busy"}, flags=FIN),
        pack_head(FrameType.CREDIT, 0, offset=100),
        pack_head(FrameType.CREDIT, 1, offset=100),
        pack_head(FrameType.CANCEL, 2, {"reason": "x"}),
        pack_head(FrameType.PING, offset=1),
        pack_head(FrameType.GOAWAY, meta={"reason": "x"}),
    ]


def _opened(kind: type[Session]) -> Session:
    session = kind(now=0.0, limits=LIMITS)
    if isinstance(session, Caller):
        session.receive(pack_head(FrameType.WELCOME, meta={"versions": [1]}), 0.0)
        for size in (4, 41):
            session.call({"path": "demo.f"}, [bytes(size)])
        session.describe("demo")
    else:
        session.receive(pack_head(FrameType.HELLO, meta={"versions": [1]}), 0.0)
    return session


def _mutate(frame: bytes, at: int, value: int, cut: int) -> bytes:
    changed = bytearray(frame)
    changed[at % len(changed)] = value
    return bytes(changed[: len(changed) - cut % 4])


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 60), st.integers(0, 255), st.sampled_from([0, 0, 0, 1, 2, 3])),
    max_size=30,
)


@pytest.mark.parametrize("kind", [Caller, Callee])
@settings(max_examples=400, deadline=None)
@given(mutations=MUTATIONS)
def test_mutated_frames_end_in_a_protocol_error_or_do_no_harm(
    kind: type[Session], mutations: list[tuple[int, int, int, int]]
) -> None:
    session, frames = _opened(kind), _recorded()
    with contextlib.suppress(ProtocolError):
        for index, at, value, cut in mutations:
            session.receive(_mutate(frames[index % len(frames)], at, value, cut), 0.0)
            while session.pull() is not None:
                assert len(session.tracks) <= LIMITS.calls


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_a_protocol_error(data: bytes) -> None:
    try:
        frame = parse_frame(data, limits=LIMITS)
    except ProtocolError:
        return
    assert type(frame.meta) is dict
    assert len(frame.body) <= LIMITS.frame_bytes


@settings(max_examples=200, deadline=None)
@given(frames=st.lists(st.binary(max_size=60), max_size=8), cuts=st.lists(st.integers(1, 30), min_size=1))
def test_a_stream_cut_anywhere_gives_the_same_frames(frames: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(len(frame).to_bytes(4, "little") + frame for frame in frames)
    framer, got, at, turn = Framer(LIMITS), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        got += list(framer.feed(stream[at : at + size]))
        at, turn = at + size, turn + 1
    assert got == frames
