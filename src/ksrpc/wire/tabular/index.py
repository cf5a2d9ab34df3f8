"""Indexes of pandas, with names, frequency, unused levels and everything else that makes two of them differ.

Source: docs/spec/wire.md "Indexes".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.array import write_plain_array
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.registry import READERS, WRITERS
from ksrpc.wire.tabular.column import check_labels, read_column, unfold, write_column
from ksrpc.wire.tabular.library import pd
from ksrpc.wire.tabular.offset import expect_offset, step_cost

__all__: list[str] = []

_LEVELS = 1024
_INTEGER = 1 << 63
#: Types of data of which pandas makes indexes of times; others that hold times stay what they are.
_TIMES = (np.dtype, pd.DatetimeTZDtype)


def _write(encoder: Encoder, index: Any) -> Any:
    known = encoder.known(index)
    if known:
        return known
    made = _WRITERS.get(type(index), _write_plain)(encoder, index)
    encoder.count(index)
    return made


def _write_plain(encoder: Encoder, index: Any) -> list[Any]:
    freq = getattr(index, "freq", None) if index.dtype.kind in "mM" else None
    data = write_column(encoder, index)
    name, told = encoder.part(index.name, ".name"), None if freq is None else encoder.node(freq)
    return [encoder.mark(tag.INDEX), data, name, told]


def _write_range(encoder: Encoder, index: Any) -> list[Any]:
    return [encoder.mark(tag.RANGE_INDEX), index.start, index.stop, index.step, encoder.part(index.name, ".name")]


def _write_multi(encoder: Encoder, index: Any) -> list[Any]:
    levels = [encoder.part(level, f".levels[{at}]") for at, level in enumerate(index.levels)]
    codes = [write_plain_array(encoder, np.asarray(code)) for code in index.codes]
    names = [encoder.node(name) for name in index.names]
    return [encoder.mark(tag.MULTI_INDEX), levels, codes, names, index.sortorder]


def _read(decoder: Decoder, node: Any, name: Any, freq: Any) -> Any:
    data = read_column(decoder, node)
    kind = data.dtype.kind
    if kind in "mM" and isinstance(data.dtype, _TIMES):
        cls = pd.DatetimeIndex if kind == "M" else pd.TimedeltaIndex
        index = cls(data, copy=False, name=name)
        if freq is not None:
            decoder.spend(len(index) * step_cost(expect_offset(freq)))
            index.freq = freq
        return decoder.add(index)
    if freq is not None:
        raise DecodeError("an index that cannot have a frequency")
    return decoder.add(pd.Index(data, dtype=data.dtype, copy=False, name=name, tupleize_cols=False))


def _read_range(decoder: Decoder, start: Any, stop: Any, step: Any, name: Any) -> Any:
    parts = [decoder.integer(part, -_INTEGER, _INTEGER - 1) for part in (start, stop, step)]
    return decoder.add(pd.RangeIndex(*parts, name=name))


def _read_multi(decoder: Decoder, levels: Any, codes: Any, names: Any, sortorder: Any) -> Any:
    if len(decoder.expect(levels, list)) > _LEVELS:
        raise TooLargeError(f"a MultiIndex of {len(levels)} levels")
    for level in levels:
        check_labels(unfold(decoder, level))
    for code in decoder.expect(codes, list):
        if read_column(decoder, decoder.expect(code, np.ndarray)).dtype.kind != "i":
            raise DecodeError("a MultiIndex whose codes cannot be")
    order = None if sortorder is None else decoder.integer(sortorder, 0, _LEVELS)
    labels = decoder.expect(names, list)
    return decoder.add(pd.MultiIndex(levels=levels, codes=codes, names=labels, sortorder=order, verify_integrity=True))


_WRITERS: dict[type, Any] = {pd.RangeIndex: _write_range, pd.MultiIndex: _write_multi}

for _kind in (
    pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex, pd.CategoricalIndex, pd.IntervalIndex,
    pd.RangeIndex, pd.MultiIndex,
):  # fmt: skip
    WRITERS[_kind] = _write
READERS.update({tag.INDEX: _read, tag.RANGE_INDEX: _read_range, tag.MULTI_INDEX: _read_multi})
