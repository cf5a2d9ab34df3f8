"""The called side: what it takes, and that each call is answered exactly once."""

from __future__ import annotations

import pytest

from ksrpc.errors import ProtocolError
from ksrpc.limits import SESSION
from ksrpc.protocol import FIN, FrameType
from ksrpc.protocol.event import BodyCame, Called, CancelCame, Described
from tests.unit.protocol.speech import SMALL, drain, frame, open_call, opened_callee, tell, types

T = FrameType


def test_a_call_with_inline_arguments() -> None:
    meta = {"path": "demo.f", "deadline_ms": 100}
    event = opened_callee().receive(frame(T.CALL, 5, b"args", meta=meta, flags=FIN), 0.0)
    assert event == Called(5, meta, FIN, b"args", fin=True)


def test_a_call_whose_arguments_follow() -> None:
    callee = opened_callee()
    assert open_call(callee, 3, fin=False) == Called(3, {"path": "demo.f"}, 0, b"", fin=False)
    assert tell(callee, T.BODY, 3, b"abc") == BodyCame(3, b"abc", fin=False)
    assert tell(callee, T.BODY, 3, b"d", fin=True, offset=3) == BodyCame(3, b"d", fin=True)


def test_describe() -> None:
    event = opened_callee().receive(frame(T.DESCRIBE, 1, meta={"path": "demo"}, flags=FIN), 0.0)
    assert event == Described(1, {"path": "demo"})


@pytest.mark.parametrize("call", [0, 1, 4, 5])
def test_ids_that_do_not_count_up(call: int) -> None:
    callee = opened_callee()
    open_call(callee, 5)
    callee.fail(5, {"code": "busy"})
    with pytest.raises(ProtocolError, match=f"call id {call} is not above 5"):
        open_call(callee, call)


@pytest.mark.parametrize("meta", [None, {}, {"path": 5}, {"path": None}, {"path": ["a"]}, {b"path": "demo.f"}])
def test_a_call_without_a_path(meta: dict[str, object] | None) -> None:
    with pytest.raises(ProtocolError, match="a call without a path"):
        opened_callee().receive(frame(T.CALL, 1, meta=meta, flags=FIN), 0.0)


def test_inline_arguments_over_their_limit() -> None:
    callee = opened_callee(small=True)
    with pytest.raises(ProtocolError, match="inline arguments over their limit"):
        open_call(callee, 1, bytes(33))


def test_the_real_bound_of_open_calls() -> None:
    callee = opened_callee()
    for call in range(1, SESSION.calls + 1):
        open_call(callee, call)
    with pytest.raises(ProtocolError, match="more than 2048 calls open"):
        open_call(callee, SESSION.calls + 1)


def test_answers_that_nobody_takes_count_as_open_calls() -> None:
    callee = opened_callee(small=True)
    for call in range(1, SMALL.calls + 1):
        open_call(callee, call)
        callee.fail(call, {"code": "forbidden"})
    with pytest.raises(ProtocolError, match="more than 4 calls open"):
        open_call(callee, SMALL.calls + 1)
    drain(callee)
    assert open_call(callee, SMALL.calls + 2)


def test_each_call_is_answered_once() -> None:
    callee = opened_callee()
    open_call(callee)
    callee.fail(1, {"code": "cancelled"})
    callee.fail(1, {"code": "internal"})
    callee.answer(1, [b"late"], size=4)
    callee.status(1, T.STARTED)
    callee.handover(1, 100)
    (sent,) = drain(callee)
    assert (sent.type, sent.fin, sent.meta) == (T.RAISE, True, {"code": "cancelled"})


def test_a_failure_takes_the_place_of_a_value_that_has_begun() -> None:
    callee = opened_callee(small=True)
    open_call(callee)
    callee.answer(1, [bytes(150)], size=150)
    assert types(drain(callee)) == [T.RESULT, T.RESULT]
    callee.fail(1, {"code": "lost"})
    tell(callee, T.CREDIT, 1, offset=1000)
    assert types(drain(callee)) == [T.RAISE]


def test_cancel_is_told_once_the_call_is_there_and_ignored_once_it_is_answered() -> None:
    callee = opened_callee()
    open_call(callee)
    assert callee.receive(frame(T.CANCEL, 1, meta={"reason": "gone"}), 0.0) == CancelCame(1, {"reason": "gone"})
    assert tell(callee, T.CANCEL, 1) == CancelCame(1, {})
    callee.answer(1, [b"won"], size=3)
    assert tell(callee, T.CANCEL, 1) is None
    assert types(drain(callee)) == [T.RESULT]


@pytest.mark.parametrize("kind", [T.CANCEL, T.BODY])
@pytest.mark.parametrize("call", [0, 2])
def test_frames_for_calls_that_were_never_opened(kind: FrameType, call: int) -> None:
    callee = opened_callee()
    open_call(callee)
    with pytest.raises(ProtocolError, match=f"{kind.name} for call {call}, which was never opened"):
        tell(callee, kind, call)


def test_arguments_after_the_refusal_are_swallowed_and_their_credit_goes_back() -> None:
    callee = opened_callee(small=True)
    open_call(callee, fin=False)
    callee.fail(1, {"code": "forbidden"})
    drain(callee)
    granted = 0
    for number in range(40):
        assert tell(callee, T.BODY, 1, bytes(50), offset=50 * number) is None
        for sent in drain(callee):
            assert sent.call == 0  # nothing more is wanted for this call
            granted += sent.offset
    assert granted >= 2000 - SMALL.connection_window_bytes // 2


def test_a_call_is_open_until_the_last_slice_of_its_answer_is_out() -> None:
    callee = opened_callee(small=True)
    open_call(callee)
    callee.answer(1, [bytes(90)], size=90)
    callee.pull()
    assert list(callee.tracks) == [1]
    callee.pull()
    assert not callee.tracks
