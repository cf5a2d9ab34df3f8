"""Digests of arrays: the items in C order, wherever and however they lie.

Rules: memory that lies in order is not copied, other memory in pieces; every NaN counts as one and the same; the sign
of zero counts.

Source: docs/spec/key.md "Arrays".
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import msgspec
import numpy as np

from ksrpc.wire.dtype import describe_dtype

__all__ = ["digest_array", "feed"]

_PIECE_ITEMS: Final = 1 << 17
_Array = np.ndarray[Any, Any]
_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode


def digest_array(array: _Array) -> bytes:
    """Return the SHA-256 of data type, shape and items."""
    hasher = sha256(_encode([describe_dtype(array.dtype), list(array.shape)]))
    feed(hasher, array)
    return hasher.digest()


def feed(hasher: Any, array: _Array) -> None:
    """Let a hasher read all items of an array in C order."""
    if array.nbytes == 0:
        return
    settle = _SETTLERS.get(array.dtype.kind) if array.dtype.itemsize in (2, 4, 8, 16) else None
    for piece in _pieces(array, is_whole=settle is None):
        flat = piece.reshape(-1)
        hasher.update((flat if settle is None else settle(flat)).view(np.uint8))


def _pieces(array: _Array, *, is_whole: bool) -> Iterator[_Array]:
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        step = flat.size if is_whole else _PIECE_ITEMS
        yield from (flat[start : start + step] for start in range(0, flat.size, step))
        return
    row = array.size // len(array)
    if row > _PIECE_ITEMS and array.ndim > 1:
        for part in array:
            yield from _pieces(part, is_whole=is_whole)
        return
    step = max(1, _PIECE_ITEMS // row)
    yield from (np.ascontiguousarray(array[start : start + step]) for start in range(0, len(array), step))


def _settle_floats(flat: _Array) -> _Array:
    missing = np.isnan(flat)
    if not missing.any():
        return flat
    settled = flat.copy()
    settled[missing] = np.nan
    return settled


def _settle_complex(flat: _Array) -> _Array:
    half = flat.dtype.itemsize // 2
    return _settle_floats(flat.view(f"{flat.dtype.byteorder}f{half}"))


#: Kind of numpy → how its NaNs become one.
_SETTLERS: Final = {"f": _settle_floats, "c": _settle_complex}
