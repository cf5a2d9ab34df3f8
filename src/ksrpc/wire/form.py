"""Canonical forms of plain values and of numpy's: equal contents give equal bytes, whoever encoded them.

Rules: what is plain stays plain, everything else becomes an extension of its tag whose payload is the canonical
encoding of its parts, or the SHA-256 of that where it is long; every type keeps its own tag, save for scalars of numpy
that are Python's own; memory of arrays is hashed where it lies.

Source: docs/spec/key.md "Canonical form".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from hashlib import sha256
from operator import ne
from types import NoneType
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.msgpack import Ext

from ksrpc.errors import DecodeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.digest import digest_array
from ksrpc.wire.registry import READERS
from ksrpc.wire.table import Table
from ksrpc.wire.tag import Mark

__all__ = ["FORMS", "PLAIN_BYTES", "Canonicalizer", "blob", "encode", "encode_form", "read_parts", "wrap"]

#: Encode what is canonical already; keys of maps in order.
encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode
#: Longer texts and bytes are told by their digest, so that it does not matter whether they stood in the head.
PLAIN_BYTES: Final = 4096
#: Begins a digest in the place of what it is the digest of: the one byte that begins nothing in MessagePack.
_HASHED: Final = b"\xc1"
_LITERAL_BYTES: Final = 64
_PLAIN_CHARS: Final = PLAIN_BYTES // 4
_EVEN: Final = frozenset({NoneType, bool, int, Ext})
_FLAT: Final = _EVEN | {float, str}
_NAN: Final = float("nan")
_FORMLESS: Final = Ext(0, b"")
#: Tags without a form whose last part is memory.
_OPAQUE: Final = frozenset({tag.ARROW, tag.POLARS})


class Canonicalizer(Decoder):
    """Decode a head into canonical forms: arrays as they are, everything else plain or as an extension.

    Attributes:
        has_form: Whether all that was met so far has a canonical form.
    """

    __slots__ = ("_forms", "has_form")

    def __init__(self, buffers: list[Any], table: Table) -> None:
        super().__init__(buffers, table)
        self.has_form = True
        self._forms: dict[int, Ext] = {}  # by id; `made` keeps the arrays alive

    def form(self, node: Any, depth: int = 0) -> Any:
        """Return the canonical form of a node: of what is plain, and of arrays; of a form itself."""
        kind = type(node)
        if kind in _EVEN:
            return node
        shape = _SHAPES.get(kind)
        if shape is None:
            raise DecodeError("a tag that is not the first of an array")
        if depth > self.table.limits.depth:
            return self.give_up()
        return shape(self, node, depth)

    def give_up(self) -> Ext:
        """Take note that something has no canonical form."""
        self.has_form = False
        return _FORMLESS

    def forms(self, nodes: list[Any], depth: int = 0) -> list[Any]:
        """Return the canonical forms of some nodes; the list itself if there is nothing to do."""
        kinds = set(map(type, nodes))
        if kinds <= _FLAT and not (float in kinds and any(map(ne, nodes, nodes))) and _are_short(nodes, kinds):
            return nodes
        return [self.form(node, depth + 1) for node in nodes]

    def array(self, node: np.ndarray[Any, Any]) -> Ext:
        """Return the form of an array; it is hashed once, however often it is referred to."""
        made = self._forms.get(id(node))
        if made is None:
            made = self._forms[id(node)] = hash_array(node)
        return made

    def _on_list(self, items: list[Any]) -> Any:
        if not items or type(items[0]) is not Mark:
            return items
        self._open -= 1
        mark = items[0]
        self._name = mark.name
        reader = FORMS.get(mark.number)
        if reader is not None:
            return reader(self, *items[1:])
        if mark.number in _OPAQUE and len(items) > 1:
            self.take(items[-1])
        return self.give_up()


def encode_form(form: Any) -> bytes:
    """Encode a canonical form, by its digest if it is long. Of several in a row each ends where it ends."""
    data = encode(form)
    return data if len(data) <= _LITERAL_BYTES else _HASHED + sha256(data).digest()


def _are_short(nodes: list[Any], kinds: set[type]) -> bool:
    return str not in kinds or max(len(node) for node in nodes if type(node) is str) <= _PLAIN_CHARS


def wrap(number: int, *parts: Any) -> Ext:
    """Make the form of a tag of the forms of its parts."""
    return Ext(number, encode_form(parts))


def blob(number: int, memory: Any) -> Ext:
    """Make the form of a tag that is about bytes."""
    if len(memory) <= _LITERAL_BYTES // 2:
        return Ext(number, encode(bytes(memory)))
    return Ext(number, _HASHED + sha256(memory).digest())


def hash_array(array: np.ndarray[Any, Any], number: int = tag.ARRAY) -> Ext:
    """Make the form of an array: data type, shape and items in C order."""
    return Ext(number, _HASHED + digest_array(array))


def _shape_text(_reader: Canonicalizer, text: str, _depth: int) -> Any:
    if len(text) <= _PLAIN_CHARS:
        return text
    data = text.encode()
    return text if len(data) <= PLAIN_BYTES else blob(tag.TEXT, data)


def _shape_dict(reader: Canonicalizer, node: dict[str, Any], depth: int) -> Any:
    return _mapping(reader.forms(list(node)), reader.forms(list(node.values()), depth))


def _mapping(keys: Iterable[Any], values: Iterable[Any]) -> Any:
    pairs = list(zip(keys, values, strict=True))
    if all(type(key) is str for key, _ in pairs):
        made = dict(pairs)
        if len(made) != len(pairs):
            raise DecodeError("a map with the same key twice")
        return made
    return wrap(tag.MAP, sorted(map(encode, pairs)))


def _shape_datetime(_reader: Canonicalizer, value: datetime, _depth: int) -> Ext:
    """Tell MessagePack's own timestamp as the datetime that it is."""
    return wrap(tag.DATETIME, value.replace(tzinfo=None).isoformat(), 0, wrap(tag.ZONE, "utc"))


