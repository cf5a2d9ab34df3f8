"""Windows: what may be sent, when more is granted, and that nobody holds more than he granted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ksrpc.errors import ProtocolError
from ksrpc.protocol import FIN, Callee, Caller, FrameType
from ksrpc.protocol.credit import Window
from ksrpc.protocol.event import BodyCame, ResultCame
from tests.unit.protocol.speech import SMALL, drain, frame, open_call, opened_callee, opened_caller, tell, types

T = FrameType


def test_over_the_window_is_a_fault() -> None:
    window = Window(100, 400)
    window.receive(100)
    with pytest.raises(ProtocolError, match="1 bytes over the credit"):
        window.receive(1)


def test_grants_come_by_half_windows() -> None:
    window = Window(100, 100)
    window.receive(100)
    assert [window.consume(10) for _ in range(10)] == [0, 0, 0, 0, 50, 0, 0, 0, 0, 50]


def test_a_window_doubles_each_time_it_was_consumed_whole_up_to_its_maximum() -> None:
    window = Window(100, 400)
    sizes = []
    for _ in range(20):
        size = window.granted - window.received
        window.receive(size)
        window.consume(size)
        sizes.append(window.size_bytes)
    assert sizes[0] == 200
    assert max(sizes) == sizes[-1] == 400


def test_a_window_does_not_grow_while_nothing_is_consumed() -> None:
    window = Window(100, 400)
    window.receive(99)
    assert window.consume(0) == 0
    assert (window.size_bytes, window.granted) == (100, 100)


@pytest.mark.parametrize("bite", [1, 7, 50, 99])
def test_a_slow_consumer_never_holds_more_than_the_window(bite: int) -> None:
    window = Window(100, 400)
    for _ in range(2000):
        window.receive(window.granted - window.received)  # the peer sends all it may
        assert window.received - window.consumed <= window.size_bytes <= 400
        window.consume(min(bite, window.received - window.consumed))


def test_arguments_beyond_the_credit_of_their_call() -> None:
    callee = opened_callee(small=True)
    open_call(callee, fin=False)
    for offset in (0, 50):
        assert isinstance(tell(callee, T.BODY, 1, bytes(50), offset=offset), BodyCame)
    with pytest.raises(ProtocolError, match="1 bytes over the credit"):
        tell(callee, T.BODY, 1, b"x", offset=100)


def test_results_beyond_the_credit_of_the_connection() -> None:
    limits = replace(SMALL, connection_window_bytes=150)
    caller = Caller(now=0.0, limits=limits)
    caller.receive(frame(T.WELCOME, meta={"versions": [1]}), 0.0)
    for call in (1, 2):
        caller.call({"path": "demo.f"}, [b""])
        tell(caller, T.RESULT, call, bytes(75))
    with pytest.raises(ProtocolError, match="5 bytes over the credit"):
        tell(caller, T.RESULT, 1, bytes(5), offset=75)


def test_consuming_grants_for_the_call_and_for_the_connection() -> None:
    callee = opened_callee(small=True)
    open_call(callee, fin=False)
    granted = {0: 0, 1: 0}
    for number in range(20):
        tell(callee, T.BODY, 1, bytes(50), offset=50 * number)
        callee.consume(1, 50)
        for sent in drain(callee):
            assert sent.type == T.CREDIT
            granted[sent.call] += sent.offset
    assert granted[0] == 1000
    most = 1000 + 400 - 100  # what was consumed, and what the window grew
    assert most - 200 <= granted[1] <= most  # less than half a window waits for the next grant


def test_small_answers_and_inline_arguments_cost_no_credit() -> None:
    caller, callee = opened_caller(small=True), opened_callee(small=True)
    for call in range(1, 101):
        caller.call({"path": "demo.f"}, [b"x" * 32])
        event = tell(caller, T.RESULT, call, b"y" * 16, fin=True)
        assert isinstance(event, ResultCame)
        assert not event.credited
        open_call(callee, call, b"x" * 32)
        callee.answer(call, [b"y" * 16], size=16)
        assert types(drain(callee)) == [T.RESULT]
    assert T.CREDIT not in types(drain(caller))


def test_an_answer_over_the_small_size_costs_credit_even_in_one_frame() -> None:
    caller = opened_caller(small=True)
    caller.call({"path": "demo.f"}, [b""])
    event = tell(caller, T.RESULT, 1, b"y" * 17, fin=True)
    assert isinstance(event, ResultCame)
    assert event.credited


def test_a_small_last_slice_is_not_mistaken_for_a_small_answer() -> None:
    caller = opened_caller(small=True)
    caller.call({"path": "demo.f"}, [b""])
    tell(caller, T.RESULT, 1, b"a" * 60)
    with pytest.raises(ProtocolError, match="slice at offset 0, expected 60"):
        tell(caller, T.RESULT, 1, b"b" * 5, fin=True, offset=0)


@pytest.mark.parametrize("offset", [0, 49, 51, 2**63])
def test_slices_come_in_order_without_gaps(offset: int) -> None:
    callee = opened_callee()
    open_call(callee, fin=False)
    tell(callee, T.BODY, 1, bytes(50))
    with pytest.raises(ProtocolError, match=f"slice at offset {offset}, expected 50"):
        tell(callee, T.BODY, 1, b"x", offset=offset)


def test_the_sender_stops_at_its_credit_and_goes_on_with_more() -> None:
    callee = opened_callee(small=True)
    open_call(callee)
    callee.answer(1, [bytes(250)], size=250)
    assert sum(len(sent.body) for sent in drain(callee)) == 100
    assert not callee.outbox
    tell(callee, T.CREDIT, 1, offset=30)
    assert [len(sent.body) for sent in drain(callee)] == [30]
    tell(callee, T.CREDIT, 1, offset=1000)
    frames = drain(callee)
    assert [len(sent.body) for sent in frames] == [64, 56]
    assert [sent.fin for sent in frames] == [False, True]
    assert not callee.tracks


def test_the_sender_stops_at_the_connection_s_credit() -> None:
    callee = opened_callee(small=True)
    for call in range(1, 4):
        open_call(callee, call)
        callee.answer(call, [bytes(900)], size=900)
        tell(callee, T.CREDIT, call, offset=2000)
    assert sum(len(sent.body) for sent in drain(callee)) == 1000
    assert callee.pull() is None
    tell(callee, T.CREDIT, 0, offset=10)
    assert [len(sent.body) for sent in drain(callee)] == [10]


def test_what_an_ended_call_left_untaken_goes_back_to_the_connection() -> None:
    callee = opened_callee(small=True)
    granted = 0
    for call in range(1, 50):  # each leaves 100 bytes that nobody will ever take
        open_call(callee, call, fin=False)
        tell(callee, T.BODY, call, bytes(50))
        tell(callee, T.BODY, call, bytes(50), offset=50)
        callee.fail(call, {"code": "forbidden"})
        granted += sum(sent.offset for sent in drain(callee) if sent.type == T.CREDIT and sent.call == 0)
        callee.consume(call, 100)  # too late: it was given back already
    assert 49 * 100 - 500 <= granted <= 49 * 100
    assert granted + SMALL.connection_window_bytes >= 49 * 100


def test_credit_for_a_call_that_has_ended_is_nobody_s() -> None:
    callee = opened_callee()
    open_call(callee)
    callee.answer(1, [b"x"], size=1)
    drain(callee)
    assert callee.receive(frame(T.CREDIT, 1, offset=5), 0.0) is None


def test_a_value_begins_with_the_credit_that_the_greeting_names() -> None:
    callee = Callee(now=0, limits=SMALL)
    callee.receive(frame(T.HELLO, meta={"versions": [1], "window_bytes": 300, "frame_bytes": 128}), 0)
    callee.welcome({})
    callee.receive(frame(T.CALL, 1, b"", meta={"path": "a"}, flags=FIN), 0)
    callee.answer(1, [bytes(700)], size=700)
    assert callee.accepted_bytes == 128
    assert sum(len(f.body) for f in drain(callee) if f.type == T.RESULT) == 300


def test_a_stream_begins_with_the_common_credit_whatever_the_greeting_names() -> None:
    callee = Callee(now=0, limits=SMALL)
    callee.receive(frame(T.HELLO, meta={"versions": [1], "window_bytes": 300}), 0)
    callee.welcome({})
    callee.receive(frame(T.CALL, 1, b"", meta={"path": "a"}, flags=FIN), 0)
    callee.open_answer(1, {"kind": "stream"})
    callee.send_answer(1, [bytes(700)], ended=True)
    assert sum(len(f.body) for f in drain(callee) if f.type == T.RESULT) == SMALL.window_bytes


@pytest.mark.parametrize("meta", [{"kind": "stream"}, {"size": 600}])
def test_the_caller_counts_by_the_window_that_it_named(meta: dict[str, object]) -> None:
    caller = Caller(now=0, limits=SMALL)
    caller.greet({"window_bytes": 300})
    caller.receive(frame(T.WELCOME, meta={"versions": [1]}), 0)
    call = caller.call({"path": "a"}, [b""])
    drain(caller)
    for offset in range(0, 100, 50):
        caller.receive(frame(T.RESULT, call, bytes(50), meta=meta if offset == 0 else None, offset=offset), 0)
    more = frame(T.RESULT, call, bytes(50), offset=100)
    if "size" in meta:
        caller.receive(more, 0)
    else:
        with pytest.raises(ProtocolError, match="over the credit"):
            caller.receive(more, 0)


@pytest.mark.parametrize("name", ["window_bytes", "frame_bytes"])
@pytest.mark.parametrize("size", [79, "300", True, 300.0, -1, 1 << 40, None])
def test_a_greeting_that_names_impossible_sizes(name: str, size: object) -> None:
    callee = Callee(now=0, limits=SMALL)
    with pytest.raises(ProtocolError, match=name):
        callee.receive(frame(T.HELLO, meta={"versions": [1], name: size}), 0)
