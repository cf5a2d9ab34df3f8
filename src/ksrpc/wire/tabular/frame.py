"""DataFrames: one two-dimensional buffer for all columns of one type, and where they stand.

Rules: only public interfaces of pandas; columns of objects and extension types one by one; every column is placed
exactly once, checked here because pandas does not; a subclass travels as a DataFrame, with its attrs.

Source: docs/spec/wire.md "Frames".
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.array import write_plain_array
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.registry import READERS, WRITERS, Refusal
from ksrpc.wire.tabular.column import expect_index, read_column, unfold, write_column
from ksrpc.wire.tabular.library import create_frame_of_blocks, pd
from ksrpc.wire.tabular.series import read_tail, write_tail
from ksrpc.wire.template import Outline

__all__: list[str] = []

#: A frame without rows costs nothing on the wire, each of its columns costs memory.
_COLUMNS: Final = 1 << 20
_EMPTY_COLUMN: Final = 16

#: Indexes without anything that can be set, but for their names: a view has its own.
_FIXED: Final = frozenset({pd.Index, pd.RangeIndex})

_Block = tuple[Any, Any]  # array, positions of its columns


def _write(encoder: Encoder, frame: Any) -> Any:
    known = encoder.known(frame)
    if known:
        return known
    if frame.shape[1] > _COLUMNS:
        raise Refusal(f"a DataFrame of {frame.shape[1]} columns")
    mark = encoder.mark(tag.FRAME)
    plain = frame if type(frame) is pd.DataFrame else pd.DataFrame(frame, copy=False)  # its own methods may differ
    made = [mark, encoder.part(plain.index, ".index"), encoder.part(plain.columns, ".columns")]
    made.append(_write_blocks(encoder, plain))
    made += write_tail(encoder, frame)
    encoder.count(frame)
    return made


def _write_blocks(encoder: Encoder, frame: Any) -> list[Any]:
    groups: dict[Any, list[int]] = {}
    alone: list[int] = []
    for position, dtype in enumerate(frame.dtypes.tolist()):
        if isinstance(dtype, np.dtype) and dtype.kind != "O":
            groups.setdefault(dtype, []).append(position)
        else:
            alone.append(position)
    blocks = [_write_group(encoder, frame, positions) for positions in groups.values()]
    return blocks + [_write_single(encoder, frame, position) for position in alone]


def _write_group(encoder: Encoder, frame: Any, positions: list[int]) -> list[Any]:
    first, count = positions[0], len(positions)
    place: Any = positions
    if count == frame.shape[1]:
        part, place = frame, None
    elif positions[-1] - first == count - 1:
        part, place = frame.iloc[:, first : first + count], first
    else:
        part = frame.iloc[:, positions]
    values = part.to_numpy()
    if not values.flags.c_contiguous:
        values = np.asfortranarray(values)
    return [place, write_plain_array(encoder, values)]


def _write_single(encoder: Encoder, frame: Any, position: int) -> list[Any]:
    try:
        return [position, write_column(encoder, frame.iloc[:, position])]
    except Refusal as refusal:
        label = frame.columns[position]
        raise refusal.at(f"[{label.item() if isinstance(label, np.generic) else label!r}]") from None


def _read(decoder: Decoder, index: Any, columns: Any, parts: Any, attrs: Any, duplicates: Any) -> Any:
    rows, width = len(expect_index(index)), len(expect_index(columns))
    if width > _COLUMNS:
        raise TooLargeError(f"a DataFrame of {width} columns")
    unfold(decoder, columns)
    if rows == 0:
        decoder.spend(_EMPTY_COLUMN * width)
    blocks = [_read_block(decoder, part, rows, width) for part in decoder.expect(parts, list)]
    _check_places(blocks, width)
    make = _make_whole if create_frame_of_blocks is not None else _make_parts
    frame = read_tail(decoder, make(blocks, index, columns), attrs, duplicates)
    if len(decoder.made) == 4 and attrs is None and duplicates is True:
        _note_outline(decoder, frame, blocks)
    return frame


def _note_outline(decoder: Decoder, frame: Any, blocks: list[_Block]) -> None:
    """See whether a frame is one array in the order of its columns, with labels that nobody can change."""
    index, columns, array, _ = decoder.made
    is_whole = len(blocks) == 1 and blocks[0][0] is array and isinstance(blocks[0][1], range)
    kinds = {type(index), type(columns)}
    if not is_whole or array.ndim != 2 or array.dtype.kind == "b":  # truth values are looked at each time
        return
    if not kinds <= _FIXED or create_frame_of_blocks is None:
        return
    place = _place(blocks[0][1])
    place.flags.writeable = False

    def make(other: np.ndarray[Any, Any]) -> Any:
        return create_frame_of_blocks([(other.T, place)], index=index.view(), columns=columns.view())

    decoder.outline = Outline(frame, array, make)


def _read_block(decoder: Decoder, part: Any, rows: int, width: int) -> _Block:
    if len(decoder.expect(part, list)) != 2:
        raise DecodeError("a block that cannot be")
    place, node = part
    ndim = node.ndim if type(node) is np.ndarray and node.ndim in (1, 2) else 1
    array = read_column(decoder, node, ndim=ndim)
    count = array.shape[1] if ndim == 2 else 1
    if array.shape[0] != rows or count > width:
        raise DecodeError("a block that does not fit its frame")
    return array, _positions(decoder, place, count, width)


def _positions(decoder: Decoder, place: Any, count: int, width: int) -> list[int] | range:
    if type(place) is list:
        if len(place) != count:
            raise DecodeError("a block that does not fit its place")
        return [decoder.integer(position, 0, width - 1) for position in place]
    first = 0 if place is None else decoder.integer(place, 0, width - 1)
    if first + count > width:
        raise DecodeError("a block that does not fit its place")
    return range(first, first + count)


def _check_places(blocks: list[_Block], width: int) -> None:
    count = sum(len(positions) for _, positions in blocks)
    if count != width or not _are_distinct(blocks):
        raise DecodeError("a frame whose columns are not each there once")


def _are_distinct(blocks: list[_Block]) -> bool:
    if not blocks:
        return True
    taken = np.concatenate([_place(positions) for _, positions in blocks])
    return bool(np.bincount(taken).max(initial=0) <= 1)


def _place(positions: list[int] | range) -> np.ndarray[Any, Any]:
    if isinstance(positions, range):
        return np.arange(positions.start, positions.stop, dtype=np.intp)
    return np.array(positions, np.intp)


def _make_whole(blocks: list[_Block], index: Any, columns: Any) -> Any:
    if not blocks:
        return pd.DataFrame(index=index, columns=columns)
    laid = []
    for array, positions in blocks:
        values = array
        if isinstance(array, np.ndarray):
            values = array.T if array.ndim == 2 else array.reshape(1, -1)
        laid.append((values, _place(positions)))
    return create_frame_of_blocks(laid, index=index, columns=columns)


def _make_parts(blocks: list[_Block], index: Any, columns: Any) -> Any:
    """Build a frame on pandas 2, which has no public way to place blocks."""
    if len(blocks) == 1 and isinstance(blocks[0][0], np.ndarray) and blocks[0][0].ndim == 2:
        array, positions = blocks[0]
        ordered = array if list(positions) == list(range(len(columns))) else array[:, np.argsort(positions)]
        return pd.DataFrame(ordered, index=index, columns=columns, copy=False)
    if not blocks:
        return pd.DataFrame(index=index, columns=columns)
    parts = [
        pd.DataFrame(array, copy=False)
        if isinstance(array, np.ndarray) and array.ndim == 2
        else pd.DataFrame({0: pd.Series(array, dtype=array.dtype, copy=False)}, copy=False)
        for array, _ in blocks
    ]
    frame = pd.concat(parts, axis=1, copy=False)
    places = [position for _, positions in blocks for position in positions]
    if places != list(range(len(columns))):
        frame = frame.iloc[:, np.argsort(places)]
    frame.index, frame.columns = index, columns
    return frame


WRITERS[pd.DataFrame] = _write
register_base(pd.DataFrame, _write)
READERS[tag.FRAME] = _read
