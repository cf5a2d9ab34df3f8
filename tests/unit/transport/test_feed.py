"""A stream at the client: what is owed to the peer's credit, and how it ends."""

from __future__ import annotations

import pytest

from ksrpc import wire
from ksrpc.errors import LostError, QuotaError
from ksrpc.transport.feed import Feed, parse_item
from ksrpc.wire.item import RecordKind, pack_end, pack_record


def record(value: object) -> bytes:
    return b"".join(pack_record(RecordKind.ITEM, wire.pack(value)))


def test_bytes_of_whole_items_are_owed_until_they_are_taken() -> None:
    feed, data = Feed(), record("a") + record("b")
    assert feed.put(data) == 0
    assert feed.has_news
    bodies, taken = feed.take()
    assert [parse_item(body) for body in bodies] == ["a", "b"]
    assert taken == len(data)
    assert not feed.has_news


def test_bytes_of_an_item_in_parts_are_not() -> None:
    feed, data = Feed(), record("x" * 1000)
    assert feed.put(data[:400]) == 400
    assert feed.put(data[400:900]) == 500
    assert feed.put(data[900:]) == 0
    assert feed.take()[1] == len(data) - 900


def test_items_before_the_failure_come_first_and_the_failure_once() -> None:
    feed = Feed()
    feed.put(record(1) + pack_end({"code": "quota", "text": "used up", "maybe_ran": False}))
    assert [parse_item(body) for body in feed.take()[0]] == [1]
    with pytest.raises(QuotaError, match="used up"):
        feed.take()
    assert feed.take() == ([], 0)


def test_an_end_inside_an_item_is_a_loss() -> None:
    feed = Feed()
    feed.put(record("abc")[:-1])
    feed.end()
    with pytest.raises(LostError, match="inside an item"):
        feed.take()


def test_what_comes_after_the_end_changes_nothing() -> None:
    feed = Feed()
    feed.end()
    feed.end(LostError("later"))
    assert feed.take() == ([], 0)


def test_bytes_that_are_no_records_are_a_loss() -> None:
    with pytest.raises(LostError, match="cannot be read"):
        Feed().put(b"\xff" * 20)
    with pytest.raises(LostError, match="cannot be read"):
        parse_item(b"\xff" * 20)
