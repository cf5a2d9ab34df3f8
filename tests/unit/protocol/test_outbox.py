"""The order of what is sent: control, small answers, then round robin."""

from __future__ import annotations

from collections.abc import Iterator

from ksrpc.protocol import FrameType
from tests.unit.protocol.speech import SMALL, drain, open_call, opened_callee, opened_caller, tell, types

T = FrameType


def test_control_goes_before_small_before_large() -> None:
    callee = opened_callee(small=True)
    for call in (1, 2, 3):
        open_call(callee, call)
    callee.answer(1, [bytes(60)], size=60)
    callee.answer(2, [b"small"], size=5)
    callee.status(3, T.QUEUED)
    tell(callee, T.PING)
    assert [(sent.type, sent.call) for sent in drain(callee)] == [
        (T.QUEUED, 3),
        (T.PONG, 0),
        (T.RESULT, 2),
        (T.RESULT, 1),
    ]


def test_large_answers_take_turns() -> None:
    callee = opened_callee(small=True)
    for call in (1, 2, 3):
        open_call(callee, call)
        callee.answer(call, [bytes(200)], size=200)
        tell(callee, T.CREDIT, call, offset=500)
    assert [sent.call for sent in drain(callee)] == [1, 2, 3] * 4


def test_a_call_without_credit_does_not_stop_the_others() -> None:
    callee = opened_callee(small=True)
    for call in (1, 2):
        open_call(callee, call)
        callee.answer(call, [bytes(150)], size=150)
    tell(callee, T.CREDIT, 2, offset=50)
    frames = drain(callee)
    assert sum(len(sent.body) for sent in frames if sent.call == 1) == 100
    assert sum(len(sent.body) for sent in frames if sent.call == 2) == 150
    assert list(callee.tracks) == [1]


def test_a_small_answer_waits_for_at_most_one_frame_of_a_large_one() -> None:
    callee = opened_callee(small=True)
    open_call(callee, 1)
    callee.answer(1, [bytes(900)], size=900)
    tell(callee, T.CREDIT, 1, offset=900)
    for call in range(2, 12):
        assert callee.pull() is not None  # a slice of the large one is on its way
        open_call(callee, call)
        callee.answer(call, [b"x"], size=1)
        sent = callee.pull()
        assert sent is not None
        assert int.from_bytes(sent[0][4:8], "little") == call


def test_slices_keep_to_their_limit_and_to_their_pieces() -> None:
    callee = opened_callee(small=True)
    open_call(callee)
    pieces = [b"a" * 10, b"", b"b" * 70, b"c" * 20]
    callee.answer(1, pieces, size=100)
    frames = drain(callee)
    assert [bytes(sent.body) for sent in frames] == [b"a" * 10, b"b" * SMALL.slice_bytes, b"b" * 6, b"c" * 20]
    assert [sent.offset for sent in frames] == [0, 10, 74, 80]
    assert [sent.fin for sent in frames] == [False, False, False, True]


def test_the_size_of_a_large_value_stands_on_its_first_slice_alone() -> None:
    callee = opened_callee(small=True)
    open_call(callee)
    callee.answer(1, [bytes(100)], size=100, meta={"rows": 3})
    assert [sent.meta for sent in drain(callee)] == [{"size": 100, "rows": 3}, {}]


def test_it_says_truly_whether_it_has_something_to_send() -> None:
    callee = opened_callee(small=True)
    assert not callee.outbox
    open_call(callee)
    callee.answer(1, [bytes(150)], size=150)
    assert callee.outbox
    drain(callee)
    assert not callee.outbox  # 50 bytes wait for credit
    tell(callee, T.CREDIT, 1, offset=1)
    assert callee.outbox


def test_values_are_sent_from_where_they_lie() -> None:
    callee = opened_callee()
    data = bytearray(100_000)
    open_call(callee)
    callee.answer(1, [data], size=len(data))
    data[5] = 9
    sent = callee.pull()
    assert sent is not None
    assert sent[1][5] == 9


def test_arguments_without_bytes_end_with_a_bare_fin() -> None:
    caller = opened_caller(small=True)
    caller.open_call({"path": "demo.f"})
    assert types(drain(caller)) == [T.CALL]
    caller.send_body(1, [], ended=True)
    (end,) = drain(caller)
    assert (end.type, end.fin, len(end.body)) == (T.BODY, True, 0)


def test_pieces_are_made_when_they_are_wanted() -> None:
    caller = opened_caller(small=True)
    made: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(1, 5):
            made.append(number)
            yield bytes([number]) * 50

    call = caller.call_from({"path": "m.f"}, pieces())
    assert made == [1]
    first = drain(caller)
    assert len(made) < 4
    assert not caller.was_sent(call)
    tell(caller, T.CREDIT, call, offset=1000)
    tell(caller, T.CREDIT, offset=1000)
    sent = [*first, *drain(caller)]
    assert made == [1, 2, 3, 4]
    assert caller.was_sent(call)
    bodies = [frame for frame in sent if frame.type == T.BODY]
    assert b"".join(bytes(frame.body) for frame in bodies) == b"".join(bytes([number]) * 50 for number in (1, 2, 3, 4))
    assert [bool(frame.flags & 1) for frame in bodies] == [False] * (len(bodies) - 1) + [True]
