"""Tables and lists in blocks of rows, so that a view of a large one is made and sent piece by piece.

Source: docs/spec/wire.md "Views".
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ksrpc.limits import MIB
from ksrpc.wire.columnar.rows import is_table

__all__ = ["cut_pieces", "is_framed", "is_large", "is_pandas_table", "split_rows"]

#: What one block holds at most: cells, and rows.
_BLOCK_CELLS: Final = 1 << 18
_BLOCK_ROWS: Final = 1 << 16


def is_pandas_table(value: Any) -> bool:
    """Tell whether a value is a DataFrame or Series, or of a class that is one; loads no pandas for it."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series)


def is_framed(value: Any) -> bool:
    """Tell whether a value is a table of any library, and no mere array: what is shown as CSV if nobody says how."""
    return is_pandas_table(value) or (is_table(value) and hasattr(value, "shape") and not _is_array(value))


def is_large(value: Any) -> bool:
    """Tell whether a value has more rows than one block."""
    return _is_rows(value) and len(value) > _rows_of_block(value) and not _is_bare(value)


def split_rows(value: Any) -> Iterator[Any]:
    """Yield a table, array or list in blocks, at least one; an index that says nothing goes on saying nothing."""
    if not is_large(value):
        yield value
        return
    step = _rows_of_block(value)
    is_pandas = is_pandas_table(value)
    is_counted = is_pandas and _is_counted(value.index)
    for start in range(0, len(value), step):
        block = _slice(value, start, step, is_pandas=is_pandas)
        yield block.reset_index(drop=True) if is_counted else block


def cut_pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield bytes in pieces of at most 1 MiB."""
    for part in parts:
        if len(part) <= MIB:
            yield part
            continue
        whole = memoryview(part)
        for start in range(0, len(part), MIB):
            yield bytes(whole[start : start + MIB])


def _is_rows(value: Any) -> bool:
    if isinstance(value, list | tuple) or is_pandas_table(value) or is_table(value):
        return True
    return type(value).__name__ == "ndarray" and value.ndim in (1, 2)


def _is_array(value: Any) -> bool:
    return type(value).__name__.endswith("Array")


def _is_bare(value: Any) -> bool:
    """Tell whether its rows are but a number, which may be any: there is nothing to cut."""
    is_without_columns = len(value.shape) > 1 and not value.shape[1] if hasattr(value, "shape") else False
    return is_without_columns and (not is_pandas_table(value) or type(value.index).__name__ == "RangeIndex")


def _rows_of_block(value: Any) -> int:
    shape: tuple[int, ...] = getattr(value, "shape", ())
    width = shape[1] if len(shape) > 1 else 1
    return max(1, min(_BLOCK_ROWS, _BLOCK_CELLS // max(1, width)))


def _is_counted(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and index.name is None and (index.start, index.step) == (0, 1)


def _slice(value: Any, start: int, step: int, *, is_pandas: bool) -> Any:
    if is_pandas:
        return value.iloc[start : start + step]
    return value.slice(start, step) if is_table(value) else value[start : start + step]
