"""Extension arrays of pandas, each as the plain arrays it is made of.

Rules: values under a mask are zeroed, validity is a bitmap in Arrow's order; arrays are rebuilt by constructors that
check, never by ones that trust; storage and missing value of a text column are told, never inferred.

Source: docs/spec/wire.md "Extension arrays".
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

from ksrpc.errors import DecodeError
from ksrpc.wire import tag
from ksrpc.wire.array import write_plain_array
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.moment import expect_zone
from ksrpc.wire.objects import read_texts, write_texts
from ksrpc.wire.registry import READERS, Refusal
from ksrpc.wire.tabular import arrow
from ksrpc.wire.tabular.column import check_labels, read_column, unfold
from ksrpc.wire.tabular.library import pd

__all__ = [
    "ARRAY_READERS",
    "ARRAY_WRITERS",
    "MASKED",
    "make_text_dtype",
    "period_dtype",
    "period_text",
    "tell_text_dtype",
    "write_text",
]

_PERIOD: Final = re.compile(r"-?[0-9]{0,7}[A-Za-z]{1,6}(-[A-Z]{3})?")
_TEXT_TYPES: Final = frozenset(
    {*((storage, missing) for storage in ("python", "pyarrow") for missing in ("na", "nan"))}
    | {(storage, "na") for storage in arrow.TEXT_STORAGES}
)
_PERIODS: Final = 1024
_periods: Final[set[str]] = set()
_CLOSED: Final = frozenset({"left", "right", "both", "neither"})

#: Name of a nullable dtype → its array class and the type of its values.
MASKED: Final = {
    **{
        f"{p}{b}": (pd.arrays.IntegerArray, np.dtype(f"{p}{b}".lower()))
        for p in ("Int", "UInt")
        for b in (8, 16, 32, 64)
    },
    "Float32": (pd.arrays.FloatingArray, np.dtype("f4")),
    "Float64": (pd.arrays.FloatingArray, np.dtype("f8")),
    "boolean": (pd.arrays.BooleanArray, np.dtype("?")),
}


def _write(encoder: Encoder, array: Any) -> Any:
    writer = ARRAY_WRITERS.get(type(array.dtype)) or (_write_masked if str(array.dtype) in MASKED else None)
    if isinstance(array.dtype, np.dtype) and type(array) in (pd.arrays.DatetimeArray, pd.arrays.TimedeltaArray):
        writer = _write_naive
    if writer is None or type(array).__module__.partition(".")[0] != "pandas":
        raise Refusal(f"a pandas array of {array.dtype} cannot travel: convert it with astype() first")
    return [encoder.mark(tag.EXTENSION), *writer(encoder, array)]


def _write_naive(encoder: Encoder, array: Any) -> list[Any]:
    kind = "dt" if array.dtype.kind == "M" else "td"
    return [kind, write_plain_array(encoder, array.to_numpy()), *([None] if kind == "dt" else [])]


def _write_aware(encoder: Encoder, array: Any) -> list[Any]:
    values = np.asarray(array, dtype=f"M8[{array.dtype.unit}]")
    return ["dt", write_plain_array(encoder, values), encoder.node(array.dtype.tz)]


def _write_period(encoder: Encoder, array: Any) -> list[Any]:
    return ["period", period_text(array.dtype), write_plain_array(encoder, array.asi8)]


def _write_categorical(encoder: Encoder, array: Any) -> list[Any]:
    categories = encoder.part(array.categories, ".categories")
    return ["cat", categories, write_plain_array(encoder, array.codes), bool(array.ordered)]


def _write_interval(encoder: Encoder, array: Any) -> list[Any]:
    return ["interval", encoder.part(array.left, ".left"), encoder.part(array.right, ".right"), array.closed]


def _write_masked(encoder: Encoder, array: Any) -> list[Any]:
    missing = np.asarray(array.isna())
    values = array.to_numpy(dtype=array.dtype.numpy_dtype, na_value=array.dtype.numpy_dtype.type(0))
    return ["mask", str(array.dtype), write_plain_array(encoder, values), _write_valid(encoder, ~missing)]


def _write_valid(encoder: Encoder, valid: np.ndarray[Any, Any]) -> Any:
    return None if valid.all() else encoder.buffer(np.packbits(valid, bitorder="little").data)


def write_text(encoder: Encoder, array: Any) -> list[Any]:
    """Encode a column of text, of whatever storage."""
    dtype = tell_text_dtype(array.dtype)
    valid = ~np.asarray(array.isna())
    parts = arrow.split_texts(array, valid) if dtype[0] != "python" and len(array) else None
    if parts is not None:
        offsets, text = parts
        encoder.keep(offsets)
        data = encoder.buffer(np.ascontiguousarray(offsets).view(np.uint8).data, item_bytes=8)
        return ["utf8", *dtype, len(array), data, encoder.buffer(text), _write_valid(encoder, valid)]
    items = array.to_numpy(dtype=object, na_value=None).tolist()
    return ["str", *dtype, len(items), *write_texts(encoder, items)]


def tell_text_dtype(dtype: Any) -> list[str]:
    """Return storage and missing value of a StringDtype, or of an ArrowDtype of text."""
    if type(dtype) is pd.ArrowDtype:
        return [arrow.text_storage(dtype), "na"]
    return [dtype.storage.removesuffix("_numpy"), "na" if dtype.na_value is pd.NA else "nan"]


def make_text_dtype(storage: Any, missing: Any) -> Any:
    """Return the data type, with the other storage where pyarrow is not installed."""
    if (storage, missing) not in _TEXT_TYPES:
        raise DecodeError("a text type that cannot be")
    if storage != "python" and not arrow.has_arrow():
        storage = "python"
    if storage in arrow.TEXT_STORAGES:
        return arrow.make_text_type(storage)
    if missing == "na":
        return pd.StringDtype(storage)
    try:
        return pd.StringDtype(storage, na_value=np.nan)
    except TypeError:  # pandas 2.2 knows only this one with NaN, under another name
        return pd.StringDtype("pyarrow_numpy" if arrow.has_arrow() else "python")


def period_text(dtype: Any) -> str:
    """Return the frequency of a PeriodDtype as PeriodDtype itself takes it; `freqstr` says another."""
    return str(dtype).removeprefix("period[").removesuffix("]")


def period_dtype(text: Any) -> Any:
    """Return the PeriodDtype of a frequency."""
    if type(text) is not str or not _PERIOD.fullmatch(text):
        raise DecodeError("a period whose frequency cannot be")
    if len(_periods) >= _PERIODS:  # pandas keeps every one that it has ever seen
        _periods.clear()
        pd.PeriodDtype.reset_cache()
    _periods.add(text)
    return pd.PeriodDtype(text)


def _read(decoder: Decoder, kind: Any, *parts: Any) -> Any:
    reader = ARRAY_READERS.get(decoder.expect(kind, str))
    if reader is None:
        raise DecodeError("an extension array of unknown kind: the other side is newer")
    return reader(decoder, *parts)


def _values(decoder: Decoder, node: Any, kinds: str) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = read_column(decoder, decoder.expect(node, np.ndarray))
    if values.dtype.kind not in kinds:
        raise DecodeError("an extension array of the wrong values")
    return values


def _read_datetimes(decoder: Decoder, node: Any, zone: Any) -> Any:
    index = pd.DatetimeIndex(_values(decoder, node, "M"), copy=False)
    if expect_zone(zone) is not None:
        index = index.tz_localize("UTC").tz_convert(zone)
    return index.array


def _read_timedeltas(decoder: Decoder, node: Any) -> Any:
    return pd.TimedeltaIndex(_values(decoder, node, "m"), copy=False).array


def _read_period(decoder: Decoder, text: Any, node: Any) -> Any:
    values = _values(decoder, node, "i")
    if values.dtype != np.int64:
        raise DecodeError("a period of the wrong values")
    return pd.arrays.PeriodArray(values, dtype=period_dtype(text))


def _read_categorical(decoder: Decoder, categories: Any, codes: Any, ordered: Any) -> Any:
    index = unfold(decoder, categories)
    check_labels(index)
    dtype = pd.CategoricalDtype(index, ordered=decoder.expect(ordered, bool))
    return pd.Categorical.from_codes(_values(decoder, codes, "i"), dtype=dtype)


def _read_interval(decoder: Decoder, left: Any, right: Any, closed: Any) -> Any:
    if closed not in _CLOSED:
        raise DecodeError("an interval that is closed nowhere known")
    sides = [unfold(decoder, side) for side in (left, right)]
    return pd.arrays.IntervalArray.from_arrays(*sides, closed=closed)


def _read_masked(decoder: Decoder, name: Any, node: Any, bitmap: Any) -> Any:
    kind, dtype = MASKED[decoder.expect(name, str)]
    values = _values(decoder, node, dtype.kind)
    if values.dtype != dtype:
        raise DecodeError("a nullable array of the wrong values")
    return kind(values, ~_read_valid(decoder, bitmap, len(values)))


def _read_valid(decoder: Decoder, bitmap: Any, count: int) -> np.ndarray[Any, Any]:
    if bitmap is None:
        return np.ones(count, bool)
    bits: np.ndarray[Any, Any] = np.frombuffer(decoder.take(bitmap), np.uint8)
    if len(bits) != (count + 7) // 8:
        raise DecodeError("a bitmap that does not fit its array")
    return np.unpackbits(bits, count=count, bitorder="little").astype(bool)


def _read_text(decoder: Decoder, storage: Any, missing: Any, count: Any, *parts: Any) -> Any:
    items = read_texts(decoder, decoder.integer(count, 0, decoder.table.limits.range_level), *parts)
    return pd.array(items, dtype=make_text_dtype(storage, missing))


def _read_utf8(decoder: Decoder, storage: Any, missing: Any, count: Any, *parts: Any) -> Any:
    offsets_node, text_node, bitmap_node = parts
    dtype = make_text_dtype(storage, missing)
    size = decoder.integer(count, 1, decoder.table.limits.elements)
    offsets: np.ndarray[Any, Any] = np.frombuffer(decoder.take(offsets_node), "<i8")
    text = memoryview(decoder.take(text_node))
    if len(offsets) != size + 1:
        raise DecodeError("a text column whose offsets do not fit it")
    if offsets[0] != 0 or offsets[-1] != len(text) or (offsets[1:] < offsets[:-1]).any():
        raise DecodeError("a text column whose offsets cannot be")
    if decoder.table.trusted and getattr(dtype, "storage", "") != "python":
        bitmap = None if bitmap_node is None else decoder.take(bitmap_node)
        if bitmap is not None and len(memoryview(bitmap)) != (size + 7) // 8:
            raise DecodeError("a bitmap that does not fit its array")
        return arrow.join_texts(dtype, size, (offsets, text, bitmap))
    decoder.spend(size)
    valid = _read_valid(decoder, bitmap_node, size)
    ends = offsets.tolist()
    items = [
        str(text[start:stop], "utf-8") if there else None
        for start, stop, there in zip(ends, ends[1:], valid.tolist(), strict=False)
    ]
    return pd.array(np.fromiter(items, dtype=object, count=size), dtype=dtype)


#: Type of the data type → writer(encoder, array) → kind and parts.
ARRAY_WRITERS: Final[dict[type, Any]] = {
    pd.DatetimeTZDtype: _write_aware, pd.PeriodDtype: _write_period, pd.CategoricalDtype: _write_categorical,
    pd.IntervalDtype: _write_interval, pd.StringDtype: write_text,
}  # fmt: skip
#: Kind → reader(decoder, *parts) → array.
ARRAY_READERS: Final[dict[str, Any]] = {
    "dt": _read_datetimes, "td": _read_timedeltas, "period": _read_period, "cat": _read_categorical,
    "interval": _read_interval, "mask": _read_masked, "str": _read_text, "utf8": _read_utf8,
}  # fmt: skip

register_base(pd.api.extensions.ExtensionArray, _write)
READERS[tag.EXTENSION] = _read
