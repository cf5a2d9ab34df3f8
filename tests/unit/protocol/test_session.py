"""What both sides share: greeting, heartbeat, foreign frames, going away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ksrpc.errors import LostError, ProtocolError
from ksrpc.limits import SESSION
from ksrpc.protocol import Callee, Caller, Flag, FrameType
from ksrpc.protocol.event import GoAwayCame, Greeted
from ksrpc.protocol.session import Session
from tests.unit.protocol.speech import drain, frame, opened_callee, opened_caller, tell, types

T = FrameType
BOTH = [pytest.param(opened_caller, id="caller"), pytest.param(opened_callee, id="callee")]


def test_greeting() -> None:
    caller, callee = Caller(now=0.0), Callee(now=0.0)
    caller.greet({"ksrpc": "1"})
    (hello,) = drain(caller)
    assert (hello.type, hello.meta) == (T.HELLO, {"versions": [1], "ksrpc": "1"})
    assert callee.receive(frame(T.HELLO, meta=hello.meta), 0.0) == Greeted(hello.meta)
    callee.welcome({"session": "s"})
    (welcome,) = drain(callee)
    assert caller.receive(frame(T.WELCOME, meta=welcome.meta), 0.0) == Greeted({"versions": [1], "session": "s"})
    assert (caller.peer, callee.peer) == (welcome.meta, hello.meta)


@pytest.mark.parametrize("kind", [k for k in FrameType if k is not T.HELLO])
def test_the_callee_takes_nothing_before_hello(kind: FrameType) -> None:
    with pytest.raises(ProtocolError, match="the first frame must be HELLO"):
        tell(Callee(now=0.0), kind, 1)


@pytest.mark.parametrize("kind", [k for k in FrameType if k is not T.WELCOME])
def test_the_caller_takes_nothing_before_welcome(kind: FrameType) -> None:
    with pytest.raises(ProtocolError, match="the first frame must be WELCOME"):
        tell(Caller(now=0.0), kind, 1)


def test_ignorable_frames_do_not_come_before_the_greeting_either() -> None:
    with pytest.raises(ProtocolError, match="HELLO"):
        Callee(now=0.0).receive(frame(99, flags=Flag.IGNORABLE), 0.0)


def test_a_second_greeting() -> None:
    with pytest.raises(ProtocolError, match="a second greeting"):
        opened_callee().receive(frame(T.HELLO, meta={"versions": [1]}), 0.0)
    with pytest.raises(ProtocolError, match="a second greeting"):
        opened_caller().receive(frame(T.WELCOME, meta={"versions": [1]}), 0.0)


@pytest.mark.parametrize("versions", [[2, 3], [], None, 1, "1", {"1": 1}])
def test_another_version_is_refused_in_plain_words(versions: object) -> None:
    with pytest.raises(ProtocolError, match="this side speaks version 1 of the call protocol, the peer"):
        Callee(now=0.0).receive(frame(T.HELLO, meta={"versions": versions}), 0.0)


def test_one_common_version_is_enough() -> None:
    assert Callee(now=0.0).receive(frame(T.HELLO, meta={"versions": [1, 2]}), 0.0)


@pytest.mark.parametrize("make", BOTH)
def test_unknown_frames(make: Callable[[], Session]) -> None:
    session = make()
    assert session.receive(frame(200, flags=Flag.IGNORABLE), 0.0) is None
    with pytest.raises(ProtocolError, match="unknown frame type 200"):
        session.receive(frame(200), 0.0)
    with pytest.raises(ProtocolError, match="ACK is not for this side"):
        session.receive(frame(T.ACK, flags=Flag.IGNORABLE), 0.0)


def test_frames_of_our_own_direction_are_refused() -> None:
    with pytest.raises(ProtocolError, match="CALL is not for this side"):
        tell(opened_caller(), T.CALL, 1)
    with pytest.raises(ProtocolError, match="RESULT is not for this side"):
        tell(opened_callee(), T.RESULT, 1)


def test_ping_is_answered_with_its_own_bytes() -> None:
    session = opened_callee()
    tell(session, T.PING, offset=2**63 + 5)
    (pong,) = drain(session)
    assert (pong.type, pong.offset) == (T.PONG, 2**63 + 5)
    assert tell(session, T.PONG, offset=1) is None


def test_a_flood_of_pings_is_ended_instead_of_kept() -> None:
    session = opened_callee()
    for _ in range(16_385):
        tell(session, T.PING)
    with pytest.raises(ProtocolError, match="PING sent faster than PONG is taken"):
        tell(session, T.PING)


def test_heartbeat_by_the_clock_that_is_given() -> None:
    session = opened_caller(now=100.0)
    assert session.next_timer() == 100.0 + SESSION.heartbeat_s
    session.tick(114.9)
    assert drain(session) == []
    session.tick(115.0)
    assert types(drain(session)) == [T.PING]
    assert session.next_timer() == 130.0
    session.tick(129.0)
    assert drain(session) == []


def test_silence_ends_the_session() -> None:
    session = opened_caller(now=0.0)
    session.receive(frame(T.PONG), 50.0)
    session.tick(89.9)
    with pytest.raises(LostError, match="nothing heard from the peer for 40 s"):
        session.tick(90.0)


def test_next_timer_is_the_silence_when_that_is_nearer() -> None:
    session = opened_caller(now=0.0)
    session.tick(39.0)
    assert session.next_timer() == 40.0


def test_going_away_is_told() -> None:
    callee, caller = opened_callee(), opened_caller()
    callee.go_away("restart")
    (told,) = drain(callee)
    assert callee.is_leaving
    assert caller.receive(frame(told.type, meta=told.meta), 0.0) == GoAwayCame({"reason": "restart"})


def test_absurd_credit_is_refused() -> None:
    with pytest.raises(ProtocolError, match="credit beyond reason"):
        tell(opened_caller(), T.CREDIT, 0, offset=2**40 + 1)