_SHAPES: Final[dict[type, Any]] = {
    float: lambda _, node, __: node if node == node else _NAN,  # noqa: PLR0124
    str: _shape_text,
    bytes: lambda _, node, __: node if len(node) <= PLAIN_BYTES else blob(tag.BYTES, node),
    list: lambda reader, node, depth: reader.forms(node, depth),
    dict: _shape_dict,
    np.ndarray: lambda reader, node, _: reader.array(node),
    datetime: _shape_datetime,
}


def read_parts(number: int, reader: Canonicalizer, *parts: Any) -> Ext:
    """Read a tag that is its parts in order."""
    return wrap(number, *reader.forms(list(parts)))


def _read_set(number: int, reader: Canonicalizer, *items: Any) -> Ext:
    return wrap(number, sorted(map(encode, reader.forms(list(items)))))


def _read_map(reader: Canonicalizer, *parts: Any) -> Any:
    nodes = reader.forms(list(parts))
    return _mapping(nodes[::2], nodes[1::2])


def _read_counter(reader: Canonicalizer, *parts: Any) -> Ext:
    return wrap(tag.COUNTER, _read_map(reader, *parts))


def _read_default(reader: Canonicalizer, name: Any, *parts: Any) -> Ext:
    return wrap(tag.DEFAULT_DICT, reader.form(name), _read_map(reader, *parts))


def _read_bigint(reader: Canonicalizer, data: Any) -> Any:
    value = READERS[tag.BIGINT](reader, data)
    if -(1 << 63) <= value < 1 << 64:
        return value
    return blob(tag.BIGINT, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))


def _read_bytearray(reader: Canonicalizer, data: Any) -> Ext:
    return blob(tag.BYTEARRAY, reader.take(data))


def _read_bytes(reader: Canonicalizer, data: Any) -> Any:
    memory = reader.take(data)
    return bytes(memory) if len(memory) <= PLAIN_BYTES else blob(tag.BYTES, memory)


def _read_text(reader: Canonicalizer, data: Any) -> Any:
    memory = reader.take(data)
    return str(memory, "utf-8") if len(memory) <= PLAIN_BYTES else blob(tag.TEXT, memory)


def _read_surrogate(reader: Canonicalizer, data: Any) -> Any:
    memory = reader.take(data)
    try:
        return reader.form(str(memory, "utf-8"))
    except UnicodeDecodeError:
        return blob(tag.SURROGATE, memory)


def _read_memoryview(reader: Canonicalizer, text: Any, shape: Any, data: Any) -> Ext:
    return wrap(tag.MEMORYVIEW, *reader.forms([text, shape]), blob(tag.BYTES, reader.take(data)))


def _read_scalar(reader: Canonicalizer, text: Any, data: Any) -> Any:
    if text in ("U", "S"):
        return reader.form(data)
    value = READERS[tag.NUMPY_SCALAR](reader, text, data)
    kind, size = value.dtype.kind, value.dtype.itemsize
    if (kind, size) in (("b", 1), ("i", 8), ("f", 8)):
        return reader.form(value.item())
    if (kind, size) == ("c", 16):
        return read_parts(tag.COMPLEX, reader, value.real.item(), value.imag.item())
    return hash_array(np.asarray(value), tag.NUMPY_SCALAR)


def _read_made(number: int, reader: Canonicalizer, *parts: Any) -> Any:
    form = read_parts(number, reader, *parts)
    is_single = not parts or (type(parts[0]) is str and parts[0] == "scalar")
    return form if is_single else reader.add(form)


FORMS: Final[dict[int, Any]] = {
    **{
        number: partial(read_parts, number)
        for number in (
            tag.TUPLE, tag.ORDERED_DICT, tag.DEQUE, tag.COMPLEX, tag.DECIMAL, tag.FRACTION, tag.UUID, tag.DATE,
            tag.TIME, tag.DATETIME, tag.TIMEDELTA, tag.ZONE, tag.RANGE, tag.SLICE, tag.ELLIPSIS, tag.NOT_IMPLEMENTED,
            tag.NUMPY_DTYPE, tag.TIMESTAMP, tag.PANDAS_TIMEDELTA, tag.PERIOD, tag.INTERVAL, tag.NAT, tag.NA,
            tag.OFFSET, tag.PANDAS_DTYPE, tag.SPARSE, tag.NAMESPACE, tag.PATH, tag.ADDRESS,
        )
    },
    tag.SET: partial(_read_set, tag.SET), tag.FROZENSET: partial(_read_set, tag.FROZENSET), tag.MAP: _read_map,
    tag.COUNTER: _read_counter, tag.DEFAULT_DICT: _read_default, tag.BIGINT: _read_bigint,
    tag.BYTEARRAY: _read_bytearray, tag.BYTES: _read_bytes, tag.TEXT: _read_text, tag.SURROGATE: _read_surrogate,
    tag.MEMORYVIEW: _read_memoryview, tag.NUMPY_SCALAR: _read_scalar, tag.REF: READERS[tag.REF],
    tag.ARRAY: READERS[tag.ARRAY],
    **{number: partial(_read_made, number) for number in (tag.MATRIX, tag.MASKED_ARRAY, tag.RECARRAY)},
}  # fmt: skip
