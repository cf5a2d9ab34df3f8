"""Values of polars, through Arrow: DataFrame and Series; a LazyFrame is collected.

Rules: the plainest of the layouts that polars writes, so that older versions read it; polars reads arrays only after
pyarrow has validated them, for it trusts memory; its panics are no Exceptions.

Source: docs/spec/wire.md "Polars".
"""

from __future__ import annotations

from typing import Any, Final

from ksrpc.errors import DecodeError, MissingExtraError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.feature import CURES
from ksrpc.wire.registry import READERS, WRITERS, Refusal

pl: Any
try:
    import polars as pl
    import pyarrow as pa
except ImportError as error:
    raise MissingExtraError(f"this value needs polars: {CURES['polars']}") from error

from ksrpc.wire.columnar.stream import read_stream, write_stream  # noqa: E402  # after pyarrow was found

__all__: list[str] = []

#: Types that Arrow does not have; objects would arrive as addresses.
_UNSENDABLE: Final = frozenset({"Object", "Int128", "UInt128", "Unknown"})
_CURE: Final = "cast() it to another type first"


def _write_frame(encoder: Encoder, frame: Any) -> Any:
    mark = encoder.mark(tag.POLARS)
    for name, dtype in frame.schema.items():
        if _is_unsendable(dtype):
            raise Refusal(f"a polars column of {dtype} cannot travel: {_CURE}").at(f"[{name!r}]")
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    return [mark, "frame", write_stream(encoder, table.schema, table)]


def _write_lazy(encoder: Encoder, frame: Any) -> Any:
    encoder.mark(tag.POLARS)
    return _write_frame(encoder, frame.collect())


def _write_series(encoder: Encoder, series: Any) -> Any:
    node = _write_frame(encoder, series.to_frame())
    return [node[0], "series", node[2]]


def _is_unsendable(dtype: Any) -> bool:
    if type(dtype).__name__ in _UNSENDABLE or getattr(dtype, "__name__", "") in _UNSENDABLE:
        return True
    inner = [field.dtype for field in getattr(dtype, "fields", ())]
    if hasattr(dtype, "inner"):
        inner.append(dtype.inner)
    return any(map(_is_unsendable, inner))


def _read(decoder: Decoder, kind: Any, data: Any) -> Any:
    if kind not in ("frame", "series"):
        raise DecodeError("a polars value of unknown kind: the other side is newer")
    frame = _make(read_stream(decoder, data).table())
    if kind == "frame":
        return frame
    if frame.width != 1:
        raise DecodeError("a polars Series that is not one column")
    return frame.to_series(0)


def _make(table: pa.Table) -> Any:
    try:
        frame = pl.from_arrow(table)
        if frame.columns != table.column_names:
            frame.columns = table.column_names  # it gives names to columns whose name is empty
        return frame
    except pl.exceptions.PanicException as error:
        raise DecodeError("a polars value that cannot be") from error


WRITERS.update({pl.DataFrame: _write_frame, pl.LazyFrame: _write_lazy, pl.Series: _write_series})
READERS[tag.POLARS] = _read
