"""The incremental reader: any portions, no byte beyond the message, no memory on the word of a header."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from ksrpc.errors import BusyError, DecodeError, KsrpcError, LostError, TooLargeError
from ksrpc.wire import REQUEST_TABLE, Reader, pack, pack_abort
from ksrpc.wire.message import CHUNK, MAGIC, PRELUDE
from tests.helpers.feed import FEEDS, TRAILERS, Feed
from tests.unit.wire.carry import container, read

VALUES: list[Any] = [5, {"a": [1.5, None]}, [np.arange(700), b"x" * 100_000, np.arange(9000.0)]]


@pytest.mark.parametrize("value", VALUES, ids=["scalar", "dict", "buffers"])
@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_every_feed_gives_the_same(value: Any, feed: Feed, codec: str) -> None:
    got = read(pack(value, codec=codec).join(), feed)
    np.testing.assert_equal(got, value)


def test_receiving_into_its_buffer() -> None:
    value = [np.arange(50_000), "text"]
    data = memoryview(pack(value).join())
    reader = Reader()
    position = 0
    while not reader.done:
        room = reader.get_buffer()
        assert len(room) > 0
        count = min(len(room), 1000)
        assert position + count <= len(data)
        room[:count] = data[position : position + count]
        reader.advance(count)
        position += count
    assert position == len(data)
    assert len(reader.get_buffer()) == 0
    np.testing.assert_equal(reader.value(), value)
    assert reader.value() is reader.value()


@pytest.mark.parametrize("tail", TRAILERS)
@pytest.mark.parametrize("feed", FEEDS)
def test_trailing_bytes_are_refused(tail: bytes, feed: Feed) -> None:
    with pytest.raises(DecodeError, match="after the end"):
        read(pack([1, 2]).join() + tail, feed)
    reader = Reader()
    reader.feed(pack(1).join())
    with pytest.raises(DecodeError, match="after the end"):
        reader.advance(1)


def test_an_unfinished_message_has_no_value() -> None:
    reader = Reader()
    reader.feed(pack(np.arange(1000)).join()[:-1])
    assert not reader.done
    with pytest.raises(DecodeError, match="not complete"):
        reader.value()


def test_the_size_is_known_after_the_table() -> None:
    array = np.arange(10_000)
    data = pack(array).join()
    reader = Reader()
    nothing: Any = reader.total_bytes
    assert nothing is None
    reader.feed(data[:500])
    total: Any = reader.total_bytes
    assert array.nbytes < total < array.nbytes + 100
    assert reader.filled_bytes < total
    reader.feed(data[500:])
    assert reader.filled_bytes == total


def test_arrays_are_received_into_their_own_memory() -> None:
    reader = Reader()
    reader.feed(pack([np.arange(1000), np.arange(1000)]).join())
    first, second = reader.value()
    first[:] = 1
    assert second[1] == 1
    assert first.flags.aligned
    assert first.flags.writeable
    assert not np.shares_memory(first, second)


def test_a_declared_size_over_the_limit_is_refused_at_once() -> None:
    header = PRELUDE.pack(MAGIC, 1, 0, 0, 2, 0) + (10).to_bytes(8, "little") + (2**62).to_bytes(8, "little")
    with pytest.raises(TooLargeError):
        Reader(REQUEST_TABLE).feed(header + bytes(16))


def test_a_declared_size_within_the_limit_costs_nothing_yet() -> None:
    lengths = (10).to_bytes(8, "little") + (200 << 20).to_bytes(8, "little")
    header = PRELUDE.pack(MAGIC, 1, 0, 0, 2, 0) + lengths
    tracemalloc.start()
    reader = Reader(REQUEST_TABLE)
    reader.feed(header + CHUNK.pack(0, 0, 0, 0, 10, 10, 0) + bytes(10))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(("error", "kind"), [(BusyError("queue full"), BusyError), (LostError("gone"), LostError)])
@pytest.mark.parametrize("feed", FEEDS)
def test_an_abort_raises_what_the_sender_tells(error: KsrpcError, kind: type[KsrpcError], feed: Feed) -> None:
    data = pack([np.arange(10_000)]).join()
    whole = container(b"\x90", b"x" * 10)
    head_only = whole[: PRELUDE.size + 16 + CHUNK.size + 1]
    assert len(data) > len(head_only)
    with pytest.raises(kind, match=str(error)):
        read(head_only + pack_abort(error), feed)


def test_an_abort_of_unknown_code_is_a_lost_answer() -> None:
    payload = b"\x82\xa4code\xa3xyz\xa4text\xa2no"
    abort = CHUNK.pack(0, 0, 1, 0, len(payload), len(payload), 0) + payload
    reader = Reader()
    with pytest.raises(LostError, match="no"):
        reader.feed(container(b"\x90")[:24] + abort)


@pytest.mark.parametrize("payload", [b"\xc0", b"\x80", b"\x82\xa4code\x01\xa4text\x02", b"\xff\xff"])
def test_an_abort_that_says_nothing_is_refused(payload: bytes) -> None:
    abort = CHUNK.pack(0, 0, 1, 0, len(payload), len(payload), 0) + payload
    with pytest.raises(DecodeError):
        Reader().feed(container(b"\x90")[:24] + abort)
