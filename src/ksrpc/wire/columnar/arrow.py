"""Values of pyarrow: tables, batches, arrays, scalars and their types.

Source: docs/spec/wire.md "Arrow".
"""

from __future__ import annotations

from typing import Any, Final

from ksrpc.errors import DecodeError, MissingExtraError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.feature import CURES
from ksrpc.wire.registry import READERS, WRITERS, Refusal

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtraError(f"this value needs pyarrow: {CURES['arrow']}") from error

from ksrpc.wire.columnar.stream import Content, read_stream, write_stream  # after pyarrow was found

__all__: list[str] = []


def _write_table(encoder: Encoder, table: Any) -> Any:
    return [encoder.mark(tag.ARROW), "table", write_stream(encoder, table.schema, table)]


def _write_batch(encoder: Encoder, batch: Any) -> Any:
    return [encoder.mark(tag.ARROW), "batch", write_stream(encoder, batch.schema, batch)]


def _write_chunked(encoder: Encoder, array: Any) -> Any:
    table = pa.Table.from_arrays([array], names=[""])
    return [encoder.mark(tag.ARROW), "chunked", write_stream(encoder, table.schema, table)]


def _write_array(encoder: Encoder, array: Any) -> Any:
    return [encoder.mark(tag.ARROW), "array", _column(encoder, array)]


def _write_scalar(encoder: Encoder, scalar: Any) -> Any:
    mark = encoder.mark(tag.ARROW)
    try:
        array = pa.repeat(scalar, 1)
    except pa.ArrowException:
        raise Refusal(f"a pyarrow scalar of {scalar.type} cannot travel: send an array") from None
    return [mark, "scalar", _column(encoder, array)]


def _column(encoder: Encoder, array: Any) -> Any:
    batch = pa.RecordBatch.from_arrays([array], names=[""])
    return write_stream(encoder, batch.schema, batch)


def _write_schema(encoder: Encoder, schema: Any) -> Any:
    return [encoder.mark(tag.ARROW), "schema", write_stream(encoder, schema)]


def _write_field(encoder: Encoder, field: Any) -> Any:
    return [encoder.mark(tag.ARROW), "field", write_stream(encoder, pa.schema([field]))]


def _write_type(encoder: Encoder, kind: Any) -> Any:
    return [encoder.mark(tag.ARROW), "type", write_stream(encoder, pa.schema([pa.field("", kind)]))]


def _read(decoder: Decoder, kind: Any, data: Any) -> Any:
    reader = _READERS.get(decoder.expect(kind, str))
    if reader is None:
        raise DecodeError("an Arrow value of unknown kind: the other side is newer")
    return reader(read_stream(decoder, data))


def _one(items: Any) -> Any:
    if len(items) != 1:
        raise DecodeError("an Arrow value that is not one")
    return items[0]


def _read_chunked(content: Content) -> Any:
    field = _one(content.schema)
    return pa.chunked_array([batch.column(0) for batch in content.batches], type=field.type)


def _read_array(content: Content) -> Any:
    return _one(_one(content.batches).columns)


def _read_schema(content: Content) -> Any:
    if content.batches:
        raise DecodeError("an Arrow schema with batches")
    return content.schema


_READERS: Final[dict[str, Any]] = {
    "table": Content.table,
    "batch": lambda content: _one(content.batches),
    "chunked": _read_chunked,
    "array": _read_array,
    "scalar": lambda content: _one(_read_array(content)),
    "schema": _read_schema,
    "field": lambda content: _one(_read_schema(content)),
    "type": lambda content: _one(_read_schema(content)).type,
}

WRITERS.update({
    pa.Table: _write_table, pa.RecordBatch: _write_batch, pa.ChunkedArray: _write_chunked, pa.Schema: _write_schema,
    pa.Field: _write_field,
})  # fmt: skip
register_base(pa.Array, _write_array)
register_base(pa.Scalar, _write_scalar)
register_base(pa.DataType, _write_type)
READERS[tag.ARROW] = _read
