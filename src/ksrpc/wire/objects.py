"""Items of object arrays and of columns of text, in the shape that suits them.

Rules: "list" holds any values; "dict" holds distinct texts and one small code an item; "text" holds a buffer with one
flat MessagePack array of texts and nils. None, NaN, NaT and NA stay the very objects they are: only str and None
leave the list.

Source: docs/spec/wire.md "Items".
"""

from __future__ import annotations

from types import NoneType
from typing import Any, Final

import msgspec
import numpy as np

from ksrpc.errors import DecodeError
from ksrpc.wire.codec import encode_plain
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.registry import Refusal

__all__ = ["read_objects", "read_texts", "write_objects", "write_texts"]

_TEXTS: Final = frozenset({str, NoneType})
_CODES: Final[dict[int, np.dtype[Any]]] = {1: np.dtype("u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}
_decode_texts: Final = msgspec.msgpack.Decoder(list[str | None]).decode
#: Below this neither a dictionary nor a buffer of its own pays.
_FEW: Final = 64


def write_objects(encoder: Encoder, array: np.ndarray[Any, Any]) -> list[Any]:
    """Encode all items, in C order, after the tag's own parts."""
    if array.size > encoder.table.limits.range_level:
        raise Refusal(f"an array of {array.size} objects")
    encoder.keep(array)
    items: list[Any] = array.reshape(-1).tolist()
    if len(items) >= _FEW and not encoder.strict and _TEXTS.issuperset(map(type, items)):
        return write_texts(encoder, items)
    try:
        return ["list", encoder.items(items)]
    except Refusal as refusal:
        raise _place(refusal, array.shape) from None


def _place(refusal: Refusal, shape: tuple[int, ...]) -> Refusal:
    """Tell an item of an array of several dimensions by its place in all of them."""
    if refusal.steps and len(shape) != 1:
        number = int(refusal.steps[-1][1:-1])
        refusal.steps[-1] = f"[{', '.join(map(str, np.unravel_index(number, shape))) or '()'}]"
    return refusal


def write_texts(encoder: Encoder, items: list[Any]) -> list[Any]:
    """Encode items of which each is exactly str or None."""
    if encoder.strict or len(items) < _FEW:
        return ["list", encoder.items(items)]
    if _is_repetitive(items):
        return _write_dictionary(encoder, items)
    data = encode_plain(items)
    if len(data) <= encoder.table.limits.inline_bytes:
        return ["list", items]
    return ["text", encoder.buffer(data)]


def _is_repetitive(items: list[Any]) -> bool:
    """Judge by a contiguous quarter: a stride would step over repetition."""
    quarter = items[len(items) // 4 : len(items) // 2]
    return len(set(quarter)) * 4 <= len(quarter)


def _write_dictionary(encoder: Encoder, items: list[Any]) -> list[Any]:
    uniques = list(dict.fromkeys(items))
    numbers = {text: number for number, text in enumerate(uniques)}
    width = 1 if len(uniques) <= 1 << 8 else 2 if len(uniques) <= 1 << 16 else 4
    codes = np.fromiter(map(numbers.__getitem__, items), _CODES[width], count=len(items))
    return ["dict", encoder.items(uniques), width, encoder.buffer(codes.view(np.uint8).data, item_bytes=1)]


def read_objects(decoder: Decoder, count: int, kind: Any, *parts: Any) -> np.ndarray[Any, Any]:
    """Decode `count` items into an object array of one dimension."""
    if kind == "list":
        return _array(decoder.expect(parts[0], list), count)
    return read_texts(decoder, count, kind, *parts)


def read_texts(decoder: Decoder, count: int, kind: Any, *parts: Any) -> np.ndarray[Any, Any]:
    """Decode `count` items of which each must be str or None."""
    if kind == "dict":
        return _read_dictionary(decoder, count, *parts)
    if kind == "text":
        items = _read_flat(decoder, count, *parts)
    elif kind == "list":
        items = decoder.expect(parts[0], list)
    else:
        raise DecodeError("items of unknown kind")
    _check_texts(items)
    return _array(items, count)


def _array(items: list[Any], count: int) -> np.ndarray[Any, Any]:
    if len(items) != count:
        raise DecodeError("an array whose shape does not fit its items")
    made: np.ndarray[Any, Any] = np.fromiter(items, dtype=object, count=count)
    return made


def _check_texts(items: list[Any]) -> None:
    if not _TEXTS.issuperset(map(type, items)):
        raise DecodeError("a column of text with something else in it")


def _read_flat(decoder: Decoder, count: int, data: Any) -> list[Any]:
    memory = memoryview(decoder.take(data))
    decoder.spend(count)
    if _told_length(memory) != count:
        raise DecodeError("an array whose shape does not fit its items")
    return _decode_texts(memory)


def _told_length(memory: memoryview) -> int:
    """Return the length that a MessagePack array begins with; 0 if it begins with something else."""
    first = memory[0]
    if first in (0xDC, 0xDD):
        return int.from_bytes(memory[1 : 3 if first == 0xDC else 5], "big")
    return first & 0x0F if first & 0xF0 == 0x90 else 0


def _read_dictionary(decoder: Decoder, count: int, uniques: Any, width: Any, data: Any) -> np.ndarray[Any, Any]:
    _check_texts(decoder.expect(uniques, list))
    dtype = _CODES[decoder.integer(width, 1, 4)]
    decoder.spend(count)
    codes: np.ndarray[Any, Any] = np.frombuffer(decoder.take(data), dtype)
    if len(codes) != count:
        raise DecodeError("an array whose shape does not fit its items")
    if count and int(codes.max()) >= len(uniques):
        raise DecodeError("a code without a text")
    made: np.ndarray[Any, Any] = _array(uniques, len(uniques))[codes]
    return made
