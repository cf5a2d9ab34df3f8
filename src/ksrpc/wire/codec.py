"""Compression of chunks, and the two codecs of heads. The only module that knows lz4 and zstandard.

Rules: a compressed chunk is inflated into exactly the size that its header declares, and that size is checked first;
a zstd frame must declare that same size, need no dictionary and a window of at most 8 MiB, and be alone.

Source: docs/spec/wire.md "Chunks".
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from ksrpc.errors import DecodeError, MissingExtraError

__all__ = ["CODECS", "Compressor", "Decompressor", "checksum", "encode_plain"]

NONE: Final = 0
LZ4: Final = 1
ZSTD: Final = 2
NUMBERS: Final = {"none": NONE, "lz4": LZ4, "zstd": ZSTD}
SHUFFLES: Final = frozenset({0, 2, 4, 8, 16})
WINDOW_BYTES: Final = 8 << 20

_SAMPLE_BYTES: Final = 10_000
_SAMPLES: Final = 5
_WORTH: Final = 0.9
_LEVEL: Final = 1
#: Doubles, 64-bit integers and times; single floats and 32-bit integers; codes of categories.
_USUAL_ITEMS: Final = (8, 4, 2)
_CURE: Final = "pip install 'ksrpc[compression]'"


def _available() -> tuple[str, ...]:
    found: tuple[str, ...] = ("none",)
    for name, module in (("lz4", "lz4"), ("zstd", "zstandard")):
        if importlib.util.find_spec(module) is not None:
            found += (name,)
    return found


#: Names of the codecs that this side can use.
CODECS: Final[tuple[str, ...]] = _available()

#: Encode what is already plain: None, bool, int, float, str, bytes, lists and dicts of these, and marks.
encode_plain: Final = msgspec.msgpack.Encoder().encode


def checksum(stored: bytes | memoryview) -> int:
    """Return the CRC-32 of a chunk's stored bytes; 0 on the wire means that nobody checked."""
    return zlib.crc32(stored)


class Compressor:
    """Compress the chunks of one message."""

    __slots__ = ("_compress", "number")

    def __init__(self, codec: str) -> None:
        if codec not in NUMBERS or codec == "none":
            raise MissingExtraError(f"unknown codec {codec!r}")
        self.number = NUMBERS[codec]
        self._compress = _lz4_compress() if self.number == LZ4 else _zstd_compress()

    def choose(self, data: bytes | memoryview, item_bytes: int) -> int | None:
        """Try a sample of a buffer.

        Args:
            data: The buffer.
            item_bytes: Size of its items; 0 = unknown: what is usual is tried.

        Returns:
            The shuffle under which it becomes smaller by a tenth or more; None if it stays as it is.
        """
        if len(data) < _SAMPLE_BYTES:
            return None
        tried = (item_bytes,) if item_bytes else _USUAL_ITEMS
        options = (0, *(size for size in tried if size in SHUFFLES and size > 1 and len(data) % size == 0))
        sample = _sample(memoryview(data), max(options) or 1)
        sizes = {shuffle: len(self.compress(sample, shuffle)) for shuffle in options}
        best = min(sizes, key=lambda shuffle: sizes[shuffle])
        return best if sizes[best] <= _WORTH * len(sample) else None

    def compress(self, part: bytes | memoryview, shuffle: int) -> bytes:
        """Shuffle and compress one part; a part that is no whole number of items must not be shuffled."""
        if shuffle:
            part = np.frombuffer(part, np.uint8).reshape(-1, shuffle).T.tobytes()
        return bytes(self._compress(part))


class Decompressor:
    """Inflate the chunks of one message, each into exactly its declared size."""

    __slots__ = ("_zstd",)

    def __init__(self) -> None:
        self._zstd: Any = None

    def inflate(self, codec: int, stored: bytes | memoryview, raw: int, *, shuffle: int) -> bytes | memoryview:
        """Return `raw` bytes.

        Raises:
            DecodeError: The stored bytes are damaged or do not make `raw` bytes.
            MissingExtraError: The codec's package is not installed.
        """
        data = self._lz4(stored, raw) if codec == LZ4 else self._inflate_zstd(stored, raw)
        if len(data) != raw:
            raise DecodeError(f"a chunk inflates to {len(data)} bytes, its header says {raw}")
        if shuffle:
            return memoryview(np.frombuffer(data, np.uint8).reshape(shuffle, -1).T.tobytes())
        return data

    @staticmethod
    def _lz4(stored: bytes | memoryview, raw: int) -> bytes:
        block = _lz4_block()
        try:
            return bytes(block.decompress(stored, uncompressed_size=raw))
        except block.LZ4BlockError as error:
            raise DecodeError("damaged lz4 chunk") from error

    def _inflate_zstd(self, stored: bytes | memoryview, raw: int) -> bytes:
        zstandard = _zstandard()
        try:
            frame = zstandard.get_frame_parameters(stored)
            if frame.content_size != raw or frame.window_size > WINDOW_BYTES or frame.dict_id:
                raise DecodeError("a zstd chunk whose frame does not fit its header")
            if self._zstd is None:
                self._zstd = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
            # In one shot: the output is exactly as large as the frame says, whatever its blocks hold. A streaming
            # inflater checks that size only at the end.
            return bytes(self._zstd.decompress(stored, allow_extra_data=False))
        except zstandard.ZstdError as error:
            raise DecodeError("damaged zstd chunk, or more than one frame") from error


def _sample(view: memoryview, item_bytes: int) -> memoryview:
    if len(view) <= _SAMPLES * _SAMPLE_BYTES:
        return view[: len(view) - len(view) % item_bytes]
    size = _SAMPLE_BYTES - _SAMPLE_BYTES % item_bytes
    step = (len(view) - size) // (_SAMPLES - 1)
    step -= step % item_bytes
    parts: Sequence[memoryview] = [view[i * step : i * step + size] for i in range(_SAMPLES)]
    return memoryview(b"".join(parts))


def _lz4_block() -> Any:
    try:
        import lz4.block  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(f"lz4 is not installed: {_CURE}") from error
    return lz4.block


def _zstandard() -> Any:
    try:
        import zstandard  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(f"zstandard is not installed: {_CURE}") from error
    return zstandard


def _lz4_compress() -> Any:
    block = _lz4_block()
    return lambda part: block.compress(part, store_size=False)


def _zstd_compress() -> Any:
    return _zstandard().ZstdCompressor(level=_LEVEL, write_content_size=True, write_checksum=False).compress
