"""Arrays, scalars and data types of numpy; the memory of a contiguous array goes out as it lies.

Rules: the shape is multiplied in Python's integers and must fit the bytes exactly; truth values are 0 or 1 and
characters are code points, for numpy checks neither; object arrays are encoded item by item, never as memory.

Source: docs/spec/wire.md "Arrays".
"""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.dtype import describe_dtype, resolve_dtype, zero_padding
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.objects import read_objects, write_objects
from ksrpc.wire.registry import READERS, WRITERS, Refusal

__all__ = ["write_plain_array"]

_SHUFFLED: Final = "iufcmM"
_OBJECT: Final = "|O"
#: Looking at so many bytes of an array costs what one item costs.
_BYTES_PER_ITEM: Final = 64


def _write_array(encoder: Encoder, value: np.ndarray[Any, Any]) -> Any:
    known = encoder.known(value)
    if known:
        return known
    letter = value.dtype.char
    if letter == "O":
        made = [encoder.mark(tag.OBJECT_ARRAY), list(value.shape), *write_objects(encoder, value)]
    elif letter == "T" or (letter == "V" and value.dtype.type is np.record):
        from ksrpc.wire.subarray import UNUSUAL  # noqa: PLC0415  # it needs this module

        made = UNUSUAL[letter](encoder, value)
    else:
        made = write_plain_array(encoder, value)
        encoder.made -= 1
    encoder.count(value)
    return made


def write_plain_array(encoder: Encoder, value: np.ndarray[Any, Any]) -> list[Any]:
    """Encode an array that nobody but this encoder may refer to; it counts as made."""
    dtype = describe_dtype(value.dtype)
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    data = encoder.buffer(_memory(encoder, value, order), item_bytes=_item_bytes(value.dtype))
    encoder.count()
    return [encoder.mark(tag.ARRAY), dtype, list(value.shape), order, data]


def _item_bytes(dtype: np.dtype[Any]) -> int:
    return dtype.itemsize if dtype.kind in _SHUFFLED else 1


def _memory(encoder: Encoder, value: np.ndarray[Any, Any], order: str) -> bytes | memoryview:
    if value.nbytes == 0:
        return b""
    if value.nbytes > encoder.table.limits.message_bytes:
        raise Refusal(f"an array of {value.nbytes} bytes: more than {encoder.table.limits.message_bytes}")
    clean = zero_padding(value.T if order == "F" else value)
    flat = np.ascontiguousarray(clean).reshape(-1)
    encoder.keep(flat)
    return flat.view(np.uint8).data


def _read_array(decoder: Decoder, text: Any, shape: Any, order: Any, data: Any) -> np.ndarray[Any, Any]:
    limits = decoder.table.limits
    dtype = resolve_dtype(text, limits)
    sizes = _shape(decoder, shape)
    count = prod(sizes)
    if count > (limits.elements if dtype.itemsize else limits.range_level):
        raise TooLargeError(f"an array of {count} items")
    memory = memoryview(decoder.take(data))
    if len(memory) != count * dtype.itemsize:
        raise DecodeError("an array whose shape does not fit its bytes")
    if order not in ("C", "F"):
        raise DecodeError("an array of unknown order")
    array: np.ndarray[Any, Any] = np.ndarray(sizes, dtype, memory, order=order)
    _check_overlap(decoder, array)
    _check_items(array)
    decoder.made.append(array)
    return array


def _shape(decoder: Decoder, shape: Any) -> list[int]:
    sizes = [decoder.integer(size, 0, 1 << 62) for size in decoder.expect(shape, list)]
    if len(sizes) > decoder.table.limits.ndim:
        raise TooLargeError(f"an array of {len(sizes)} dimensions")
    return sizes


