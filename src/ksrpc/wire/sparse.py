"""Sparse matrices and arrays of scipy, as the plain arrays they are made of.

Rules: whatever arrives is checked in full before anybody computes with it, for scipy's compiled code writes wherever an
index points; index types stay what they were; sides cost nothing on the wire and are bounded.

Source: docs/spec/wire.md "Sparse matrices".
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ksrpc.errors import DecodeError, MissingExtraError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.array import write_plain_array
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.feature import CURES
from ksrpc.wire.registry import READERS, WRITERS, Refusal

try:
    import scipy.sparse as sp
except ImportError as error:
    raise MissingExtraError(f"this value needs scipy: {CURES['scipy']}") from error

__all__: list[str] = []

_COMPRESSED: Final = ("csr", "csc", "bsr")
_FORMATS: Final = (*_COMPRESSED, "coo", "dia", "lil", "dok")
_KINDS: Final = "biufc"
_Array = np.ndarray[Any, Any]


def _write(encoder: Encoder, value: Any) -> Any:
    mark = encoder.mark(tag.SPARSE)
    if value.dtype.kind not in _KINDS:
        raise Refusal(f"a sparse array of {value.dtype} cannot travel")
    parts = [write_plain_array(encoder, part) for part in _PARTS[value.format](value)]
    return [mark, value.format, isinstance(value, sp.sparray), list(map(int, value.shape)), parts]


def _compressed_parts(value: Any) -> list[_Array]:
    return [value.data, value.indices, value.indptr]


def _coordinate_parts(value: Any) -> list[_Array]:
    return [value.data, *value.coords]


def _list_parts(value: Any) -> list[_Array]:
    return _compressed_parts(value.tocsr())


def _key_parts(value: Any) -> list[_Array]:
    keys: _Array = np.array(list(value.keys()), np.int64).reshape(len(value.keys()), value.ndim)
    return [np.fromiter(value.values(), value.dtype, len(keys)), *np.ascontiguousarray(keys.T)]


_PARTS: Final[dict[str, Any]] = {
    **dict.fromkeys(_COMPRESSED, _compressed_parts),
    "coo": _coordinate_parts,
    "dia": lambda value: [value.data, value.offsets],
    "lil": _list_parts,
    "dok": _key_parts,
}


def _read(decoder: Decoder, kind: Any, is_array: Any, shape: Any, parts: Any) -> Any:
    sides = _shape(decoder, shape)
    data, *indexes = [_part(decoder, part) for part in decoder.expect(parts, list)]
    if data.dtype.kind not in _KINDS or not {np.dtype("i4"), np.dtype("i8")}.issuperset(part.dtype for part in indexes):
        raise DecodeError("a sparse array of the wrong types")
    if kind not in _FORMATS or any(part.ndim != 1 for part in indexes):
        raise DecodeError("a sparse array that cannot be")
    make = _READERS[kind]
    family = "array" if decoder.expect(is_array, bool) else "matrix"
    if kind == "lil":
        decoder.spend(sides[0])
    return make(kind, family, sides, data, indexes)


def _shape(decoder: Decoder, shape: Any) -> tuple[int, ...]:
    limits = decoder.table.limits
    longest = limits.elements if decoder.table.trusted else limits.range_level
    sides = tuple(decoder.integer(side, 0, 1 << 62) for side in decoder.expect(shape, list))
    if not 1 <= len(sides) <= limits.ndim:
        raise DecodeError("a sparse array without a shape")
    if max(sides) > longest:
        raise TooLargeError(f"a sparse array whose side is {max(sides)}, the limit is {longest}")
    return sides


def _part(decoder: Decoder, node: Any) -> _Array:
    part: _Array = decoder.expect(node, np.ndarray)
    if not decoder.claim(part):
        raise DecodeError("memory that stands in two places")
    return part


def _make_compressed(kind: str, family: str, sides: tuple[int, ...], data: _Array, indexes: list[_Array]) -> Any:
    indices, indptr = indexes
    made = getattr(sp, f"{kind}_{family}")((data, indices, indptr), shape=sides)
    made.check_format(full_check=True)
    made.indices, made.indptr = indices, indptr  # scipy makes the indices narrower where it can
    return made


def _make_coordinates(_kind: str, family: str, sides: tuple[int, ...], data: _Array, indexes: list[_Array]) -> Any:
    if data.ndim != 1 or len(indexes) != len(sides):
        raise DecodeError("a sparse array whose coordinates do not fit its shape")
    for part, side in zip(indexes, sides, strict=True):
        if len(part) != len(data) or (len(part) and not 0 <= int(part.min()) <= int(part.max()) < side):
            raise DecodeError("a sparse array with an item outside of it")
    made = getattr(sp, f"coo_{family}")((data, tuple(indexes)), shape=sides)
    made.coords = tuple(indexes)
    return made


def _make_diagonals(_kind: str, family: str, sides: tuple[int, ...], data: _Array, indexes: list[_Array]) -> Any:
    (offsets,) = indexes
    if data.ndim != 2 or len(sides) != 2 or len(offsets) != len(data):
        raise DecodeError("a sparse array whose diagonals do not fit it")
    made = getattr(sp, f"dia_{family}")((data, offsets), shape=sides)
    made.offsets = offsets
    return made


def _make_lists(_kind: str, family: str, sides: tuple[int, ...], data: _Array, indexes: list[_Array]) -> Any:
    return _make_compressed("csr", family, sides, data, indexes).tolil()


def _make_keys(_kind: str, family: str, sides: tuple[int, ...], data: _Array, indexes: list[_Array]) -> Any:
    return _make_coordinates("coo", family, sides, data, indexes).todok()


_READERS: Final[dict[str, Any]] = {
    **dict.fromkeys(_COMPRESSED, _make_compressed),
    "coo": _make_coordinates,
    "dia": _make_diagonals,
    "lil": _make_lists,
    "dok": _make_keys,
}

for _format in _FORMATS:
    for _family in ("array", "matrix"):
        WRITERS[getattr(sp, f"{_format}_{_family}")] = _write
READERS[tag.SPARSE] = _read
