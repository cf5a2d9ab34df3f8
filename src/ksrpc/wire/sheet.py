"""Canonical forms of pandas' tags: which columns there are, of which type, with which items.

Rules: how a sender cut a frame into blocks, and which encoding it chose for texts, does not count; order of columns,
types, labels, names, frequencies, attrs and flags do.

Source: docs/spec/key.md "Tables".
"""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from types import NoneType
from typing import Any, Final

import numpy as np
from msgspec.msgpack import Ext

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.digest import feed
from ksrpc.wire.dtype import describe_dtype
from ksrpc.wire.form import FORMS, Canonicalizer, blob, read_parts, wrap
from ksrpc.wire.objects import read_objects

__all__: list[str] = []

#: As in the reader of frames: a frame without rows costs nothing on the wire, each of its columns costs time.
_COLUMNS: Final = 1 << 20
_EMPTY_COLUMN: Final = 16
_CODES: Final[dict[int, np.dtype[Any]]] = {1: np.dtype("u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}

_Array = np.ndarray[Any, Any]
#: A block, and which of its columns.
_Column = tuple[_Array, int]


def _items(reader: Canonicalizer, count: Any, kind: Any, *parts: Any) -> list[Any]:
    """Return the forms of items, whichever way they are told."""
    size = reader.integer(count, 0, reader.table.limits.range_level)
    made = _read_dictionary(reader, size, *parts) if kind == "dict" else read_objects(reader, size, kind, *parts)
    return reader.forms(made.tolist())


def _read_dictionary(reader: Canonicalizer, count: int, uniques: Any, width: Any, data: Any) -> _Array:
    """Unfold a dictionary of texts, of which a long one is no text here any more."""
    dtype = _CODES[reader.integer(width, 1, 4)]
    texts = reader.forms(reader.expect(uniques, list))
    reader.spend(count)
    codes: _Array = np.frombuffer(reader.take(data), dtype)
    if len(codes) != count or (count and int(codes.max()) >= len(texts)):
        raise DecodeError("a dictionary that does not fit its array")
    made: _Array = np.fromiter(texts, object, len(texts))[codes]
    return made


def _read_object_array(reader: Canonicalizer, shape: Any, *parts: Any) -> Ext:
    sizes = [reader.integer(size, 0, 1 << 62) for size in reader.expect(shape, list)]
    if len(sizes) > reader.table.limits.ndim:
        raise TooLargeError(f"an array of {len(sizes)} dimensions")
    count = 1
    for size in sizes:
        count *= size
    return reader.add(wrap(tag.OBJECT_ARRAY, sizes, _items(reader, count, *parts)))  # type: ignore[no-any-return]


def _column(reader: Canonicalizer, node: Any) -> Any:
    if type(node) is list:
        made = _items(reader, *node)
        return wrap(tag.OBJECT_ARRAY, [len(made)], made)
    if type(node) is np.ndarray:
        _claim(reader, node)
    return reader.form(node)


def _claim(reader: Canonicalizer, array: _Array) -> None:
    """Take an array as part of a table: it is hashed as often as it is claimed."""
    if not reader.claim(array):
        raise DecodeError("memory that stands in two columns")


def _read_frame(reader: Canonicalizer, index: Any, columns: Any, blocks: Any, *tail: Any) -> Ext:
    placed: dict[int, _Column] = {}
    single: list[tuple[int, Any]] = []
    for block in reader.expect(blocks, list):
        place, node = reader.expect(block, list)
        if type(node) is np.ndarray:
            _claim(reader, node)
            _place(reader, placed, place, node)
        else:
            single.append((reader.integer(place, 0, _COLUMNS), _column(reader, node)))
    if len({position for position, _ in single}.union(placed)) != len(single) + len(placed):
        raise DecodeError("a column that is there twice")
    single.sort(key=lambda column: column[0])
    parts = reader.forms([index, columns, *tail])
    return reader.add(wrap(tag.FRAME, parts, _tell_groups(placed), single))  # type: ignore[no-any-return]


def _place(reader: Canonicalizer, placed: dict[int, _Column], place: Any, node: _Array) -> None:
    if node.ndim not in (1, 2):
        raise DecodeError("a block of more than two dimensions")
    block = node.reshape(-1, 1) if node.ndim == 1 else node
    rows, count = block.shape
    if count > _COLUMNS:
        raise TooLargeError(f"a DataFrame of {count} columns")
    if rows == 0:
        reader.spend(_EMPTY_COLUMN * count)
    before = len(placed)
    placed.update((position, (block, number)) for number, position in enumerate(_positions(reader, place, count)))
    if len(placed) != before + count:
        raise DecodeError("a column that is there twice")


def _positions(reader: Canonicalizer, place: Any, count: int) -> list[int] | range:
    if type(place) is not list:
        first = 0 if place is None else reader.integer(place, 0, _COLUMNS)
        return range(first, first + count)
    if len(place) != count:
        raise DecodeError("a block that does not fit its place")
    return [reader.integer(position, 0, _COLUMNS) for position in place]


def _tell_groups(placed: dict[int, _Column]) -> list[Any]:
    """Tell all columns of one type together, one after the other, whatever blocks they came in."""
    groups: dict[Any, list[int]] = {}
    for position in sorted(placed):
        groups.setdefault(placed[position][0].dtype, []).append(position)
    return [_tell_group(dtype, positions, placed) for dtype, positions in groups.items()]


def _tell_group(dtype: np.dtype[Any], positions: list[int], placed: dict[int, _Column]) -> list[Any]:
    columns = [placed[position] for position in positions]
    block = columns[0][0]
    hasher = sha256()
    if all(column[0] is block for column in columns) and [number for _, number in columns] == [*range(block.shape[1])]:
        feed(hasher, block.T)
    else:
        for part, number in columns:
            feed(hasher, part[:, number])
    if len({len(part) for part, _ in columns}) != 1:
        raise DecodeError("columns of different lengths")
    return [describe_dtype(dtype), positions, len(block), hasher.digest()]


def _read_series(reader: Canonicalizer, node: Any, *parts: Any) -> Ext:
    return reader.add(wrap(tag.SERIES, _column(reader, node), *reader.forms(list(parts))))  # type: ignore[no-any-return]


def _read_index(reader: Canonicalizer, node: Any, *parts: Any) -> Ext:
    return reader.add(wrap(tag.INDEX, _column(reader, node), *reader.forms(list(parts))))  # type: ignore[no-any-return]


def _read_counted(number: int, reader: Canonicalizer, *parts: Any) -> Ext:
    return reader.add(read_parts(number, reader, *parts))  # type: ignore[no-any-return]


def _read_extension(reader: Canonicalizer, kind: Any, *parts: Any) -> Ext:
    read = _EXTENSIONS.get(reader.expect(kind, str))
    return read_parts(tag.EXTENSION, reader, kind, *parts) if read is None else read(reader, *parts)


def _read_masked(reader: Canonicalizer, name: Any, node: Any, bitmap: Any) -> Ext:
    count = len(reader.expect(node, np.ndarray))
    valid = _read_valid(reader, bitmap, count)
    told = None if valid.all() else blob(tag.BYTES, np.packbits(valid).data)
    return wrap(tag.EXTENSION, "mask", *reader.forms([name, node]), told)


def _read_valid(reader: Canonicalizer, bitmap: Any, count: int) -> np.ndarray[Any, Any]:
    if bitmap is None:
        return np.ones(count, bool)
    bits: _Array = np.frombuffer(reader.take(bitmap), np.uint8)
    if len(bits) != (count + 7) // 8:
        raise DecodeError("a bitmap that does not fit its array")
    return np.unpackbits(bits, count=count, bitorder="little").astype(bool)


def _read_texts(reader: Canonicalizer, storage: Any, missing: Any, *parts: Any) -> Ext:
    items = _items(reader, *parts)
    if not {str, NoneType}.issuperset(map(type, items)):
        return wrap(tag.EXTENSION, "items", *reader.forms([storage, missing, items]))
    data = [None if item is None else item.encode() for item in items]
    sizes = np.fromiter((-1 if item is None else len(item) for item in data), "<i8", len(data))
    return _tell_texts(reader, (storage, missing), sizes, b"".join(filter(None, data)))


def _read_utf8(reader: Canonicalizer, storage: Any, missing: Any, count: Any, *parts: Any) -> Ext:
    offsets_node, text_node, bitmap = parts
    size = reader.integer(count, 1, reader.table.limits.elements)
    offsets: _Array = np.frombuffer(reader.take(offsets_node), "<i8")
    text = reader.take(text_node)
    sizes = np.diff(offsets)
    if len(offsets) != size + 1 or offsets[0] != 0 or offsets[-1] != len(text) or (offsets[1:] < offsets[:-1]).any():
        raise DecodeError("a text column whose offsets cannot be")
    gone = ~_read_valid(reader, bitmap, size)
    if sizes[gone].any():
        return reader.give_up()  # text that nobody will see
    sizes[gone] = -1
    return _tell_texts(reader, (storage, missing), sizes, text)


def _tell_texts(reader: Canonicalizer, dtype: tuple[Any, Any], sizes: _Array, text: Any) -> Ext:
    hasher = sha256(sizes.tobytes())
    hasher.update(text)
    return wrap(tag.EXTENSION, "texts", *reader.forms(list(dtype)), len(sizes), hasher.digest())


def _read_sparse(reader: Canonicalizer, values: Any, *parts: Any) -> Ext:
    return wrap(tag.EXTENSION, "sparse", _column(reader, values), *reader.forms(list(parts)))


def _read_numpy(reader: Canonicalizer, values: Any) -> Ext:
    return wrap(tag.EXTENSION, "np", _column(reader, values))


def _read_arrow(reader: Canonicalizer, data: Any) -> Ext:
    reader.take(data)
    return reader.give_up()


_EXTENSIONS: Final[dict[str, Any]] = {
    "mask": _read_masked, "str": _read_texts, "utf8": _read_utf8, "sparse": _read_sparse, "np": _read_numpy,
    "arrow": _read_arrow,
}  # fmt: skip


def _read_strings(reader: Canonicalizer, shape: Any, missing: Any, is_coerced: Any, *items: Any) -> Ext:
    form = _read_object_array(reader, shape, *items)
    reader.made[-1] = wrap(tag.STRING_ARRAY, form, *reader.forms([missing, is_coerced]))
    return reader.made[-1]  # type: ignore[no-any-return]


FORMS.update({
    tag.STRING_ARRAY: _read_strings, tag.OBJECT_ARRAY: _read_object_array, tag.FRAME: _read_frame,
    tag.SERIES: _read_series, tag.INDEX: _read_index,
    tag.RANGE_INDEX: partial(_read_counted, tag.RANGE_INDEX),
    tag.MULTI_INDEX: partial(_read_counted, tag.MULTI_INDEX), tag.EXTENSION: _read_extension,
})  # fmt: skip
