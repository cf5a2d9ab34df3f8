"""Compressing a message that is there: the same value in other chunks, or left alone."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import pytest

from ksrpc import wire
from ksrpc.wire.assembly import Assembly
from ksrpc.wire.codec import LZ4, NONE, ZSTD
from ksrpc.wire.message import CHUNK, PRELUDE, Piece
from ksrpc.wire.pace import Pace
from ksrpc.wire.value import disassemble

RANDOM = np.random.default_rng(5)
COUNT = 30_000
#: Doubles on a grid, whole numbers of lots, times a minute apart, codes: what tables of prices hold.
COLUMNS = {
    "prices": np.round(10 + np.cumsum(RANDOM.normal(0, 0.01, COUNT)), 2),
    "volumes": RANDOM.integers(0, 10_000_000, COUNT) * 100,
    "times": np.datetime64("2024-01-01", "ns") + np.arange(COUNT).astype("m8[m]").astype("m8[ns]"),
    "floats": np.round(RANDOM.random(COUNT) * 100, 1).astype("f4"),
    "codes": (np.arange(COUNT) % 5000).astype("i2"),
    "text": ["贵州茅台 600519.SH", "平安银行 000001.SZ"] * 3000,
}
NOISE = RANDOM.bytes(300_000)


def chunks(data: bytes) -> list[tuple[int, int, int, int, int]]:
    """List codec, pad, filter, raw and stored of each chunk, and check that its data lies as the spec says."""
    count = PRELUDE.unpack_from(data)[4]
    at, found = PRELUDE.size + 8 * count, []
    head_left = int.from_bytes(data[PRELUDE.size : PRELUDE.size + 8], "little")
    while at < len(data):
        codec, pad, _, shuffle, raw, stored, _ = CHUNK.unpack_from(data, at)
        at += CHUNK.size + pad
        if codec == NONE and head_left <= 0:
            assert at % 64 == 0
        head_left -= raw
        found.append((codec, pad, shuffle, raw, stored))
        at += stored
    return found


def compacted(value: object, codecs: Sequence[str] = ("zstd",), **options: int) -> bytes | None:
    compaction = wire.open_compaction(wire.pack(value).segments, Pace(codecs, perf_counter, is_fixed=True), **options)
    return None if compaction is None else b"".join(compaction)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
@pytest.mark.parametrize("name", COLUMNS)
def test_the_same_value_comes_out_smaller(name: str, codec: str) -> None:
    value = COLUMNS[name]
    data = compacted(value, (codec,))
    assert data is not None
    assert len(data) < 0.9 * wire.pack(value).nbytes
    found = wire.parse(data)
    if isinstance(value, np.ndarray):
        assert found.dtype == value.dtype
        assert found.tobytes() == value.tobytes()
    else:
        assert found == value


@pytest.mark.parametrize(("name", "filters"), [("prices", {0}), ("volumes", {8}), ("times", {8})])
def test_bytes_are_shuffled_where_it_pays(name: str, filters: set[int]) -> None:
    data = compacted(COLUMNS[name])
    assert data is not None
    assert {shuffle for codec, _, shuffle, *_ in chunks(data) if codec == ZSTD} == filters


def test_what_does_not_shrink_stays_as_it_lies() -> None:
    assert compacted(NOISE) is None
    mixed = [NOISE, COLUMNS["times"]]
    data = compacted(mixed)
    assert data is not None
    assert [codec for codec, _, _, raw, _ in chunks(data) if raw == len(NOISE)] == [NONE]
    assert ZSTD in [codec for codec, *_ in chunks(data)]
    found = wire.parse(data)
    assert found[0] == NOISE
    assert (found[1] == mixed[1]).all()


def test_a_chunk_that_does_not_shrink_is_sent_as_it_lies() -> None:
    """The samples say yes, for one part of the buffer only."""
    value = bytes(3 << 20) + RANDOM.bytes(1 << 20) + bytes(3 << 20)
    data = compacted(value)
    assert data is not None
    assert [codec for codec, *_ in chunks(data)][1:] == [ZSTD] * 3 + [NONE] + [ZSTD] * 3
    assert wire.parse(data) == value


@pytest.mark.parametrize("value", [None, "short", list(range(50)), np.arange(1000)])
def test_small_values_are_left_alone(value: object) -> None:
    assert compacted(value) is None


def test_a_large_head_is_compressed_too() -> None:
    value = [{"code": f"{number:06}", "name": "平安银行", "close": number / 8} for number in range(20_000)]
    data = compacted(value)
    assert data is not None
    assert len(data) < wire.pack(value).nbytes / 4
    assert wire.parse(data) == value


def test_chunks_have_the_size_asked_for() -> None:
    value = np.arange(200_000)
    data = compacted(value, chunk_bytes=1 << 16)
    assert data is not None
    sizes = [raw for codec, _, _, raw, _ in chunks(data) if codec == ZSTD]
    assert sizes == [1 << 16] * (value.nbytes >> 16) + [value.nbytes % (1 << 16)]


@pytest.mark.parametrize("size", [97, 1000, 65_537])
def test_it_does_not_matter_how_the_message_is_cut(size: int) -> None:
    data = wire.pack([COLUMNS["prices"], "a"]).join()
    pieces: list[Piece] = [data[start : start + size] for start in range(0, len(data), size)]
    compaction = wire.open_compaction(pieces, Pace(("zstd",), perf_counter))
    assert compaction is not None
    assert (wire.parse(b"".join(compaction))[0] == COLUMNS["prices"]).all()


def test_what_is_no_plain_message_is_left_alone() -> None:
    plain = wire.pack(COLUMNS["times"]).join()
    packed = wire.pack(COLUMNS["times"], codec="zstd").join()
    damaged = [packed, plain[:-1], plain + b"\0", b"", b"KSW1", plain[:4] + b"\2" + plain[5:], NOISE, bytes(200_000)]
    for data in damaged:
        assert wire.open_compaction([data], Pace(("zstd",), perf_counter)) is None


def test_without_a_codec_nothing_happens() -> None:
    assert compacted(COLUMNS["times"], ()) is None
    assert compacted(COLUMNS["times"], ("none",)) is None


def test_it_tells_how_far_it_is() -> None:
    value = np.arange(1_000_000)
    message = wire.pack(value)
    compaction = wire.open_compaction(message.segments, Pace(("lz4",), perf_counter, is_fixed=True))
    assert compaction is not None
    told, lengths = [0], 0
    for piece in compaction:
        assert told[-1] <= compaction.sent_bytes(len(piece)) <= compaction.sent_bytes(0) == compaction.done_bytes
        told.append(compaction.done_bytes)
        lengths += len(piece)
        assert compaction.wire_bytes == lengths
    assert told == sorted(told)
    assert told[-1] == compaction.total_bytes
    assert value.nbytes <= compaction.total_bytes <= message.nbytes
    assert compaction.wire_bytes < value.nbytes / 2


def test_a_link_that_is_faster_than_the_codec_gets_the_rest_as_it_lies() -> None:
    """Nobody is as fast as who throws everything away."""
    value = RANDOM.random(6 << 20)  # its exponents shrink: by a tenth and more
    message = wire.pack(value)
    compaction = wire.open_compaction(message.segments, Pace(("zstd", "lz4"), perf_counter))
    assert compaction is not None
    data = b"".join(compaction)
    codecs = [codec for codec, *_ in chunks(data)][1:]
    assert codecs[0] == ZSTD
    assert codecs[-1] == NONE
    assert set(codecs) <= {ZSTD, LZ4, NONE}
    assert len(disassemble(memoryview(data), Assembly(wire.RESULT_TABLE.limits))[1]) == value.nbytes


@pytest.mark.parametrize("shrinks", [False, True])
def test_a_value_is_let_go_of_at_once(*, shrinks: bool) -> None:
    """It may be the map of a worker's memory: that is not left to the garbage collector, however it went."""
    message = bytearray(b"".join(wire.pack(bytes(300_000) if shrinks else NOISE).segments))
    gc.disable()
    try:
        compaction = wire.open_compaction([message], Pace(("zstd",), perf_counter, is_fixed=True))
        assert (compaction is not None) is shrinks
        assert len(list(compaction or ())) > 0 or not shrinks
        del compaction
        message.append(0)  # which fails while somebody looks at it
    finally:
        gc.enable()
