"""The calling side: opening, cancelling, giving up, and what it makes of answers."""

from __future__ import annotations

import pytest

from ksrpc.errors import BusyError, ProtocolError
from ksrpc.protocol import Caller, FrameType
from ksrpc.protocol.event import HandoverCame, RaiseCame, ResultCame, StatusCame
from tests.unit.protocol.speech import SMALL, drain, frame, opened_caller, tell, types

T = FrameType
PATH = {"path": "demo.f"}


def test_small_arguments_travel_in_the_call_itself() -> None:
    caller = opened_caller(small=True)
    assert caller.call({**PATH, "deadline_ms": 5}, [b"abc", b"def"]) == 1
    (sent,) = drain(caller)
    assert (sent.type, sent.fin, bytes(sent.body), sent.meta) == (T.CALL, True, b"abcdef", {**PATH, "deadline_ms": 5})


def test_large_arguments_follow_in_slices() -> None:
    caller = opened_caller(small=True)
    caller.call(PATH, [b"a" * 33, b"b" * 40])
    frames = drain(caller)
    assert types(frames) == [T.CALL, T.BODY, T.BODY]
    assert not frames[0].fin
    assert len(frames[0].body) == 0
    assert b"".join(frames[i].body for i in (1, 2)) == b"a" * 33 + b"b" * 40


def test_ids_count_up_and_are_not_used_again() -> None:
    caller = opened_caller()
    for call in range(1, 6):
        assert caller.describe("demo.f") == call
        tell(caller, T.RAISE, call, fin=True)
    assert [sent.call for sent in drain(caller)] == [1, 2, 3, 4, 5]


def test_ids_end_before_they_overflow_the_header() -> None:
    caller = opened_caller()
    caller.highest_call = 2**32 - 2
    assert caller.call(PATH, [b""]) == 2**32 - 1
    with pytest.raises(BusyError, match="used up"):
        caller.call(PATH, [b""])
    assert caller.is_leaving
    assert [sent.call for sent in drain(caller)] == [2**32 - 1]


def test_more_calls_than_may_be_open_are_refused_here() -> None:
    caller = opened_caller(small=True)
    for _ in range(SMALL.calls):
        caller.call(PATH, [b""])
    with pytest.raises(BusyError, match="4 calls are open"):
        caller.call(PATH, [b""])
    tell(caller, T.RESULT, 1, b"x", fin=True)
    assert caller.call(PATH, [b""]) == 5


def test_nothing_new_once_the_peer_is_leaving() -> None:
    caller = opened_caller()
    caller.is_leaving = True
    with pytest.raises(BusyError, match="going away") as caught:
        caller.call(PATH, [b""])
    assert caught.value.maybe_ran is False


def test_events_of_a_call() -> None:
    caller = opened_caller()
    caller.call(PATH, [b""])
    assert caller.receive(frame(T.QUEUED, 1, meta={"position": 3}), 0.0) == StatusCame(1, T.QUEUED, {"position": 3})
    assert caller.receive(frame(T.STARTED, 1), 0.0) == StatusCame(1, T.STARTED, {})
    assert tell(caller, T.HANDOVER, 1, offset=77) == HandoverCame(1, 77)
    assert tell(caller, T.RESULT, 1, b"x", fin=True) == ResultCame(1, {}, b"x", fin=True, credited=False)


def test_raise_ends_a_call_even_after_its_value_began() -> None:
    caller = opened_caller()
    caller.call(PATH, [b""])
    tell(caller, T.RESULT, 1, bytes(9000))
    event = caller.receive(frame(T.RAISE, 1, b"why", meta={"code": "raised"}, flags=1), 0.0)
    assert event == RaiseCame(1, {"code": "raised"}, b"why")
    assert not caller.tracks


def test_an_answer_stops_the_arguments_that_are_still_to_be_sent() -> None:
    caller = opened_caller(small=True)
    caller.call(PATH, [bytes(500)])
    assert sum(len(sent.body) for sent in drain(caller)) == 100
    tell(caller, T.RAISE, 1, fin=True)
    tell(caller, T.CREDIT, 1, offset=400)
    assert drain(caller) == []
    assert caller.waiting_bytes(1) == 0
    caller.send_body(1, [b"more"], ended=False)
    assert drain(caller) == []


