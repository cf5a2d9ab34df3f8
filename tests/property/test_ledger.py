"""Two sessions joined by carriers that break at any place: each frame arrives once, in order, whatever was lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from ksrpc.limits import RESUME
from ksrpc.protocol import Callee, Caller, FrameType, pack_head, parse_frame
from ksrpc.protocol.event import BodyCame, Called, CancelCame, RaiseCame, ResultCame
from ksrpc.protocol.ledger import Ledger
from ksrpc.protocol.session import Session
from tests.property.test_protocol import LIMITS

TIGHT = replace(RESUME, frame_bytes=20, ack_bytes=150, kept_bytes=500)
#: Bytes of the arguments and of the answer of each call, and whether it is given up.
CALLS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.booleans()), min_size=1, max_size=10)


class Side:
    """Hold one session with its ledger, what the carrier still has of it, and what the other side took in."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ledger = Ledger(session, TIGHT)
        self.on_the_way: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.taken: list[bytes] = []

    def send(self) -> None:
        """Put one frame on the carrier; note it the first time that it goes out."""
        before = self.ledger.sent
        frame = self.ledger.pull()
        if frame is not None:
            self.on_the_way.append(b"".join(frame))
            if self.ledger.sent > max(before, len(self.sent)):
                self.sent.append(b"".join(frame))

    def lose(self, left: int) -> None:
        """Let only the first frames of what is on its way arrive."""
        while len(self.on_the_way) > left:
            self.on_the_way.pop()


class World:
    """Hold both sides; the callee answers each call with bytes that tell its number."""

    def __init__(self, plan: list[tuple[int, int, bool]]) -> None:
        self.plan = plan
        self.near, self.far = Side(Caller(now=0.0, limits=LIMITS)), Side(Callee(now=0.0, limits=LIMITS))
        self.caller: Caller = self.near.session  # type: ignore[assignment]
        self.callee: Callee = self.far.session  # type: ignore[assignment]
        self.caller.receive(pack_head(FrameType.WELCOME, meta={"versions": [1]}), 0.0)
        self.callee.receive(pack_head(FrameType.HELLO, meta={"versions": [1]}), 0.0)
        self.began: list[int] = []
        self.arguments: dict[int, bytes] = {}
        self.answers: dict[int, bytes] = {}
        self.ended: set[int] = set()
        for size, _, is_given_up in plan:
            call = self.caller.call({"path": "demo.f"}, [bytes([self.caller.highest_call + 1]) * size])
            if is_given_up:
                self.caller.abandon(call)

    def arrive(self, source: Side, target: Side) -> None:
        """Deliver the next frame."""
        if not source.on_the_way:
            return
        message = source.on_the_way.popleft()
        if target.ledger.hear(message):
            return
        target.taken.append(message)
        event = target.session.receive(message, 0.0)
        if isinstance(event, Called | BodyCame):
            self._on_arguments(event)
        elif isinstance(event, CancelCame):
            self.callee.fail(event.call, {"code": "cancelled"})
        elif isinstance(event, ResultCame):
            self.answers[event.call] = self.answers.get(event.call, b"") + bytes(event.body)
            if event.credited:
                self.caller.consume(event.call, len(event.body))
            if event.fin:
                self.ended.add(event.call)
        elif isinstance(event, RaiseCame):
            self.ended.add(event.call)

    def _on_arguments(self, event: Called | BodyCame) -> None:
        if isinstance(event, Called):
            self.began.append(event.call)
        else:
            self.callee.consume(event.call, len(event.body))
        self.arguments[event.call] = self.arguments.get(event.call, b"") + bytes(event.body)
        if event.fin:
            size = self.plan[event.call - 1][1]
            self.callee.answer(event.call, [bytes([event.call]) * size], size=size)

    def break_off(self, draw: Random) -> None:
        """Cut the carrier in the middle of what is under way, and go on on another one as ATTACH and ACK tell."""
        for source, target in ((self.near, self.far), (self.far, self.near)):
            source.lose(draw.randrange(len(source.on_the_way) + 1))
            while source.on_the_way:
                self.arrive(source, target)
        heard, told = self.near.ledger.received, self.far.ledger.received
        self.near.on_the_way.clear()
        self.far.on_the_way.clear()
        self.far.ledger.rewind(heard)
        self.near.ledger.rewind(told)

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is left to do."""
        kept = [call for call, (_, _, is_given_up) in enumerate(self.plan, 1) if not is_given_up]
        return self.ended.issuperset(kept) and not self.caller.tracks and not self.callee.tracks


@settings(max_examples=100, deadline=None)
@given(plan=CALLS, seed=st.integers(0, 2**32), breaks=st.integers(0, 30))
def test_every_frame_arrives_once_and_in_order(plan: list[tuple[int, int, bool]], seed: int, breaks: int) -> None:
    world, draw = World(plan), Random(seed)
    near, far = world.near, world.far
    steps: list[Callable[[], None]] = [
        near.send,
        far.send,
        lambda: world.arrive(near, far),
        lambda: world.arrive(far, near),
    ]
    for _ in range(20_000):
        if breaks and draw.randrange(40) == 0:
            breaks -= 1
            world.break_off(draw)
        draw.choice(steps)()
        assert near.ledger.kept_bytes < TIGHT.kept_bytes + 1000
        if world.is_over and not breaks:
            break
    assert world.is_over
    world.break_off(draw)
    for side, other in ((near, far), (far, near)):
        for _ in range(200):
            side.send()
            world.arrive(side, other)
            world.arrive(other, side)
        counted = [frame for frame in other.taken if parse_frame(frame).type not in (FrameType.PING, FrameType.PONG)]
        assert counted == side.sent
    assert world.began == sorted(set(world.began)) == list(range(1, len(plan) + 1))
    for call, (size, answer, is_given_up) in enumerate(plan, 1):
        if not is_given_up:
            assert world.arguments[call] == bytes([call]) * size
            assert world.answers[call] == bytes([call]) * answer
