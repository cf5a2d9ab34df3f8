"""Count the rows of an encoded value from its head, without building it: what a quota charges.

Rules: nothing of the value is decoded but lengths and shapes; the whole head is checked before a length in it is
believed; what cannot be counted counts as one row; no answer makes this raise.

Source: docs/explanation/quotas.md "What a row is".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Raw
from msgspec.msgpack import decode

from ksrpc.errors import DecodeError
from ksrpc.limits import ANSWER_ROWS, TALLY_NODES
from ksrpc.wire import tag
from ksrpc.wire.assembly import Assembly
from ksrpc.wire.message import CHUNK, PRELUDE
from ksrpc.wire.table import RESULT_TABLE

__all__ = ["count_rows"]

_TABLES: Final = frozenset(
    {tag.ARRAY, tag.OBJECT_ARRAY, tag.FRAME, tag.SERIES, tag.INDEX, tag.RANGE_INDEX, tag.MULTI_INDEX, tag.EXTENSION}
)
#: What may begin a table. Found in other bytes too: then the walk finds none, which costs time and nothing else.
_SUSPECT: Final = re.compile(rb"\xd4\x01[" + b"".join(re.escape(bytes([number])) for number in sorted(_TABLES)) + b"]")
_ITEMS: Final = frozenset({tag.SET, tag.FROZENSET})
#: Tag → where its values stand among the parts.
_VALUES: Final[dict[int, slice]] = {
    tag.TUPLE: slice(0, None), tag.MAP: slice(1, None, 2), tag.ORDERED_DICT: slice(1, None, 2),
    tag.COUNTER: slice(1, None, 2), tag.DEFAULT_DICT: slice(2, None, 2),
}  # fmt: skip
#: Tag → which part is the list of its items or values.
_INNER: Final[dict[int, int]] = {tag.DEQUE: 1, tag.NAMEDTUPLE: 2}
_COLLECTIONS: Final = _ITEMS | _VALUES.keys() | _INNER.keys()
#: Kind of an extension array → which part tells its length, the kind not counted.
_LENGTHS: Final = {"dt": 0, "td": 0, "period": 1, "cat": 1, "interval": 0, "mask": 1, "str": 2, "utf8": 2}
_NIL: Final = 0xC0
_EXT: Final = 0xD4
_UNTAGGED: Final = -1
#: Reading so many bytes once more costs as much as one part: each level of nesting reads what is inside it.
_NODE_BYTES: Final = 1 << 13


def count_rows(pieces: Sequence[bytes | bytearray | memoryview]) -> int:
    """Count the rows of one encoded result.

    Args:
        pieces: The message, cut anywhere.

    Returns:
        At least 0; 1 for a message that is damaged.
    """
    try:
        head = _read_head(_Cursor(pieces))
        decode(head, type=Raw)  # the whole is what it says: no length in it reaches beyond its end
        return min(_Tally().count(memoryview(head)), ANSWER_ROWS)
    except Exception:  # whatever a hostile worker sends: the caller learns from decoding it, not from its bill
        return 1


class _Cursor:
    """Cut a message that lies in pieces into parts; only what spans pieces is copied."""

    __slots__ = ("_at", "_number", "_pieces")

    def __init__(self, pieces: Sequence[bytes | bytearray | memoryview]) -> None:
        self._pieces = pieces
        self._number = 0
        self._at = 0

    def take(self, size: int) -> memoryview:
        """Return the next bytes.

        Raises:
            DecodeError: There are not so many.
        """
        found: list[memoryview] = []
        left = size
        while left:
            if self._number == len(self._pieces):
                raise DecodeError("the value ends too early")
            part = memoryview(self._pieces[self._number]).cast("B")[self._at : self._at + left]
            found.append(part)
            left -= len(part)
            self._at += len(part)
            if left:
                self._number, self._at = self._number + 1, 0
        return found[0] if len(found) == 1 else memoryview(b"".join(found))


def _read_head(cursor: _Cursor) -> Any:
    """Return the first buffer of a message; the others are not looked at.

    Raises:
        DecodeError, TooLargeError: The framing breaks a rule or a bound.
    """
    assembly = Assembly(RESULT_TABLE.limits)
    count = assembly.open(cursor.take(PRELUDE.size))
    assembly.lay(cursor.take(8 * count))
    while assembly.filled_bytes < assembly.lengths[0]:
        chunk = assembly.begin(cursor.take(CHUNK.size))
        cursor.take(chunk.pad)
        assembly.put(chunk, cursor.take(chunk.stored))
    return assembly.buffers[0]


class _Tally:
    """Walk one head. Collections that are too large to be looked into count their items."""

    __slots__ = ("_has_table", "_left")

    def __init__(self) -> None:
        self._left = TALLY_NODES
        self._has_table = False

    def count(self, node: memoryview) -> int:
        """Return the rows of a whole value: those of its tables, or of its items if it has none."""
        if _SUSPECT.search(node):
            rows = self._count_tables(node)
            if self._has_table:
                return rows
            self._left = TALLY_NODES
        return self._count_items(node)

    def _count_tables(self, node: memoryview) -> int:
        number = _tag_of(node)
        if number in _TABLES:
            self._has_table = True
            return _table_rows(node)
        if not _is_collection(node):
            return 0
        children = self._children(node)
        if children is None:
            return _length(node)
        rows = 0
        for child in children:
            if len(child) > 3 and _SUSPECT.search(child):
                rows += self._count_tables(child)
        return rows

    def _count_items(self, node: memoryview) -> int:
        number = _tag_of(node)
        if node[0] == _NIL:
            return 0
        if number == _UNTAGGED:
            return _length(node)
        if number in _ITEMS:
            return _length(node) - 1
        if number == tag.DEQUE:
            return self._count_items(_parts(node)[2])
        return self._count_fields(node) if _is_map(node) or number in _COLLECTIONS else 1

    def _count_fields(self, node: memoryview) -> int:
        """Count what stands side by side: the collections among it, or one record."""
        values = self._children(node)
        if values is None:
            return _length(node)
        rows, is_record = 0, bool(values)
        for value in values:
            if _is_collection(value):
                is_record = False
                rows += self._count_items(value)
        return 1 if is_record else rows

    def _children(self, node: memoryview) -> list[memoryview] | None:
        """Return the values inside a collection; None if they are more than may still be looked at."""
        self._left -= _length(node) + len(node) // _NODE_BYTES
        if self._left < 0:
            return None
        if _is_map(node):
            return [memoryview(value) for value in decode(node, type=dict[str, Raw]).values()]
        number = _tag_of(node)
        parts = _parts(node)
        if number in _INNER:
            inner = parts[_INNER[number] + 1]
            if _tag_of(inner) != _UNTAGGED:
                raise DecodeError("a collection without a list of its items")
            return self._children(inner)
        if number in _VALUES:
            return parts[1:][_VALUES[number]]
        return parts if number == _UNTAGGED else parts[1:]


def _parts(node: memoryview) -> list[memoryview]:
    return [memoryview(part) for part in decode(node, type=list[Raw])]


def _is_map(node: memoryview) -> bool:
    return 0x80 <= node[0] <= 0x8F or node[0] in (0xDE, 0xDF)


def _is_collection(node: memoryview) -> bool:
    number = _tag_of(node)
    return number == _UNTAGGED or number in _COLLECTIONS or _is_map(node)


def _measure(node: memoryview) -> tuple[int, int]:
    """Return the size of the header of an array or map, and its length."""
    first = node[0]
    if first in (0xDC, 0xDE):
        return 3, int.from_bytes(node[1:3], "big")
    if first in (0xDD, 0xDF):
        return 5, int.from_bytes(node[1:5], "big")
    return 1, first & 0x0F


def _length(node: memoryview) -> int:
    return _measure(node)[1]


def _tag_of(node: memoryview) -> int | None:
    """Return the tag of an array, `_UNTAGGED` for one without, None for what is no array."""
    if not (0x90 <= node[0] <= 0x9F or node[0] in (0xDC, 0xDD)):
        return None
    start = _measure(node)[0]
    is_tagged = len(node) > start + 2 and node[start] == _EXT and node[start + 1] == 1
    return node[start + 2] if is_tagged else _UNTAGGED


def _table_rows(node: memoryview) -> int:
    """Return the length of a table's first axis.

    Raises:
        DecodeError: It has none.
    """
    number, parts = _tag_of(node), _parts(node)[1:]
    if number in (tag.ARRAY, tag.OBJECT_ARRAY):
        shape = decode(parts[1 if number == tag.ARRAY else 0], type=list[int])
        return _natural(shape[0]) if shape else 1
    if number in (tag.SERIES, tag.INDEX):
        return _column_rows(parts[0])
    if number == tag.RANGE_INDEX:
        start, stop, step = (decode(part, type=int) for part in parts[:3])
        return max(0, -((start - stop) // step))
    if number == tag.MULTI_INDEX:
        return max(map(_table_rows, _parts(parts[1])), default=0)
    if number == tag.EXTENSION:
        return _column_rows(parts[1 + _LENGTHS[decode(parts[0], type=str)]])
    return _frame_rows(parts[0], _parts(parts[2]))


def _frame_rows(index: memoryview, blocks: list[memoryview]) -> int:
    """Return the rows that a frame has: its blocks tell too, for an index may be a reference."""
    told = [_column_rows(_parts(block)[1]) for block in blocks]
    if _tag_of(index) in _TABLES:
        told.append(_table_rows(index))
    return max(told, default=1)


def _column_rows(node: memoryview) -> int:
    """Return the length of a column: an array, an extension array, items that begin with their number, or a number."""
    number = _tag_of(node)
    if number in _TABLES:
        return _table_rows(node)
    if number == _UNTAGGED:
        return _column_rows(_parts(node)[0])
    if number is not None:
        raise DecodeError("a column of unknown length")
    return _natural(decode(node, type=int))


def _natural(count: int) -> int:
    if count < 0:
        raise DecodeError("a negative length")
    return count
