"""Arrow memory as one buffer: an IPC stream without compression, read where it lies.

Rules: before pyarrow reads anything the envelope and the names of extension types are checked, before batches the
types; `validate(full=True)` is the very first call on each batch: before it nearly any other can crash. Payloads are
of results only: the reader of batches is the one component that damaged bytes can kill a process with.

Source: docs/spec/wire.md "Arrow".
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import pyarrow as pa

from ksrpc.errors import DecodeError
from ksrpc.wire.columnar.flat import check_envelope
from ksrpc.wire.columnar.schema import check_extensions, complaint, is_free
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.registry import Refusal

__all__ = ["Content", "read_stream", "write_stream"]

_OPTIONS: Final = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V5, compression=None)


class Content(NamedTuple):
    """Hold what a stream says: a schema, and the batches, which fit it."""

    schema: pa.Schema
    batches: list[pa.RecordBatch]

    def table(self) -> pa.Table:
        """Return the batches as one table."""
        return pa.Table.from_batches(self.batches, schema=self.schema)


class _Pieces:
    """Gather what a writer of pyarrow writes: memory of arrays as it lies."""

    def __init__(self) -> None:
        self.pieces: list[Any] = []
        self.closed = False

    def write(self, piece: Any) -> None:
        self.pieces.append(piece)

    def flush(self) -> None:
        """Have nothing to do."""

    def close(self) -> None:
        """Have nothing to do."""


def write_stream(encoder: Encoder, schema: pa.Schema, data: pa.Table | pa.RecordBatch | None = None) -> Any:
    """Encode a schema and what fits it; the memory is copied once.

    Raises:
        Refusal: A type cannot travel, or it is too much.
    """
    text = complaint(schema)
    if text:
        raise Refusal(text)
    if data is not None:
        _check_size(encoder, data)
    sink = _Pieces()
    try:
        with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema, options=_OPTIONS) as writer:
            if data is not None:
                writer.write(data)
    except pa.ArrowException as error:
        raise Refusal(f"pyarrow cannot send this: {error}") from None
    return encoder.buffer(b"".join(sink.pieces), item_bytes=8)


def _check_size(encoder: Encoder, data: pa.Table | pa.RecordBatch) -> None:
    limits = encoder.table.limits
    try:
        size = data.nbytes
    except pa.ArrowException:  # pyarrow 22 does not know it of views
        size = data.get_total_buffer_size()
    if size > limits.message_bytes:
        raise Refusal(f"Arrow data of {size} bytes: more than {limits.message_bytes}")
    if data.num_rows > limits.elements:
        raise Refusal(f"Arrow data of {data.num_rows} rows: more than {limits.elements}")


def read_stream(decoder: Decoder, node: Any) -> Content:
    """Decode what `write_stream` made, around its memory.

    Raises:
        DecodeError: It is damaged, or has a type that is not known here.
        TooLargeError: A bound is passed.
    """
    memory = decoder.take(node)
    view = memoryview(memory).cast("B")
    envelope = check_envelope(view, decoder.table.limits)
    check_extensions(view[: envelope.schema_bytes])
    with pa.ipc.open_stream(pa.py_buffer(memory)) as reader:
        schema = reader.schema
        text = complaint(schema)
        if text:
            raise DecodeError(text)
        if any(is_free(field.type) for field in schema):
            decoder.spend(envelope.items)
        batches = [_next(reader) for _ in range(envelope.batches)]
    return Content(schema, batches)


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch:
    batch = reader.read_next_batch()
    batch.validate(full=True)
    return batch