def _check_overlap(decoder: Decoder, array: np.ndarray[Any, Any]) -> None:
    """Count what fields that lie over one another have beyond the memory: they are looked at one by one."""
    if array.dtype.names is not None:
        spare = _field_bytes(array.dtype) - array.dtype.itemsize
        if spare > 0:
            decoder.spend(spare * array.size // _BYTES_PER_ITEM)


def _field_bytes(dtype: np.dtype[Any]) -> int:
    if dtype.subdtype is not None:
        return _field_bytes(dtype.subdtype[0]) * prod(dtype.subdtype[1])
    if dtype.names is None or dtype.fields is None:
        return dtype.itemsize
    return sum(_field_bytes(dtype.fields[name][0]) for name in dtype.names)


def _check_items(array: np.ndarray[Any, Any]) -> None:
    """Refuse bit patterns that numpy takes for granted."""
    dtype = array.dtype
    if dtype.kind in "biufcmMSV" and dtype.names is None and dtype.subdtype is None and dtype.kind != "b":
        return
    if dtype.names is not None:
        for name in dtype.names:
            _check_items(array[name])
    elif dtype.kind == "b" and array.size and array.view(np.uint8).max() > 1:
        raise DecodeError("a truth value that is neither 0 nor 1")
    elif dtype.kind == "U" and array.size and dtype.itemsize:
        points = np.ascontiguousarray(array).view(np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if points.max() > 0x10FFFF:
            raise DecodeError("a character that is no code point")


def _read_object_array(decoder: Decoder, shape: Any, *parts: Any) -> np.ndarray[Any, Any]:
    sizes = _shape(decoder, shape)
    if prod(sizes) > decoder.table.limits.range_level:
        raise TooLargeError(f"an array of {prod(sizes)} objects")
    array = read_objects(decoder, prod(sizes), *parts).reshape(sizes)
    decoder.made.append(array)
    return array


def _write_scalar(encoder: Encoder, value: np.generic) -> Any:
    mark = encoder.mark(tag.NUMPY_SCALAR)
    if type(value) is np.str_:
        return [mark, "U", encoder.node("".join(value))]
    if type(value) is np.bytes_:
        return [mark, "S", encoder.node(b"".join((value,)))]
    if type(value) is np.object_ or type(value).__module__ != "numpy" or type(value) is np.record:
        raise Refusal(f"{type(value).__module__}.{type(value).__qualname__} cannot travel")
    array = np.asarray(value)
    return [mark, describe_dtype(array.dtype), encoder.buffer(_memory(encoder, array, "C"))]


def _read_scalar(decoder: Decoder, text: Any, data: Any) -> np.generic:
    if text == "U":
        return np.str_(decoder.expect(data, str))
    if text == "S":
        return np.bytes_(decoder.expect(data, bytes))
    dtype = resolve_dtype(text, decoder.table.limits)
    memory = memoryview(decoder.take(data))
    if len(memory) != dtype.itemsize:
        raise DecodeError("a scalar whose type does not fit its bytes")
    array: np.ndarray[Any, Any] = np.ndarray((), dtype, memory)
    _check_overlap(decoder, array)
    _check_items(array)
    made: Any = array[()]
    if not isinstance(made, np.generic):
        raise DecodeError("a scalar that is an array")
    return made


def _write_dtype(encoder: Encoder, value: np.dtype[Any]) -> Any:
    mark = encoder.mark(tag.NUMPY_DTYPE)
    if value.type is not np.object_:
        return [mark, describe_dtype(value)]
    if not encoder.table.trusted:
        raise Refusal(f"the data type object cannot travel in {encoder.table.name}")
    return [mark, _OBJECT]


def _read_dtype(decoder: Decoder, node: Any) -> np.dtype[Any]:
    if node == _OBJECT and decoder.table.trusted:
        return np.dtype(object)
    return resolve_dtype(node, decoder.table.limits)


WRITERS.update({np.ndarray: _write_array, np.memmap: _write_array, np.str_: _write_scalar, np.bytes_: _write_scalar})
register_base(np.generic, _write_scalar)
register_base(np.dtype, _write_dtype)
READERS.update({
    tag.ARRAY: _read_array, tag.OBJECT_ARRAY: _read_object_array, tag.NUMPY_SCALAR: _read_scalar,
    tag.NUMPY_DTYPE: _read_dtype,
})  # fmt: skip
