"""Tables as an Arrow stream and as Parquet, for other languages. What Arrow would change without a word is refused.

Source: docs/spec/wire.md "Views", https://arrow.apache.org/docs/python/pandas.html.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from ksrpc.errors import EncodeError
from ksrpc.wire.columnar.rows import is_table
from ksrpc.wire.simple import Options, simplify, unique_names

__all__ = ["make_table", "write_parquet", "write_stream"]

#: What a column of objects may hold, one of them at a time. Timestamps of pandas would lose their nanoseconds.
_PLAIN: Final = (str, bytes, bool, int, float, Decimal, dt.date, dt.datetime, dt.time, dt.timedelta)
#: Rows of one batch of a stream, and of one group of a Parquet file.
_BATCH_ROWS: Final = 1 << 16
_GROUP_ROWS: Final = 1 << 17
_CURE: Final = "ask for application/json or text/csv, or convert the column"


class _Drain(io.RawIOBase):
    """Take what a writer of Arrow writes, and give it away from time to time; places in the file stay what they are."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at_bytes = 0

    def writable(self) -> bool:
        """Say that it takes bytes."""
        return True

    def tell(self) -> int:
        """Return how much was written in all."""
        return self._at_bytes

    def write(self, data: Any) -> int:
        """Keep bytes until they are drained."""
        self._parts.append(bytes(data))
        self._at_bytes += len(self._parts[-1])
        return len(self._parts[-1])

    def drain(self) -> list[bytes]:
        """Return what was written since the last time."""
        parts, self._parts = self._parts, []
        return parts


def write_stream(value: Any, options: Options) -> Iterator[bytes]:
    """Show a table as an Arrow IPC stream, block by block.

    Raises:
        EncodeError: A column has no Arrow type, or pyarrow is not installed.
    """
    table = make_table(value, options)
    import pyarrow as pa  # noqa: PLC0415  # only who asks for it pays for it

    sink = _Drain()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
            writer.write_batch(batch)
            yield from sink.drain()
    yield from sink.drain()


def write_parquet(value: Any, options: Options) -> Iterator[bytes]:
    """Show a table as a Parquet file, one group of rows after the other.

    Raises:
        EncodeError: A column has no Arrow or no Parquet type, or pyarrow is not installed.
    """
    table = make_table(value, options)
    import pyarrow as pa  # noqa: PLC0415  # only who asks for it pays for it
    import pyarrow.parquet as pq  # noqa: PLC0415  # only who asks for it pays for it

    sink = _Drain()
    try:
        with pq.ParquetWriter(sink, table.schema) as writer:
            for start in range(0, max(1, len(table)), _GROUP_ROWS):
                writer.write_table(table.slice(start, _GROUP_ROWS))
                yield from sink.drain()
        yield from sink.drain()
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise EncodeError(f"{error}; {_CURE}") from error


def make_table(value: Any, options: Options) -> Any:
    """Make a table of pyarrow: names are texts, an index is columns.

    Raises:
        EncodeError: A column has no Arrow type, or pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise EncodeError("the server has no pyarrow: `pip install 'ksrpc[arrow]'` there, or ask for text/csv")
    import pyarrow as pa  # noqa: PLC0415  # only who asks for it pays for it

    if is_table(value):
        return _columnar(value)
    names, columns = _columns(value, options)
    names = unique_names(names)
    arrays = [_array(name, column) for name, column in zip(names, columns, strict=True)]
    return pa.Table.from_arrays(arrays, names=names)


def _columnar(value: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415  # only who asks for it pays for it

    if type(value).__module__.startswith("polars"):
        value = (value if hasattr(value, "get_columns") else value.to_frame()).to_arrow()
    if isinstance(value, pa.RecordBatch):
        value = pa.Table.from_batches([value])
    if not isinstance(value, pa.Table):
        return pa.table([value], names=["0"])
    return value.rename_columns(unique_names(value.column_names))


def _columns(value: Any, options: Options) -> tuple[list[str], list[Any]]:
    if isinstance(value, list):
        found = list(dict.fromkeys(name for row in value for name in row))
        return [str(simplify(name, options)) for name in found], [[row.get(name) for row in value] for name in found]
    if isinstance(value, np.ndarray):
        grid = value if value.ndim == 2 else value.reshape(-1, 1)
        return [str(at) for at in range(grid.shape[1])], [grid[:, at] for at in range(grid.shape[1])]
    from ksrpc.wire.tabular.rows import take_series  # noqa: PLC0415  # pandas is already in use

    return take_series(value, options)


def _array(name: str, column: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415  # only who asks for it pays for it

    if isinstance(column, list) or column.dtype == object:
        _expect_one_type(name, column)
    try:
        return pa.array(column, from_pandas=not isinstance(column, np.ndarray) or column.dtype == object)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise EncodeError(f"column {name!r}: {error}; {_CURE}") from error


def _expect_one_type(name: str, column: Any) -> None:
    items = [item for item in column if not _is_missing(item)]
    kinds = sorted({type(item).__name__ for item in items})
    if len(kinds) > 1 or (items and type(items[0]) not in _PLAIN):
        raise EncodeError(f"column {name!r} holds {', '.join(kinds)} as objects; {_CURE}")
    if len({str(getattr(item, "tzinfo", None)) for item in items}) > 1:
        raise EncodeError(f"column {name!r} holds times of more than one zone; {_CURE}")
    if items and type(items[0]) is dt.time and items[0].tzinfo is not None:
        raise EncodeError(f"column {name!r} holds times of day with a zone; {_CURE}")


def _is_missing(item: Any) -> bool:
    return item is None or type(item).__name__ in ("NAType", "NaTType") or (type(item) is float and item != item)  # noqa: PLR0124
