"""Sparse columns of pandas: the values that are there, where they are, and the one that stands for all others.

Rules: places are checked here, for pandas reads and writes wherever they point; what a column would be when it is
unfolded is bounded, though nothing unfolds it.

Source: docs/spec/wire.md "Extension arrays".
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ksrpc.errors import DecodeError
from ksrpc.wire.array import write_plain_array
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.objects import write_objects
from ksrpc.wire.tabular.column import read_column
from ksrpc.wire.tabular.extension import ARRAY_READERS, ARRAY_WRITERS
from ksrpc.wire.tabular.library import pd

__all__: list[str] = []

_EMPTY: Final = np.zeros(0)
_PLACES: Final[Any] = type(pd.arrays.SparseArray(_EMPTY, kind="integer").sp_index)
_BLOCKS: Final[Any] = type(pd.arrays.SparseArray(_EMPTY, kind="block").sp_index)
_Array = np.ndarray[Any, Any]


def _write(encoder: Encoder, array: Any) -> list[Any]:
    index = array.sp_index
    is_block = type(index) is _BLOCKS
    places = [index.blocs, index.blengths] if is_block else [index.indices]
    told = [write_plain_array(encoder, np.asarray(part)) for part in places]
    values = _write_values(encoder, np.asarray(array.sp_values))
    kind = "block" if is_block else "integer"
    return ["sparse", values, encoder.node(array.fill_value), index.length, kind, *told]


def _write_values(encoder: Encoder, values: _Array) -> Any:
    if values.dtype == object:
        return [len(values), *write_objects(encoder, values)]
    return write_plain_array(encoder, values)


def _read(decoder: Decoder, node: Any, fill: Any, length: Any, kind: Any, *parts: Any) -> Any:
    limits = decoder.table.limits
    values = read_column(decoder, node)
    if not isinstance(values, np.ndarray):
        raise DecodeError("a sparse array of the wrong values")
    size = decoder.integer(length, 0, limits.elements - 1)
    if not decoder.table.trusted:
        decoder.spend(size)
    places = [_places(part) for part in parts]
    if kind == "integer":
        index = _PLACES(size, *_checked(places, size))
    elif kind == "block":
        index = _BLOCKS(size, *_checked_blocks(places, size))
    else:
        raise DecodeError("a sparse array of unknown kind")
    if index.npoints != len(values):
        raise DecodeError("a sparse array whose places do not fit its values")
    # Its constructor takes places no longer, `from_indices` changes objects and blocks: this is all that is left.
    return pd.arrays.SparseArray._simple_new(values, index, pd.SparseDtype(values.dtype, fill))


def _places(node: Any) -> _Array:
    if type(node) is not np.ndarray or node.dtype != np.int32 or node.ndim != 1:
        raise DecodeError("a sparse array whose places cannot be")
    return node


def _checked(places: list[_Array], size: int) -> list[_Array]:
    (found,) = places
    if len(found) and (found[0] < 0 or found[-1] >= size or (found[1:] <= found[:-1]).any()):
        raise DecodeError("a sparse array whose places cannot be")
    return places


def _checked_blocks(places: list[_Array], size: int) -> list[_Array]:
    starts, lengths = (part.astype(np.int64) for part in places)
    if len(starts) != len(lengths) or (lengths < 1).any():
        raise DecodeError("a sparse array whose blocks cannot be")
    ends = starts + lengths
    if len(starts) and (starts[0] < 0 or ends[-1] > size or (starts[1:] < ends[:-1]).any()):
        raise DecodeError("a sparse array whose blocks cannot be")
    return places


ARRAY_WRITERS[pd.SparseDtype] = _write
ARRAY_READERS["sparse"] = _read
