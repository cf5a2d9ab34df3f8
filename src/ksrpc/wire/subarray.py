"""Arrays of numpy that are more than memory: masked ones, matrices, records by attribute, texts of any length.

Rules: each is an array of this format and what it has beyond; it counts as one object for `ref`, after the arrays
inside it.

Source: docs/spec/wire.md "Kinds of arrays".
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any, Final

import numpy as np

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.array import write_plain_array
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.objects import read_texts, write_objects, write_texts
from ksrpc.wire.registry import READERS, WRITERS, Refusal

__all__: list[str] = []

_Array = np.ndarray[Any, Any]
_StringDType: Final[Any] = getattr(getattr(np, "dtypes", None), "StringDType", None)
_RECORDS: Final = ("array", "recarray", "scalar")


def _counted(write: Any) -> Any:
    """Make a writer of one that knows nothing of references."""

    def writer(encoder: Encoder, value: Any) -> Any:
        known = encoder.known(value)
        if known:
            return known
        made = write(encoder, value)
        encoder.count(value)
        return made

    return writer


def _inner(encoder: Encoder, value: _Array) -> Any:
    """Encode an array that stands inside another one, and that nothing else refers to."""
    encoder.keep(value)
    if value.dtype != object:
        return write_plain_array(encoder, value)
    made = [encoder.mark(tag.OBJECT_ARRAY), list(value.shape), *write_objects(encoder, value)]
    encoder.count()
    return made


def _own(decoder: Decoder, array: Any) -> _Array:
    """Take an array whose memory is part of no other value."""
    if not decoder.claim(decoder.expect(array, np.ndarray)):
        raise DecodeError("an array that is part of two values")
    return array  # type: ignore[no-any-return]


def _fits(fill: Any, dtype: np.dtype[Any]) -> bool:
    """Say whether a fill value is one item of a data type, so that numpy has nothing to convert."""
    if dtype.kind == "O":
        return fill is None or isinstance(fill, bool | int | float | complex | str | bytes | np.generic)
    if not isinstance(fill, np.generic) or type(fill) is not dtype.type:
        return False
    return dtype.kind in "SU" or np.can_cast(fill.dtype, dtype, "equiv")


def _is_default(fill: Any, dtype: np.dtype[Any]) -> bool:
    return fill is None and dtype.kind in "SU"


def _write_masked(encoder: Encoder, value: Any) -> Any:
    mark = encoder.mark(tag.MASKED_ARRAY)
    if value.baseclass is not np.ndarray:
        raise Refusal(f"a masked array over {value.baseclass.__qualname__} cannot travel")
    fill = value.fill_value
    if value.dtype.kind in "SU" and fill == np.ma.default_fill_value(value):
        fill = None  # it may be wider than the data type
    elif value.dtype != object:
        fill = np.asarray(fill).astype(value.dtype)[()]
    if not _is_default(fill, value.dtype) and not _fits(fill, value.dtype):
        raise Refusal("a masked array with a fill value of another type cannot travel")
    data = _inner(encoder, np.asarray(value.data))
    mask = None if value.mask is np.ma.nomask else _inner(encoder, np.asarray(value.mask))
    return [mark, data, mask, encoder.node(fill), bool(value.hardmask)]


def _write_masked_constant(encoder: Encoder, _value: Any) -> Any:
    return [encoder.mark(tag.MASKED_ARRAY)]


def _read_masked(decoder: Decoder, *parts: Any) -> Any:
    if not parts:
        return np.ma.masked
    data, mask, fill, is_hard = parts
    _own(decoder, data)
    is_default = _is_default(fill, data.dtype)
    if not is_default and not _fits(fill, data.dtype):
        raise DecodeError("a fill value that does not fit its array")
    if mask is not None:
        _own(decoder, mask)
        if mask.shape != data.shape or mask.dtype != np.ma.make_mask_descr(data.dtype):
            raise DecodeError("a mask that does not fit its array")
    made: Any = np.ma.MaskedArray(
        data, np.ma.nomask if mask is None else mask, copy=False, hard_mask=decoder.expect(is_hard, bool)
    )
    if not is_default:
        made.fill_value = fill
    return decoder.add(made)


def _write_matrix(encoder: Encoder, value: Any) -> Any:
    return [encoder.mark(tag.MATRIX), _inner(encoder, value.view(np.ndarray))]


def _read_matrix(decoder: Decoder, array: Any) -> Any:
    if _own(decoder, array).ndim != 2:
        raise DecodeError("a matrix that has not two dimensions")
    return decoder.add(array.view(np.matrix))


def write_records(encoder: Encoder, value: Any, kind: str) -> Any:
    """Encode what has the data type of `numpy.record`."""
    mark = encoder.mark(tag.RECARRAY)
    array = np.asarray(value)
    if array.dtype.names is None:
        raise Refusal("a recarray without fields cannot travel")
    return [mark, kind, _inner(encoder, array.view(np.dtype((np.void, array.dtype))))]


def _write_recarray(encoder: Encoder, value: Any) -> Any:
    return write_records(encoder, value, "recarray")


def _write_record(encoder: Encoder, value: Any) -> Any:
    return write_records(encoder, value, "scalar")


def _read_recarray(decoder: Decoder, kind: Any, array: Any) -> Any:
    if kind not in _RECORDS or _own(decoder, array).dtype.names is None:
        raise DecodeError("records that cannot be")
    made: Any = array.view(np.dtype((np.record, array.dtype)))
    if kind == "scalar":
        if made.ndim:
            raise DecodeError("a record that is an array")
        return made[()]
    return decoder.add(made if kind == "array" else made.view(np.recarray))


def write_strings(encoder: Encoder, value: _Array) -> Any:
    """Encode an array of StringDType. Missing texts are nil, and what stands for them is told once."""
    mark = encoder.mark(tag.STRING_ARRAY)
    if value.size > encoder.table.limits.range_level:
        raise Refusal(f"an array of {value.size} texts")
    dtype: Any = value.dtype
    missing = [encoder.node(dtype.na_object)] if hasattr(dtype, "na_object") else []
    items = value.astype(object).reshape(-1).tolist()
    if {str} != set(map(type, items)):
        items = [item if type(item) is str else None for item in items]
    return [mark, list(value.shape), missing, bool(dtype.coerce), *write_texts(encoder, items)]


def _read_strings(decoder: Decoder, shape: Any, missing: Any, is_coerced: Any, *items: Any) -> _Array:
    limits = decoder.table.limits
    sizes = [decoder.integer(size, 0, 1 << 62) for size in decoder.expect(shape, list)]
    if len(sizes) > limits.ndim or prod(sizes) > limits.range_level:
        raise TooLargeError(f"an array of {prod(sizes)} texts")
    if len(decoder.expect(missing, list)) > 1 or type(is_coerced) is not bool:
        raise DecodeError("an array of texts that cannot be")
    texts = read_texts(decoder, prod(sizes), *items)
    blanks = np.fromiter((text is None for text in texts), bool, count=len(texts))
    if blanks.any():
        if not missing:
            raise DecodeError("an array of texts that lacks one")
        texts[blanks] = missing * int(blanks.sum())
    made: _Array = _strings(texts, missing, is_coerced).reshape(sizes)
    return decoder.add(made)  # type: ignore[no-any-return]


def _strings(texts: _Array, missing: list[Any], is_coerced: bool) -> _Array:
    if _StringDType is None:
        return texts
    told = {"na_object": missing[0]} if missing else {}
    made: _Array = np.array(texts, dtype=_StringDType(coerce=is_coerced, **told))
    return made


WRITERS.update({
    np.ma.MaskedArray: _counted(_write_masked), type(np.ma.masked): _write_masked_constant,
    np.matrix: _counted(_write_matrix), np.recarray: _counted(_write_recarray), np.record: _write_record,
})  # fmt: skip
READERS.update({
    tag.MASKED_ARRAY: _read_masked, tag.MATRIX: _read_matrix, tag.RECARRAY: _read_recarray,
    tag.STRING_ARRAY: _read_strings,
})  # fmt: skip
#: Letter of a data type → writer of plain arrays that have it.
UNUSUAL: Final[dict[str, Any]] = {"T": write_strings, "V": partial(write_records, kind="array")}
