"""Streams cut anywhere give what they give whole; two joined together, one cut off or one bit changed never pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ksrpc.errors import DecodeError, KsrpcError, ProtocolError, TooLargeError
from ksrpc.protocol import FIN, Callee, Framer, FrameType, pack_head
from ksrpc.wire import CODECS, RESULT_TABLE, Reader, pack, parse
from ksrpc.wire.item import RecordKind, RecordReader, pack_end, pack_record
from tests.conformance.wire.golden import load
from tests.fuzz.container import lay, take_apart
from tests.fuzz.mutation import splice

QUICK = settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
CUTS = st.lists(st.integers(1, 400), min_size=1, max_size=6)
TABLE = pack(pd.DataFrame({"a": np.arange(400.0), "b": ["x", "y"] * 200})).join()
MESSAGES = [*list(load().values())[::4], TABLE, pack(b"z" * 70_000).join()]
PACKED = [pack(np.arange(20_000), codec=codec).join() for codec in CODECS]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut bytes into pieces of these sizes, over and over."""
    found, at, turn = [], 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        found.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return found


def outcome(read: Callable[[], Any]) -> Any:
    """Return the encoding of what comes, or the class of the error."""
    try:
        return pack(read()).join()
    except KsrpcError as error:
        return type(error)


def by_feed(data: bytes, cuts: list[int]) -> Any:
    """Read a message through `feed`."""
    reader = Reader(RESULT_TABLE)
    for piece in pieces(data, cuts):
        reader.feed(piece)
    return reader.value()


def by_buffer(data: bytes, cuts: list[int]) -> Any:
    """Read a message through `get_buffer` and `advance`, as a socket does."""
    reader, at, turn = Reader(RESULT_TABLE), 0, 0
    while at < len(data):
        room = reader.get_buffer()
        if not len(room):
            raise DecodeError("bytes after the end of the value")
        size = min(cuts[turn % len(cuts)], len(room), len(data) - at)
        room[:size] = data[at : at + size]
        reader.advance(size)
        at, turn = at + size, turn + 1
    return reader.value()


@QUICK
@given(st.sampled_from([*MESSAGES, *PACKED]), CUTS, st.integers(0, 2**32))
def test_a_message_in_any_pieces(data: bytes, cuts: list[int], seed: int) -> None:
    buffers = take_apart(data)
    assert buffers is not None
    laid = lay(buffers, Random(seed), is_plain=False)
    expected = outcome(lambda: parse(data))
    for made in (data, laid):
        assert outcome(lambda made=made: by_feed(made, cuts)) == expected  # type: ignore[misc]
        assert outcome(lambda made=made: by_buffer(made, cuts)) == expected  # type: ignore[misc]


@QUICK
@given(st.sampled_from(MESSAGES), st.sampled_from(MESSAGES), CUTS, st.integers(0, 2**32))
def test_a_splice_is_read_alike_in_any_pieces(left: bytes, right: bytes, cuts: list[int], seed: int) -> None:
    data = splice(left, right, Random(seed))
    whole, fed, filled = (
        outcome(read) for read in (lambda: parse(data), lambda: by_feed(data, cuts), lambda: by_buffer(data, cuts))
    )
    assert whole == fed == filled or {whole, fed, filled} <= {DecodeError, TooLargeError}


@pytest.mark.parametrize("data", [*MESSAGES[::9], TABLE], ids=lambda data: str(len(data)))
def test_a_message_cut_off_at_any_byte_has_no_value(data: bytes) -> None:
    reader = Reader(RESULT_TABLE)
    for at in range(len(data)):
        assert not reader.done
        with pytest.raises(DecodeError):
            reader.value()
        reader.feed(data[at : at + 1])
    assert reader.done


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
def test_any_bit_of_a_compressed_chunk_is_guarded(codec: str) -> None:
    data = pack(np.arange(20_000), codec=codec).join()
    start = len(data) - 300
    for at in range(start, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        with pytest.raises(DecodeError):
            parse(bytes(changed))


RECORDS = st.lists(
    st.tuples(st.sampled_from([RecordKind.ITEM, RecordKind.RAISE]), st.integers(-5, 5) | st.text(max_size=300)),
    max_size=8,
)


@QUICK
@given(RECORDS, CUTS, st.integers(0, 9000), st.none() | st.integers(0, 10**6))
def test_records_in_any_pieces(
    records: list[tuple[RecordKind, Any]], cuts: list[int], kept: int, flip: int | None
) -> None:
    data = b"".join(b"".join(pack_record(kind, pack(value))) for kind, value in records) + pack_end()
    made = bytearray(data[: kept or None])
    if flip is not None:
        made[flip % len(made)] ^= 1 << flip % 8
    whole, cut = (_split(bytes(made), sizes) for sizes in ([len(made)], cuts))
    assert whole[1:] == cut[1:]
    assert whole[0][: len(cut[0])] == cut[0] if whole[1] is None else cut[0][: len(whole[0])] == whole[0]
    if len(made) == len(data) and flip is None:
        assert [kind for kind, _ in whole[0]] == [*(kind for kind, _ in records), RecordKind.END]


def _split(data: bytes, cuts: list[int]) -> tuple[list[Any], type[KsrpcError] | None]:
    reader, found = RecordReader(max_bytes=5000), []
    try:
        for piece in pieces(data, cuts):
            reader.feed(piece)
            found += reader.split()
    except (DecodeError, TooLargeError) as error:
        return found, type(error)
    return found, None


@QUICK
@given(st.lists(st.integers(0, 70_000), max_size=5), CUTS, st.none() | st.integers(0, 10**6))
def test_frames_in_any_pieces_give_the_same_events(sizes: list[int], cuts: list[int], flip: int | None) -> None:
    messages = [pack_head(FrameType.HELLO, meta={"versions": [1]})]
    for number, size in enumerate(sizes, 1):
        messages.append(pack_head(FrameType.CALL, number, {"path": "demo.f"}))
        messages.append(pack_head(FrameType.BODY, number, flags=FIN) + bytes(size))
    stream = bytearray(b"".join(len(message).to_bytes(4, "little") + message for message in messages))
    if flip is not None:
        stream[flip % len(stream)] ^= 1 << flip % 8
    whole, cut = (_events(bytes(stream), sizes) for sizes in ([len(stream)], [*cuts, 1000]))
    assert whole == cut
    if flip is None:
        assert len(whole) == len(messages)


def _events(stream: bytes, cuts: list[int]) -> list[str]:
    """Tell what a callee makes of a stream, up to the rule that it breaks."""
    session, framer, told = Callee(now=0.0), Framer(), []
    with contextlib.suppress(ProtocolError):
        for piece in pieces(stream, cuts):
            for frame in framer.feed(piece):
                told.append(_tell(session.receive(frame, 0.0)))
    return told


def _tell(event: Any) -> str:
    parts = (
        [bytes(part) if isinstance(part, memoryview) else part for part in event] if isinstance(event, tuple) else event
    )
    return f"{type(event).__name__} {parts}"
