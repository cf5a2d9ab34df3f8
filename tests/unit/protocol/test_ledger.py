"""What is kept until the peer has it: counting, acknowledging, the bounds, and beginning anew elsewhere."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from ksrpc.errors import ProtocolError
from ksrpc.limits import RESUME
from ksrpc.protocol import FIN, Caller, Frame, FrameType, pack_head, parse_frame
from ksrpc.protocol.ledger import UNCOUNTED, Ledger, parse_count
from tests.unit.protocol.speech import frame, opened_caller, types
from tests.unit.protocol.test_spec import limits_of

T = FrameType
TIGHT = replace(RESUME, frame_bytes=100, ack_bytes=400, kept_bytes=600)


def _ledger() -> tuple[Caller, Ledger]:
    caller = opened_caller()
    return caller, Ledger(caller, TIGHT)


def _drain(ledger: Ledger) -> list[Frame]:
    frames = []
    while (pair := ledger.pull()) is not None:
        frames.append(parse_frame(b"".join(pair)))
    return frames


def _ask(caller: Caller, count: int, body: bytes = b"") -> None:
    for _ in range(count):
        caller.call({"path": "demo.f"}, [body])


def test_frames_of_one_carrier_are_not_counted() -> None:
    caller, ledger = _ledger()
    for kind in UNCOUNTED - {T.ACK}:
        caller.outbox.put_control(pack_head(kind))
        assert ledger.hear(frame(kind)) is False
    assert len(_drain(ledger)) == len(UNCOUNTED) - 1
    assert (ledger.sent, ledger.received, ledger.kept_bytes) == (0, 0, 0)


def test_an_unknown_frame_counts() -> None:
    _, ledger = _ledger()
    assert ledger.hear(frame(200)) is False
    assert ledger.received == 1


def test_what_was_sent_is_kept_until_it_is_acknowledged() -> None:
    caller, ledger = _ledger()
    _ask(caller, 3, b"x" * 10)
    sent = _drain(ledger)
    assert ledger.sent == 3
    whole = ledger.kept_bytes
    assert whole > 3 * (16 + 10 + TIGHT.frame_bytes)
    assert ledger.hear(frame(T.ACK, offset=2)) is True
    assert ledger.kept_bytes == whole // 3
    assert ledger.hear(frame(T.ACK, offset=2)) is True
    assert ledger.hear(frame(T.ACK, offset=3)) is True
    assert (ledger.sent, ledger.kept_bytes) == (3, 0)
    assert types(sent) == [T.CALL] * 3


def test_bodies_are_kept_without_a_copy() -> None:
    caller, ledger = _ledger()
    body = b"x" * 1000
    _ask(caller, 1, body)
    assert (pulled := ledger.pull()) is not None
    assert pulled[1] is body
    ledger.rewind(0)
    assert (again := ledger.pull()) is not None
    assert again[1] is body


@pytest.mark.parametrize("count", [4, 2**63])
def test_nobody_acknowledges_what_was_not_sent(count: int) -> None:
    caller, ledger = _ledger()
    _ask(caller, 3)
    _drain(ledger)
    with pytest.raises(ProtocolError, match="0 to 3 were possible"):
        ledger.hear(frame(T.ACK, offset=count))
    with pytest.raises(ProtocolError):
        ledger.rewind(count)
    assert ledger.sent == 3


def test_an_acknowledgement_does_not_go_back() -> None:
    caller, ledger = _ledger()
    _ask(caller, 3)
    _drain(ledger)
    ledger.hear(frame(T.ACK, offset=2))
    with pytest.raises(ProtocolError, match="2 to 3 were possible"):
        ledger.hear(frame(T.ACK, offset=1))


def test_a_cut_frame_is_left_to_the_session() -> None:
    _, ledger = _ledger()
    for data in (b"", b"\x0d", frame(T.ACK)[:-1]):
        assert ledger.hear(data) is False
    with pytest.raises(ProtocolError):
        parse_count(b"\x0d" * 15)


def test_acknowledges_every_so_many_frames() -> None:
    _, ledger = _ledger()
    for _ in range(10):
        ledger.hear(frame(T.STARTED, 1))  # 116 each
    assert [(f.type, f.offset) for f in _drain(ledger)] == [(T.ACK, 4), (T.ACK, 8)]
    ledger.tell()
    ledger.tell()
    assert [f.offset for f in _drain(ledger)] == [10]


def test_acknowledges_every_so_many_bytes() -> None:
    _, ledger = _ledger()
    ledger.hear(frame(T.RESULT, 1, bytes(150)))
    assert _drain(ledger) == []
    ledger.hear(frame(T.RESULT, 1, bytes(150), offset=150))
    assert [f.offset for f in _drain(ledger)] == [2]


def test_acknowledges_the_end_of_a_large_value_at_once() -> None:
    ledger = Ledger(opened_caller())
    for call, told in ((1, 2), (2, 5)):
        ledger.hear(frame(T.RESULT, call, bytes(70_000)))
        assert _drain(ledger) == []
        ledger.hear(frame(T.RESULT, call, b"x", flags=FIN, offset=70_000))
        assert [f.offset for f in _drain(ledger)] == [told]
        ledger.hear(frame(T.RESULT, 3 + call, b"small", flags=FIN))
        assert _drain(ledger) == []


def test_a_full_ledger_lets_only_frames_without_a_body_go() -> None:
    caller, ledger = _ledger()
    _ask(caller, 4, b"x" * 100)
    assert len(_drain(ledger)) == 3
    assert ledger.is_full
    assert ledger.sent == 3
    caller.outbox.put_control(pack_head(T.CREDIT, offset=1))
    assert types(_drain(ledger)) == [T.CREDIT]
    assert ledger.kept_bytes < 2 * TIGHT.kept_bytes
    ledger.hear(frame(T.ACK, offset=2))
    assert types(_drain(ledger)) == [T.CALL]


def test_the_number_of_kept_frames_is_bounded() -> None:
    caller, ledger = _ledger()
    _ask(caller, 9)
    assert len(_drain(ledger)) == 5
    for _ in range(7):
        caller.outbox.put_control(pack_head(T.CREDIT, offset=1))
    _drain(ledger)
    ledger.hear(frame(T.STARTED, 1))
    with pytest.raises(ProtocolError, match="12 frames were not acknowledged"):
        ledger.tell()


def test_what_the_peer_has_not_goes_out_again_first_and_in_order() -> None:
    caller, ledger = _ledger()
    _ask(caller, 4)
    first = _drain(ledger)
    _ask(caller, 1)
    caller.outbox.put_control(pack_head(T.PONG, offset=7))  # of the carrier that broke
    caller.outbox.put_control(pack_head(T.CREDIT, offset=7))
    ledger.rewind(1)
    again = _drain(ledger)
    assert [f.call for f in again[:3]] == [f.call for f in first[1:]]
    assert types(again[3:]) == [T.CREDIT, T.CALL]
    assert ledger.sent == 6
    ledger.rewind(6)
    assert _drain(ledger) == []


def test_a_second_break_before_anything_came_loses_nothing() -> None:
    caller, ledger = _ledger()
    _ask(caller, 3)
    _drain(ledger)
    ledger.rewind(0)
    assert ledger.pull() is not None  # one of three goes out, then the carrier breaks again
    ledger.rewind(0)
    assert [f.call for f in _drain(ledger)] == [1, 2, 3]


def test_limits_of_the_specification() -> None:
    assert limits_of("Limits of resuming") == {name: float(value) for name, value in asdict(RESUME).items()}
