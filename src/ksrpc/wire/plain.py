"""Plain Python values that MessagePack lacks: big numbers, bytes of all kinds, texts, ranges.

Source: docs/spec/wire.md "Plain values".
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from fractions import Fraction
from types import EllipsisType, NotImplementedType
from typing import Any, Final

import numpy as np

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.registry import READERS, WRITERS, Refusal

__all__: list[str] = []

#: Item formats of a memoryview, by what numpy calls them; native sizes of "l" differ between systems.
_FORMATS: Final = {
    "|b1": "?", "|i1": "b", "|u1": "B", "<i2": "h", "<u2": "H", "<i4": "i", "<u4": "I", "<i8": "q", "<u8": "Q",
    "<f2": "e", "<f4": "f", "<f8": "d", "|S1": "c",
}  # fmt: skip


def _write_bytes(encoder: Encoder, value: bytes) -> Any:
    if len(value) <= encoder.table.limits.inline_bytes:
        return value
    return [encoder.mark(tag.BYTES), encoder.buffer(value)]


def _write_bytearray(encoder: Encoder, value: bytearray) -> Any:
    return [encoder.mark(tag.BYTEARRAY), encoder.buffer(memoryview(value))]


def _write_memoryview(encoder: Encoder, value: memoryview) -> Any:
    try:
        array = np.asarray(value)
    except (ValueError, NotImplementedError):
        raise Refusal(f"a memoryview of format {value.format!r} cannot travel") from None
    text = array.dtype.newbyteorder("<").str
    if array.size == 0 and array.ndim != 1:
        raise Refusal("a memoryview of several dimensions without items cannot travel")
    if text not in _FORMATS or array.dtype.str != text:
        raise Refusal(f"a memoryview of format {value.format!r} cannot travel")
    return [encoder.mark(tag.MEMORYVIEW), text, list(value.shape or ()), encoder.buffer(value.tobytes())]


def _write_complex(encoder: Encoder, value: complex) -> Any:
    return [encoder.mark(tag.COMPLEX), value.real, value.imag]


def _write_decimal(encoder: Encoder, value: Decimal) -> Any:
    text = str(value)
    if len(text) > encoder.table.limits.decimal_chars:
        raise Refusal(f"a Decimal of more than {encoder.table.limits.decimal_chars} characters")
    return [encoder.mark(tag.DECIMAL), text]


def _write_fraction(encoder: Encoder, value: Fraction) -> Any:
    return [encoder.mark(tag.FRACTION), encoder.node(value.numerator), encoder.node(value.denominator)]


def _write_uuid(encoder: Encoder, value: uuid.UUID) -> Any:
    return [encoder.mark(tag.UUID), value.bytes]


def _write_range(encoder: Encoder, value: range) -> Any:
    parts = encoder.nodes((value.start, value.stop, value.step))
    limit = encoder.table.range_items
    if limit is not None and _is_longer(value, limit):
        raise Refusal(f"a range of more than {limit} items cannot travel in {encoder.table.name}")
    return [encoder.mark(tag.RANGE), *parts]


def _write_slice(encoder: Encoder, value: slice) -> Any:
    return [encoder.mark(tag.SLICE), *encoder.nodes((value.start, value.stop, value.step))]


def _write_ellipsis(encoder: Encoder, _value: Any) -> Any:
    return [encoder.mark(tag.ELLIPSIS)]


def _write_not_implemented(encoder: Encoder, _value: Any) -> Any:
    return [encoder.mark(tag.NOT_IMPLEMENTED)]


def _read_bigint(decoder: Decoder, data: Any) -> int:
    limit = decoder.table.limits.bigint_bytes
    if len(decoder.expect(data, bytes)) > limit:
        raise TooLargeError(f"an integer of {len(data)} bytes, the limit is {limit}")
    return int.from_bytes(data, "little", signed=True)


def _read_complex(decoder: Decoder, real: Any, imag: Any) -> complex:
    return complex(decoder.expect(real, float), decoder.expect(imag, float))


def _read_bytearray(decoder: Decoder, data: Any) -> bytearray:
    return bytearray(decoder.take(data))


def _read_bytes(decoder: Decoder, data: Any) -> bytes:
    return bytes(decoder.take(data))


def _read_text(decoder: Decoder, data: Any) -> str:
    return str(decoder.take(data), "utf-8")


def _read_surrogate(decoder: Decoder, data: Any) -> str:
    return str(decoder.take(data), "utf-8", "surrogatepass")


def _read_memoryview(decoder: Decoder, text: Any, shape: Any, data: Any) -> memoryview:
    letter = _FORMATS[decoder.expect(text, str)]
    sizes = [decoder.integer(size, 0, decoder.table.limits.elements) for size in decoder.expect(shape, list)]
    if len(sizes) > decoder.table.limits.ndim:
        raise DecodeError("a memoryview of too many dimensions")
    view = memoryview(decoder.take(data)).cast("B")
    if len(sizes) == 1 and sizes[0] * np.dtype(text).itemsize == len(view):
        return view.cast(letter)  # type: ignore[call-overload,no-any-return]
    return view.cast(letter, sizes)  # type: ignore[call-overload,no-any-return]


def _read_decimal(decoder: Decoder, text: Any) -> Decimal:
    if len(decoder.expect(text, str)) > decoder.table.limits.decimal_chars:
        raise TooLargeError("a Decimal that is too long")
    value = Decimal(text)
    if str(value) != text:
        raise DecodeError("a Decimal that is not in its canonical form")
    return value


def _read_fraction(decoder: Decoder, numerator: Any, denominator: Any) -> Fraction:
    return Fraction(decoder.expect(numerator, int), decoder.expect(denominator, int))


def _read_uuid(decoder: Decoder, data: Any) -> uuid.UUID:
    return uuid.UUID(bytes=decoder.expect(data, bytes))


def _read_range(decoder: Decoder, start: Any, stop: Any, step: Any) -> range:
    value = range(*(decoder.expect(part, int) for part in (start, stop, step)))
    limit = decoder.table.range_items
    if limit is not None and _is_longer(value, limit):
        raise TooLargeError(f"a range of more than {limit} items is not accepted in {decoder.table.name}")
    return value


def _is_longer(value: range, limit: int) -> bool:
    return (value.stop - value.start) // value.step > limit


def _read_slice(_decoder: Decoder, start: Any, stop: Any, step: Any) -> slice:
    return slice(start, stop, step)


def _read_ellipsis(_decoder: Decoder) -> EllipsisType:
    return Ellipsis


def _read_not_implemented(_decoder: Decoder) -> Any:
    return NotImplemented


WRITERS.update({
    bytes: _write_bytes, bytearray: _write_bytearray, memoryview: _write_memoryview, complex: _write_complex,
    Decimal: _write_decimal, Fraction: _write_fraction, uuid.UUID: _write_uuid, range: _write_range,
    slice: _write_slice, EllipsisType: _write_ellipsis, NotImplementedType: _write_not_implemented,
})  # fmt: skip
READERS.update({
    tag.BIGINT: _read_bigint, tag.COMPLEX: _read_complex, tag.BYTEARRAY: _read_bytearray, tag.BYTES: _read_bytes,
    tag.TEXT: _read_text, tag.SURROGATE: _read_surrogate, tag.MEMORYVIEW: _read_memoryview,
    tag.DECIMAL: _read_decimal, tag.FRACTION: _read_fraction, tag.UUID: _read_uuid, tag.RANGE: _read_range,
    tag.SLICE: _read_slice, tag.ELLIPSIS: _read_ellipsis, tag.NOT_IMPLEMENTED: _read_not_implemented,
})  # fmt: skip
