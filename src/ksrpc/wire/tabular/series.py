"""Series of pandas, and what they have in common with frames: attrs and flags.

Source: docs/spec/wire.md "Series".
"""

from __future__ import annotations

from typing import Any

from ksrpc.errors import DecodeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.registry import READERS, WRITERS
from ksrpc.wire.tabular.column import check_labels, expect_index, read_column, write_column
from ksrpc.wire.tabular.library import pd

__all__ = ["read_tail", "write_tail"]


def write_tail(encoder: Encoder, value: Any) -> list[Any]:
    """Encode attrs and flags of a Series or DataFrame."""
    attrs = encoder.part(value.attrs, ".attrs") if value.attrs else None
    return [attrs, bool(value.flags.allows_duplicate_labels)]


def read_tail(decoder: Decoder, value: Any, attrs: Any, duplicates: Any) -> Any:
    """Give a decoded Series or DataFrame its attrs and flags."""
    if attrs is not None:
        value.attrs = decoder.expect(attrs, dict)
    if not decoder.expect(duplicates, bool):
        for axis in value.axes:
            check_labels(axis)
        value.flags.allows_duplicate_labels = False
    return decoder.add(value)


def _write(encoder: Encoder, series: Any) -> Any:
    known = encoder.known(series)
    if known:
        return known
    plain = series if type(series) is pd.Series else pd.Series(series, copy=False)  # its own methods may differ
    data = write_column(encoder, plain)
    made = [encoder.mark(tag.SERIES), data, encoder.part(plain.index, ".index"), encoder.part(plain.name, ".name")]
    made += write_tail(encoder, series)
    encoder.count(series)
    return made


def _read(decoder: Decoder, node: Any, index: Any, name: Any, attrs: Any, duplicates: Any) -> Any:
    data = read_column(decoder, node)
    if len(data) != len(expect_index(index)):
        raise DecodeError("a series whose index does not fit it")
    series = pd.Series(data, index=index, name=name, dtype=data.dtype, copy=False)
    return read_tail(decoder, series, attrs, duplicates)


WRITERS[pd.Series] = _write
register_base(pd.Series, _write)
READERS[tag.SERIES] = _read
