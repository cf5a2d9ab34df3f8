"""Scalars and data types of pandas.

Source: docs/spec/wire.md "Scalars of pandas".
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ksrpc.errors import DecodeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.dtype import describe_dtype, resolve_dtype
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.moment import expect_zone
from ksrpc.wire.registry import READERS, WRITERS, Refusal
from ksrpc.wire.tabular import arrow
from ksrpc.wire.tabular.backing import NUMPY_DTYPE, read_arrow_dtype, write_arrow_dtype
from ksrpc.wire.tabular.column import check_labels, unfold
from ksrpc.wire.tabular.extension import MASKED, make_text_dtype, period_dtype, period_text, tell_text_dtype
from ksrpc.wire.tabular.library import UNITS, pd

__all__: list[str] = []

_I8: Final = 1 << 63


def _write_timestamp(encoder: Encoder, value: Any) -> Any:
    zone = None if value.tz is None else encoder.node(value.tz)
    return [encoder.mark(tag.TIMESTAMP), int(value.asm8.view("i8")), value.unit, zone]


def _write_timedelta(encoder: Encoder, value: Any) -> Any:
    return [encoder.mark(tag.PANDAS_TIMEDELTA), int(value.asm8.view("i8")), value.unit]


def _write_period(encoder: Encoder, value: Any) -> Any:
    return [encoder.mark(tag.PERIOD), value.ordinal, period_text(pd.PeriodDtype(value.freq))]


def _write_interval(encoder: Encoder, value: Any) -> Any:
    return [encoder.mark(tag.INTERVAL), encoder.node(value.left), encoder.node(value.right), value.closed]


def _write_nat(encoder: Encoder, _value: Any) -> Any:
    return [encoder.mark(tag.NAT)]


def _write_na(encoder: Encoder, _value: Any) -> Any:
    return [encoder.mark(tag.NA)]


def _write_dtype(encoder: Encoder, dtype: Any) -> Any:
    mark = encoder.mark(tag.PANDAS_DTYPE)
    if type(dtype) is pd.DatetimeTZDtype:
        return [mark, "dt", dtype.unit, encoder.node(dtype.tz)]
    if type(dtype) is pd.PeriodDtype:
        return [mark, "period", period_text(dtype)]
    if type(dtype) is pd.CategoricalDtype:
        categories = None if dtype.categories is None else encoder.node(dtype.categories)
        return [mark, "cat", categories, dtype.ordered]
    if type(dtype) is pd.IntervalDtype and isinstance(dtype.subtype, np.dtype):
        return [mark, "interval", describe_dtype(dtype.subtype), dtype.closed]
    if type(dtype) is pd.StringDtype or arrow.text_storage(dtype):
        return [mark, "str", *tell_text_dtype(dtype)]
    if str(dtype) in MASKED and type(dtype).__module__.partition(".")[0] == "pandas":
        return [mark, "mask", str(dtype)]
    if type(dtype) in _DTYPE_WRITERS:
        return [mark, *_DTYPE_WRITERS[type(dtype)](encoder, dtype)]
    raise Refusal(f"the data type {dtype} cannot travel")


_DTYPE_WRITERS: Final[dict[type, Any]] = {
    pd.ArrowDtype: lambda encoder, dtype: ["arrow", write_arrow_dtype(encoder, dtype)],
    pd.SparseDtype: lambda encoder, dtype: ["sparse", encoder.node(dtype.subtype), encoder.node(dtype.fill_value)],
    NUMPY_DTYPE: lambda encoder, dtype: ["np", encoder.node(dtype.numpy_dtype)],
}


def _time(decoder: Decoder, value: Any, unit: Any) -> tuple[int, Any]:
    if unit not in UNITS:
        raise DecodeError("a time of a unit that pandas does not hold")
    return decoder.integer(value, 1 - _I8, _I8 - 1), str(unit)


def _read_timestamp(decoder: Decoder, value: Any, unit: Any, zone: Any) -> Any:
    made = pd.Timestamp(np.datetime64(*_time(decoder, value, unit)))
    return made if expect_zone(zone) is None else made.tz_localize("UTC").tz_convert(zone)


def _read_timedelta(decoder: Decoder, value: Any, unit: Any) -> Any:
    return pd.Timedelta(np.timedelta64(*_time(decoder, value, unit)))


def _read_period(decoder: Decoder, ordinal: Any, text: Any) -> Any:
    return pd.Period(ordinal=decoder.integer(ordinal, 1 - _I8, _I8 - 1), freq=period_dtype(text).freq)


def _read_interval(decoder: Decoder, left: Any, right: Any, closed: Any) -> Any:
    return pd.Interval(left, right, closed=decoder.expect(closed, str))


def _read_nat(_decoder: Decoder) -> Any:
    return pd.NaT


def _read_na(_decoder: Decoder) -> Any:
    return pd.NA


def _read_dtype(decoder: Decoder, kind: Any, *parts: Any) -> Any:
    reader = _DTYPES.get(decoder.expect(kind, str))
    if reader is None:
        raise DecodeError("a data type of unknown kind: the other side is newer")
    return reader(decoder, *parts)


def _read_category(decoder: Decoder, categories: Any, ordered: Any) -> Any:
    index = None if categories is None else unfold(decoder, categories)
    if index is not None:
        check_labels(index)
    return pd.CategoricalDtype(index, ordered=None if ordered is None else decoder.expect(ordered, bool))


def _read_masked(decoder: Decoder, name: Any) -> Any:
    if decoder.expect(name, str) not in MASKED:
        raise DecodeError("a data type that is not known here")
    return pd.api.types.pandas_dtype(name)


def _numpy_dtype(node: Any) -> np.dtype[Any]:
    if not isinstance(node, np.dtype):
        raise DecodeError("a data type of the wrong kind")
    return node


_DTYPES: Final[dict[str, Any]] = {
    "dt": lambda _, unit, zone: pd.DatetimeTZDtype(unit, expect_zone(zone)),
    "period": lambda _, text: period_dtype(text),
    "cat": _read_category,
    "interval": lambda decoder, sub, closed: pd.IntervalDtype(resolve_dtype(sub, decoder.table.limits), closed),
    "str": lambda _, storage, missing: make_text_dtype(storage, missing),
    "mask": _read_masked,
    "arrow": read_arrow_dtype,
    "sparse": lambda _, sub, fill: pd.SparseDtype(_numpy_dtype(sub), fill),
    "np": lambda _, sub: NUMPY_DTYPE(_numpy_dtype(sub)),
}

WRITERS.update({
    pd.Timestamp: _write_timestamp, pd.Timedelta: _write_timedelta, pd.Period: _write_period,
    pd.Interval: _write_interval, type(pd.NaT): _write_nat, type(pd.NA): _write_na,
})  # fmt: skip
register_base(pd.api.extensions.ExtensionDtype, _write_dtype)
READERS.update({
    tag.TIMESTAMP: _read_timestamp, tag.PANDAS_TIMEDELTA: _read_timedelta, tag.PERIOD: _read_period,
    tag.INTERVAL: _read_interval, tag.NAT: _read_nat, tag.NA: _read_na, tag.PANDAS_DTYPE: _read_dtype,
})  # fmt: skip