@pytest.mark.parametrize("kind", [T.QUEUED, T.RESULT, T.RAISE, T.HANDOVER])
@pytest.mark.parametrize("call", [0, 2, 2**32 - 1])
def test_answers_to_calls_that_were_never_made(kind: FrameType, call: int) -> None:
    caller = opened_caller()
    caller.call(PATH, [b""])
    with pytest.raises(ProtocolError, match=f"{kind.name} for call {call}, which was never made"):
        tell(caller, kind, call, fin=True)


def test_a_result_after_the_end_is_a_fault() -> None:
    caller = opened_caller()
    caller.call(PATH, [b""])
    tell(caller, T.RESULT, 1, b"x", fin=True)
    with pytest.raises(ProtocolError, match="RESULT for call 1, which has ended"):
        tell(caller, T.RESULT, 1, b"x", fin=True)


def test_a_raise_with_a_large_body() -> None:
    caller = opened_caller(small=True)
    caller.call(PATH, [b""])
    with pytest.raises(ProtocolError, match="RAISE with a body over its limit"):
        tell(caller, T.RAISE, 1, bytes(33), fin=True)


def test_cancel_and_the_result_that_won_the_race() -> None:
    caller = opened_caller()
    caller.call(PATH, [b""])
    drain(caller)
    caller.cancel(1, "Ctrl-C")
    caller.cancel(1)
    frames = drain(caller)
    assert [(sent.type, sent.meta) for sent in frames] == [(T.CANCEL, {"reason": "Ctrl-C"}), (T.CANCEL, {})]
    assert isinstance(tell(caller, T.RESULT, 1, b"won", fin=True), ResultCame)
    caller.cancel(1)
    assert drain(caller) == []


def test_cancel_does_not_overtake_its_call() -> None:
    caller = opened_caller()
    caller.call(PATH, [b"x"])
    caller.cancel(1)
    assert types(drain(caller)) == [T.CALL, T.CANCEL]


def test_an_abandoned_call_swallows_its_answer_and_gives_the_credit_back() -> None:
    caller = opened_caller(small=True)
    caller.call(PATH, [b""])
    drain(caller)
    caller.abandon(1, "deadline")
    caller.abandon(1, "again")
    assert types(drain(caller)) == [T.CANCEL]
    granted = {0: 0, 1: 0}
    for number in range(30):
        assert tell(caller, T.RESULT, 1, bytes(50), offset=50 * number) is None
        for sent in drain(caller):
            granted[sent.call] += sent.offset
    assert tell(caller, T.RESULT, 1, b"", fin=True, offset=1500) is None
    assert granted[0] >= 1500 - SMALL.connection_window_bytes // 2
    assert granted[1] >= 1500 - SMALL.window_bytes
    assert not caller.tracks


def test_an_abandoned_call_s_raise_and_status_are_swallowed() -> None:
    caller = opened_caller()
    caller.call(PATH, [b""])
    caller.abandon(1)
    assert tell(caller, T.STARTED, 1) is None
    assert tell(caller, T.RAISE, 1, fin=True) is None
    assert not caller.tracks


def _sent_after(pulls: int) -> tuple[Caller, bool]:
    caller = opened_caller(small=True)
    caller.call(PATH, [bytes(90)])
    for _ in range(pulls):
        caller.pull()
    return caller, caller.was_sent(1)


def test_was_sent_only_when_the_last_byte_of_the_arguments_is_out() -> None:
    assert [_sent_after(pulls)[1] for pulls in range(4)] == [False, False, False, True]
    caller = opened_caller()
    caller.call(PATH, [b""])
    caller.cancel(1)
    assert not caller.was_sent(1)
    caller.pull()
    assert caller.was_sent(1)  # the CANCEL that still waits is not the call
