"""The envelope of an Arrow IPC stream, read before pyarrow sees a byte of it.

Rules: a schema comes first and an end mark last, between them are batches and dictionaries only; no batch is
compressed; no buffer leaves the body of its message; lengths are within the bounds. Whether the memory means something
is pyarrow's to check, once it has been told that much.

Source: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc and
https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np

from ksrpc.errors import DecodeError, KsrpcError, TooLargeError
from ksrpc.limits import WireLimits

__all__ = ["Envelope", "check_envelope"]

_CONTINUED: Final = 0xFFFFFFFF
_LEAD: Final = struct.Struct("<II")
_VERSION_5: Final = 4
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_NODE: Final = np.dtype([("length", "<i8"), ("nulls", "<i8")])
_SPAN: Final = np.dtype([("offset", "<i8"), ("length", "<i8")])


class Envelope(NamedTuple):
    """Tell of a stream what its envelope says.

    Attributes:
        schema_bytes: Length of the first message, which is the schema.
        batches: Number of record batches.
        items: Lengths of all arrays together, inner ones and dictionaries too.
    """

    schema_bytes: int
    batches: int
    items: int


def check_envelope(data: memoryview, limits: WireLimits) -> Envelope:
    """Walk over the messages of a stream.

    Raises:
        DecodeError: It breaks a rule.
        TooLargeError: An array is longer than the limit.
    """
    try:
        return _walk(data, limits)
    except KsrpcError:
        raise
    except (struct.error, ValueError) as error:
        raise DecodeError("a damaged Arrow stream") from error


def _walk(data: memoryview, limits: WireLimits) -> Envelope:
    at = schema_bytes = batches = items = 0
    while True:
        mark, size = _LEAD.unpack_from(data, at)
        at += _LEAD.size
        if mark != _CONTINUED:
            raise DecodeError("an Arrow stream of an old format")
        if size == 0:
            break
        message = _Message(data[at : at + size], size)
        if (message.kind == _SCHEMA) is (schema_bytes > 0):
            raise DecodeError("an Arrow stream whose schema is not its beginning")
        at += size + message.body_bytes
        schema_bytes = schema_bytes or at
        items += message.count(limits)
        batches += message.kind == _BATCH
    if at != len(data) or not schema_bytes:
        raise DecodeError("an Arrow stream that does not end where it should")
    return Envelope(schema_bytes, batches, items)


class _Message:
    """Read one message's description, which is a FlatBuffer."""

    __slots__ = ("_data", "_header", "body_bytes", "kind")

    def __init__(self, data: memoryview, size: int) -> None:
        if len(data) != size or size % 8:
            raise DecodeError("a damaged Arrow stream")
        self._data = data
        root = self._follow(0)
        version = self._number("<h", self._field(root, 0))
        self.kind = self._number("<B", self._field(root, 1))
        self._header = self._follow(self._field(root, 2))
        self.body_bytes = self._number("<q", self._field(root, 3))
        if version != _VERSION_5 or self.kind not in (_SCHEMA, _DICTIONARY, _BATCH):
            raise DecodeError("an Arrow stream of an unknown format")
        if self.body_bytes < 0 or (self.kind == _SCHEMA and self.body_bytes):
            raise DecodeError("a damaged Arrow stream")

    def count(self, limits: WireLimits) -> int:
        """Check a batch, or the batch of a dictionary, and return the lengths of its arrays together."""
        if self.kind == _SCHEMA:
            return 0
        table = self._header if self.kind == _BATCH else self._follow(self._field(self._header, 1))
        rows = self._number("<q", self._field(table, 0))
        nodes, spans = self._vector(self._field(table, 1), _NODE), self._vector(self._field(table, 2), _SPAN)
        if self._field(table, 3):
            raise DecodeError("a compressed Arrow batch")
        self._check_spans(spans)
        if self.body_bytes % 8:
            raise DecodeError("a damaged Arrow stream")
        lengths = nodes["length"]
        if rows < 0 or (lengths < 0).any() or (nodes["nulls"] < 0).any() or (nodes["nulls"] > lengths).any():
            raise DecodeError("a damaged Arrow stream")
        if max(rows, int(lengths.max(initial=0))) > limits.elements:
            raise TooLargeError(f"an Arrow array of more than {limits.elements} items")
        return int(lengths.sum())

    def _check_spans(self, spans: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
        starts, lengths = spans["offset"], spans["length"]
        if (starts < 0).any() or (lengths < 0).any() or (lengths > self.body_bytes - starts).any():
            raise DecodeError("an Arrow buffer outside its message")

    def _number(self, code: str, at: int) -> int:
        """Return a number; 0, which is the default of all that are read here, where there is none."""
        return int(struct.unpack_from(code, self._data, at)[0]) if at else 0

    def _follow(self, at: int) -> int:
        return at + int(struct.unpack_from("<I", self._data, at)[0])

    def _field(self, table: int, number: int) -> int:
        """Return where a field of a table lies; 0 if it is not there."""
        vtable = table - self._number("<i", table)
        slot = 4 + 2 * number
        if vtable < 0:
            raise DecodeError("a damaged Arrow stream")
        if slot + 2 > int(struct.unpack_from("<H", self._data, vtable)[0]):
            return 0
        offset = int(struct.unpack_from("<H", self._data, vtable + slot)[0])
        return table + offset if offset else 0

    def _vector(self, at: int, dtype: np.dtype[np.void]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        if not at:
            return np.empty(0, dtype)
        start = self._follow(at)
        count = int(struct.unpack_from("<I", self._data, start)[0])
        return np.frombuffer(self._data, dtype, count, start + 4)
