"""One frame: what is taken, and every way it is refused."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest

from ksrpc.errors import ProtocolError
from ksrpc.limits import SESSION
from ksrpc.protocol import FIN, FrameType, pack_head, parse_frame
from ksrpc.protocol.frame import HEADER_BYTES


def _raw(meta: bytes, body: bytes = b"") -> bytes:
    return bytes([FrameType.CALL, 0]) + len(meta).to_bytes(2, "little") + bytes(12) + meta + body


def test_a_frame_comes_back_as_it_was_packed() -> None:
    head = pack_head(FrameType.RESULT, 7, {"size": 5}, flags=FIN, offset=2**40)
    frame = parse_frame(head + b"hello")
    assert (frame.type, frame.flags, frame.call, frame.offset) == (FrameType.RESULT, FIN, 7, 2**40)
    assert frame.meta == {"size": 5}
    assert bytes(frame.body) == b"hello"
    assert frame.fin


def test_header_layout_is_the_one_of_the_spec() -> None:
    assert pack_head(9, 0x0102, flags=1, offset=3) == bytes.fromhex("09010000 02010000 0300000000000000")
    assert len(pack_head(FrameType.PING)) == HEADER_BYTES == 16


def test_a_large_body_is_a_view_of_the_message() -> None:
    data = bytearray(pack_head(FrameType.BODY, 1) + bytes(10_000))
    frame = parse_frame(data)
    data[HEADER_BYTES] = 7
    assert frame.body[0] == 7


@pytest.mark.parametrize("size", range(HEADER_BYTES))
def test_shorter_than_a_header(size: int) -> None:
    with pytest.raises(ProtocolError, match="shorter than its header"):
        parse_frame(bytes(size))


def test_meta_beyond_the_end() -> None:
    with pytest.raises(ProtocolError, match="ends inside its meta"):
        parse_frame(_raw(b"\x81\xa1a\x01")[:-1])


@pytest.mark.parametrize(
    "meta",
    [
        b"\xc1",
        b"\x81\xa1a",
        b"\x80\x80",
        b"\x81\x01\x02",
        b"\x81\xa1a\xd4\x05\x00",
        b"\x81\xa1\xff\x01",
        b"\xdf\xff\xff\xff\xff",
    ],
    ids=["reserved", "cut", "two", "int key", "ext", "not UTF-8", "huge map"],
)
def test_meta_that_is_not_plain_messagepack(meta: bytes) -> None:
    with pytest.raises(ProtocolError, match="meta"):
        parse_frame(_raw(meta))


@pytest.mark.parametrize("meta", [[], [1], 5, "text", None])
def test_meta_that_is_not_a_map(meta: object) -> None:
    with pytest.raises(ProtocolError, match="not a map"):
        parse_frame(_raw(msgpack.packb(meta)))


def _nested(levels: int, *, kind: type) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value] if kind is list else {"k": value}
    return value


@pytest.mark.parametrize("kind", [list, dict])
def test_meta_is_shallow(kind: type) -> None:
    most = SESSION.meta_depth - 1  # the map itself is the first level
    assert parse_frame(_raw(msgpack.packb({"a": _nested(most, kind=kind)}))).meta["a"]
    with pytest.raises(ProtocolError, match="too deep"):
        parse_frame(_raw(msgpack.packb({"a": _nested(most + 1, kind=kind)})))


def test_meta_as_deep_as_its_bytes_allow_is_refused_without_recursion() -> None:
    with pytest.raises(ProtocolError):
        parse_frame(_raw(b"\x81\xa1a" + b"\x91" * 60_000 + b"\x01"))


def test_body_over_its_limit() -> None:
    limits = replace(SESSION, frame_bytes=10)
    assert parse_frame(_raw(b"", bytes(10)), limits=limits).body == bytes(10)
    with pytest.raises(ProtocolError, match="body of 11 bytes is over 10"):
        parse_frame(_raw(b"", bytes(11)), limits=limits)


def test_own_meta_over_its_limit_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="over 65535"):
        pack_head(FrameType.CALL, 1, {"path": "x" * 65_536})


def test_numbers_are_distinct_and_begin_at_one() -> None:
    assert [int(kind) for kind in FrameType] == list(range(1, 19))
