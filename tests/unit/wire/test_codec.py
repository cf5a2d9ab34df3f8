"""Compression: chosen where it pays, bounded where it is undone."""

from __future__ import annotations

import struct
from typing import Any

import lz4.block
import numpy as np
import pytest
import zstandard

from ksrpc.errors import DecodeError, MissingExtraError
from ksrpc.wire import CODECS, pack, parse
from ksrpc.wire.codec import LZ4, ZSTD, Compressor, Decompressor
from ksrpc.wire.message import CHUNK
from tests.unit.wire.carry import carry

PACKED = ["lz4", "zstd"]
RAMP = np.arange(500_000, dtype=np.int64)


def test_the_codecs_here() -> None:
    assert CODECS == ("none", "lz4", "zstd")


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize(
    "value",
    [RAMP, RAMP.astype("f4"), RAMP.astype("c16"), b"abc" * 100_000, "中" * 100_000, RAMP[:30_001].astype(">i2")],
    ids=["i8", "f4", "c16", "bytes", "text", "big-endian"],
)
def test_what_shrinks_is_compressed_and_arrives(value: Any, codec: str) -> None:
    message = pack(value, codec=codec)
    assert message.nbytes < pack(value).nbytes
    np.testing.assert_equal(parse(message.join()), value)


@pytest.mark.parametrize("codec", PACKED)
def test_noise_and_small_values_stay_as_they_are(codec: str) -> None:
    noise = np.random.default_rng(1).bytes(300_000)
    assert pack(noise, codec=codec).nbytes == pack(noise).nbytes
    assert pack([1, 2, 3], codec=codec).join() == pack([1, 2, 3]).join()


@pytest.mark.parametrize("codec", PACKED)
def test_noise_in_the_middle_is_sent_plain(codec: str) -> None:
    mixed = bytes(2 << 20) + np.random.default_rng(1).bytes(1 << 20) + bytes(2 << 20)
    assert carry(mixed, codec=codec) == mixed


def test_shuffling_helps_and_is_undone() -> None:
    compressor = Compressor("zstd")
    part = RAMP[:1000].tobytes()
    shuffled = compressor.compress(part, 8)
    assert len(shuffled) < len(compressor.compress(part, 0))
    assert bytes(Decompressor().inflate(ZSTD, shuffled, len(part), shuffle=8)) == part


def test_an_unknown_codec_is_an_error_of_the_caller() -> None:
    with pytest.raises(MissingExtraError, match="unknown codec"):
        pack(RAMP, codec="gzip")


def bomb(raw: int, blocks: int) -> bytes:
    """Make a zstd frame that declares `raw` bytes and holds runs of far more."""
    run = struct.pack("<I", (1 << 1) | (1000 << 3))[:3] + b"x"
    last = struct.pack("<I", 1 | (1 << 1) | (1000 << 3))[:3] + b"x"
    return b"\x28\xb5\x2f\xfd" + bytes([(2 << 6) | (1 << 5)]) + struct.pack("<I", raw) + run * blocks + last


FRAME = zstandard.ZstdCompressor().compress(b"a" * 1000)
UNSIZED = zstandard.ZstdCompressor(write_content_size=False).compress(b"a" * 1000)
WIDE = zstandard.ZstdCompressor(
    compression_params=zstandard.ZstdCompressionParameters(window_log=25, write_content_size=True)
)


@pytest.mark.parametrize(
    "stored",
    [bomb(1000, 100_000), FRAME + FRAME, FRAME + b"x", FRAME[:-1], UNSIZED, b"x" * 50, b"", bomb(2000, 0)],
    ids=["bomb", "two", "tail", "cut", "unsized", "noise", "empty", "short"],
)
def test_a_zstd_chunk_that_is_not_one_frame_of_its_size_is_refused(stored: bytes) -> None:
    with pytest.raises(DecodeError):
        Decompressor().inflate(ZSTD, stored, 1000, shuffle=0)


def test_a_zstd_frame_with_a_wide_window_is_refused() -> None:
    stream = WIDE.compressobj(size=40 << 20)
    frame = stream.compress(bytes(40 << 20)) + stream.flush()
    with pytest.raises(DecodeError, match="does not fit"):
        Decompressor().inflate(ZSTD, frame, 40 << 20, shuffle=0)


BLOCK = lz4.block.compress(b"a" * 1000, store_size=False)


@pytest.mark.parametrize("raw", [999, 1001])
@pytest.mark.parametrize("stored", [BLOCK, BLOCK[:-3], b"\xff" * 20, b""], ids=["whole", "cut", "noise", "empty"])
def test_an_lz4_block_of_another_size_is_refused(stored: bytes, raw: int) -> None:
    with pytest.raises(DecodeError):
        Decompressor().inflate(LZ4, stored, raw, shuffle=0)


@pytest.mark.parametrize("codec", PACKED)
def test_a_flipped_bit_is_found(codec: str) -> None:
    data = bytearray(pack(RAMP, codec=codec).join())
    data[-10] ^= 1
    with pytest.raises(DecodeError, match="checksum"):
        parse(data)


def test_chunks_are_small_enough_for_any_decoder() -> None:
    data = pack(RAMP, codec="zstd").join()
    at = data.index(CHUNK.pack(ZSTD, 0, 0, 8, 1 << 20, 0, 0)[:8])
    assert CHUNK.unpack_from(data, at)[4] == 1 << 20
