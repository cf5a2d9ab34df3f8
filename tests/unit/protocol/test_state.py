"""The table is the law: every row, from both sides, and everything that is not a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ksrpc.errors import ProtocolError
from ksrpc.protocol import FIN, Callee, Caller, FrameType
from ksrpc.protocol.session import Session
from ksrpc.protocol.state import TRANSITIONS, State, advance
from tests.unit.protocol.speech import drain, open_call, opened_callee, opened_caller, tell, types

T = FrameType
FROM_CALLER = (T.BODY, T.CANCEL)
FROM_CALLEE = (T.QUEUED, T.STARTED, T.PROGRESS, T.HANDOVER, T.RESULT, T.RAISE)


def _caller_in(state: State) -> Caller:
    caller = opened_caller()
    if state is State.SENDING:
        caller.open_call({"path": "demo.f"})
    elif state is not State.IDLE:
        caller.call({"path": "demo.f"}, [b""])
    if state in (State.RUNNING, State.ANSWERING):
        tell(caller, T.STARTED, 1)
    if state is State.ANSWERING:
        tell(caller, T.RESULT, 1)
    if state is State.DONE:
        tell(caller, T.RAISE, 1, fin=True)
    drain(caller)
    return caller


def _callee_in(state: State) -> Callee:
    callee = opened_callee()
    if state is not State.IDLE:
        open_call(callee, fin=state is not State.SENDING)
    if state in (State.RUNNING, State.ANSWERING):
        callee.status(1, T.STARTED)
    if state is State.ANSWERING:
        callee.handover(1, 9)
    if state is State.DONE:
        callee.fail(1, {"code": "busy"})
    drain(callee)
    return callee


def _state(session: Session) -> State:
    return session.tracks[1].state if 1 in session.tracks else State.DONE


def _cases(kinds: tuple[FrameType, ...]) -> Iterator[tuple[State, FrameType, int, State | None]]:
    for state, row in TRANSITIONS.items():
        for kind in kinds:
            for fin, target in enumerate(row.get(kind, (None, None))):
                yield state, kind, fin, target


def _check(make: Callable[[State], Session], state: State, kind: FrameType, fin: int, target: State | None) -> None:
    session = make(state)
    if target is not None:
        tell(session, kind, 1, fin=bool(fin))
        assert _state(session) is target
        return
    if state is State.DONE and kind is not T.RESULT:  # it crossed the answer on its way
        assert tell(session, kind, 1, fin=bool(fin)) is None
        return
    with pytest.raises(ProtocolError, match=kind.name) as caught:
        tell(session, kind, 1, fin=bool(fin))
    if state not in (State.IDLE, State.DONE):
        assert state.value in str(caught.value)


@pytest.mark.parametrize(("state", "kind", "fin", "target"), list(_cases(FROM_CALLER)))
def test_callee_receives_by_the_table(state: State, kind: FrameType, fin: int, target: State | None) -> None:
    _check(_callee_in, state, kind, fin, target)


@pytest.mark.parametrize(("state", "kind", "fin", "target"), list(_cases(FROM_CALLEE)))
def test_caller_receives_by_the_table(state: State, kind: FrameType, fin: int, target: State | None) -> None:
    _check(_caller_in, state, kind, fin, target)


@pytest.mark.parametrize("fin", [False, True])
@pytest.mark.parametrize("kind", [T.CALL, T.DESCRIBE])
@pytest.mark.parametrize("state", [s for s in State if s is not State.IDLE])
def test_a_call_is_opened_once(state: State, kind: FrameType, fin: bool) -> None:
    callee = _callee_in(state)
    with pytest.raises(ProtocolError, match="call id 1 is not above 1"):
        tell(callee, kind, 1, fin=fin)


def test_describe_without_fin_is_refused() -> None:
    callee = opened_callee()
    data = bytes([T.DESCRIBE, 0, 8, 0, 1, 0, 0, 0]) + bytes(8) + b"\x81\xa4path\xa1a"
    with pytest.raises(ProtocolError, match="DESCRIBE is not legal for a call that is idle"):
        callee.receive(data, 0.0)


@pytest.mark.parametrize("state", list(State))
def test_credit_changes_no_state(state: State) -> None:
    for session in (_caller_in(state), _callee_in(state)):
        before = {call: track.state for call, track in session.tracks.items()}
        assert tell(session, T.CREDIT, 1, offset=5) is None
        assert {call: track.state for call, track in session.tracks.items()} == before


def test_what_the_sides_send_follows_the_table() -> None:
    caller, callee = opened_caller(), opened_callee()
    caller.open_call({"path": "demo.f"})
    caller.send_body(1, [b"abc"], ended=False)
    assert _state(caller) is State.SENDING
    caller.send_body(1, [b"d"], ended=True)
    assert _state(caller) is State.SENT
    assert types(drain(caller)) == [T.CALL, T.BODY, T.BODY]
    caller.cancel(1)
    assert (types(drain(caller)), _state(caller)) == ([T.CANCEL], State.SENT)
    open_call(callee)
    callee.status(1, T.QUEUED)
    callee.status(1, T.STARTED)
    assert _state(callee) is State.RUNNING
    callee.status(1, T.PROGRESS)
    callee.handover(1, 5)
    assert _state(callee) is State.ANSWERING
    callee.answer(1, [b""], size=0)
    assert types(drain(callee)) == [T.QUEUED, T.STARTED, T.PROGRESS, T.HANDOVER, T.RESULT]
    assert not callee.tracks


@pytest.mark.parametrize("state", [State.SENDING, State.RUNNING, State.ANSWERING, State.DONE])
def test_a_status_out_of_place_is_not_sent(state: State) -> None:
    callee = _callee_in(state)
    callee.status(1, T.STARTED)
    assert drain(callee) == []
    assert _state(callee) is state


def test_our_own_fault_is_told_before_it_is_sent() -> None:
    callee = _callee_in(State.SENDING)
    with pytest.raises(ProtocolError, match=r"RESULT\+FIN is not legal for a call that is sending"):
        callee.answer(1, [b"x"], size=1)
    assert drain(callee) == []


def test_advance_names_frame_and_state() -> None:
    with pytest.raises(ProtocolError, match=r"^RESULT\+FIN is not legal for a call that is sending$"):
        advance(State.SENDING, T.RESULT, FIN)
