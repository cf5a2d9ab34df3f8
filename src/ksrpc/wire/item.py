"""Many values on one way: each a message with its kind and size before it.

Source: docs/spec/wire.md "Records".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from ksrpc.errors import DecodeError, KsrpcError, TooLargeError
from ksrpc.limits import RESULT
from ksrpc.wire.message import Message
from ksrpc.wire.value import pack, parse

__all__ = [
    "HEAD_BYTES",
    "MEDIA_TYPE",
    "Record",
    "RecordKind",
    "RecordReader",
    "pack_end",
    "pack_record",
    "parse_end",
    "split_records",
]

#: What a body of records is called over HTTP.
MEDIA_TYPE = "application/vnd.ksrpc.v1.stream"
_HEAD = struct.Struct("<BQ")
HEAD_BYTES = _HEAD.size


class RecordKind(IntEnum):
    """Say what a record holds."""

    ITEM = 1  # a value
    RAISE = 2  # what ended the stream: a map of `meta` and `body`, as a RAISE frame has them
    END = 3  # nothing: the stream is complete


_FIRST, _LAST = int(RecordKind.ITEM), int(RecordKind.END)


class Record(NamedTuple):
    """Hold one record; its value is still encoded."""

    kind: int
    body: bytes


def pack_record(kind: RecordKind, message: Message | None = None) -> list[bytes | memoryview]:
    """Return a record's pieces; large buffers of the message are not copied."""
    if message is None:
        return [_HEAD.pack(kind, 0)]
    return [_HEAD.pack(kind, message.nbytes), *message.segments]


def pack_end(meta: dict[str, Any] | None = None, body: bytes = b"") -> bytes:
    """Return the record that ends a stream: complete, or by an error."""
    if meta is None:
        return _HEAD.pack(RecordKind.END, 0)
    return b"".join(pack_record(RecordKind.RAISE, pack({"meta": meta, "body": body})))


def parse_end(body: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the meta and the body of a RAISE record.

    Raises:
        DecodeError: It is none.
    """
    try:
        fields = parse(body)
        meta, raised = fields["meta"], fields["body"]
    except (KsrpcError, KeyError, TypeError) as exc:
        raise DecodeError("the end of the stream is damaged") from exc
    if type(meta) is not dict or type(raised) is not bytes:
        raise DecodeError("the end of the stream is damaged")
    return meta, raised


def split_records(pieces: Sequence[bytes | bytearray | memoryview]) -> Iterator[Record]:
    """Take whole records apart."""
    reader = RecordReader()
    for piece in pieces:
        reader.feed(piece)
        yield from reader.split()


class RecordReader:
    """Cut records out of bytes as they come.

    Attributes:
        is_partial: Whether a record has begun whose end is not there.
    """

    __slots__ = ("_at", "_data", "_max_bytes")

    def __init__(self, *, max_bytes: int = RESULT.message_bytes) -> None:
        self._data = bytearray()
        self._at = 0
        self._max_bytes = max_bytes

    @property
    def is_partial(self) -> bool:
        """Tell whether bytes are there that no whole record has."""
        return len(self._data) > self._at

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes."""
        if self._at:
            del self._data[: self._at]
            self._at = 0
        self._data += data

    def split(self) -> list[Record]:
        """Return the records that are whole.

        Raises:
            DecodeError: There is no such kind.
            TooLargeError: One is larger than a value may be.
        """
        records, at = [], self._at
        with memoryview(self._data) as data:
            while len(data) - at >= HEAD_BYTES:
                kind, size = _HEAD.unpack_from(data, at)
                if not _FIRST <= kind <= _LAST:
                    raise DecodeError(f"a record of kind {kind}")
                if kind == _LAST and size:
                    raise DecodeError(f"an end of {size} bytes")
                if size > self._max_bytes:
                    raise TooLargeError(f"an item of {size} bytes is over {self._max_bytes}")
                end = at + HEAD_BYTES + size
                if end > len(data):
                    break
                records.append(Record(kind, bytes(data[at + HEAD_BYTES : end])))
                at = end
        self._at = at
        return records
