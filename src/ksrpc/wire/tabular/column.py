"""One column of pandas data, whatever holds it: memory of numpy, objects, or an extension array.

Source: docs/spec/wire.md "Columns".
"""

from __future__ import annotations

from collections import Counter
from types import NoneType
from typing import Any

import numpy as np

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire.array import write_plain_array
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.objects import read_objects, write_objects
from ksrpc.wire.registry import Refusal
from ksrpc.wire.tabular.library import UNITS, pd

__all__ = ["check_labels", "expect_index", "read_column", "unfold", "write_column"]

#: So many labels of one hash cost nothing yet.
_FEW = 64


def write_column(encoder: Encoder, holder: Any) -> Any:
    """Encode the data of a Series or Index."""
    if not isinstance(holder.dtype, np.dtype):
        return encoder.node(holder.array)
    values = holder.to_numpy()
    if values.dtype == object:
        return [len(values), *write_objects(encoder, values)]
    if values.dtype.kind not in "biufcmM":
        raise Refusal(f"a column of {values.dtype} cannot travel")
    return write_plain_array(encoder, values)


def read_column(decoder: Decoder, node: Any, *, ndim: int = 1) -> Any:
    """Return the array that a part of the head stands for: of numpy with `ndim` dimensions, or of pandas."""
    if type(node) is list:
        if not node:
            raise DecodeError("a column without parts")
        return read_objects(decoder, decoder.integer(node[0], 0, decoder.table.limits.range_level), *node[1:])
    if type(node) is np.ndarray:
        if node.ndim != ndim or node.dtype.kind not in "biufcmM":
            raise DecodeError("a column of a kind that pandas does not hold")
        if node.dtype.kind in "mM" and np.datetime_data(node.dtype) not in _PANDAS_UNITS:
            raise DecodeError("a column of a unit that pandas does not hold")
        if not decoder.claim(node):
            raise DecodeError("memory that stands in two columns")
        return node
    if not isinstance(node, pd.api.extensions.ExtensionArray):
        raise DecodeError("a column of the wrong type")
    return node


_PANDAS_UNITS = frozenset((unit, 1) for unit in UNITS)


def expect_index(node: Any) -> Any:
    """Check that a part is a decoded Index."""
    if not isinstance(node, pd.Index):
        raise DecodeError("an index of the wrong type")
    return node


def unfold(decoder: Decoder, index: Any) -> Any:
    """Count an Index whose values are needed: one that is a range, or came before, cost nothing on the wire."""
    if isinstance(expect_index(index), pd.RangeIndex) and len(index) > decoder.table.limits.range_level:
        raise TooLargeError(f"a RangeIndex of {len(index)} items where its values are needed")
    if not decoder.claim(index) or isinstance(index, pd.RangeIndex):
        decoder.spend(len(index))
    return index


def check_labels(index: Any) -> None:
    """Refuse labels made so that their hashes collide, where pandas is about to look whether each is there once.

    Raises:
        DecodeError: More than a few different ones have one hash.
    """
    if index.dtype != object or len(index) <= _FEW or isinstance(index, pd.MultiIndex):
        return
    labels = index.to_numpy()
    if {str, NoneType}.issuperset(map(type, labels)):
        return
    counts = Counter(map(hash, labels))
    crowded: dict[int, list[Any]] = {number: [] for number, count in counts.items() if count > _FEW}
    for label in labels if crowded else ():
        different = crowded.get(hash(label))
        if different is not None and label not in different:
            different.append(label)
            if len(different) > _FEW:
                raise DecodeError("labels whose hashes collide")
