"""Records: values one after the other, cut anywhere."""

from __future__ import annotations

import pytest

from ksrpc import wire
from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire.item import RecordKind, RecordReader, pack_end, pack_record, parse_end, split_records

VALUES = [0, "text", None, b"x" * 5000, [1, {"a": 2.5}], ""]


def packed() -> bytes:
    return b"".join(b"".join(pack_record(RecordKind.ITEM, wire.pack(value))) for value in VALUES)


@pytest.mark.parametrize("size", [1, 2, 7, 9, 10, 4096, 1 << 20])
def test_records_come_out_however_they_were_cut(size: int) -> None:
    data, reader, values = packed() + pack_end(), RecordReader(), []
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
        values += reader.split()
    assert [wire.parse(record.body) for record in values[:-1]] == VALUES
    assert values[-1] == (RecordKind.END, b"")
    assert not reader.is_partial


def test_a_part_of_a_record_is_told() -> None:
    reader = RecordReader()
    reader.feed(packed()[:-1])
    assert len(reader.split()) == len(VALUES) - 1
    assert reader.is_partial


def test_whole_records_in_pieces_are_split() -> None:
    data = packed()
    assert [wire.parse(record.body) for record in split_records((data[:30], data[30:]))] == VALUES


@pytest.mark.parametrize("kind", [0, 4, 255])
def test_an_unknown_kind_is_refused(kind: int) -> None:
    reader = RecordReader()
    reader.feed(bytes([kind]) + bytes(8))
    with pytest.raises(DecodeError, match=f"kind {kind}"):
        reader.split()


def test_a_record_over_the_bound_is_refused_by_its_head_alone() -> None:
    reader = RecordReader(max_bytes=1000)
    reader.feed(bytes([1]) + (1001).to_bytes(8, "little"))
    with pytest.raises(TooLargeError, match="1001"):
        reader.split()


def test_the_end_by_an_error_keeps_its_meta_and_body() -> None:
    record = next(split_records((pack_end({"code": "raised", "maybe_ran": True}, b"body"),)))
    assert record.kind == RecordKind.RAISE
    assert parse_end(record.body) == ({"code": "raised", "maybe_ran": True}, b"body")


@pytest.mark.parametrize("value", [None, {}, {"meta": 1, "body": b""}, {"meta": {}, "body": "text"}, [1]])
def test_a_damaged_end_is_refused(value: object) -> None:
    with pytest.raises(DecodeError, match="damaged"):
        parse_end(wire.pack(value).join())
