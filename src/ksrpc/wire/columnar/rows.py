"""Tables of pyarrow and polars as names and plain columns, for the views. They have no index.

Source: docs/spec/wire.md "Views".
"""

from __future__ import annotations

from typing import Any, Final

from ksrpc.wire.simple import Options, simplify, unique_names

__all__ = ["is_table", "orient", "simplify_columnar", "take_columns"]

_TABLES: Final = frozenset({
    "pyarrow.Table", "pyarrow.RecordBatch", "pyarrow.ChunkedArray", "polars.DataFrame", "polars.Series",
})  # fmt: skip


def is_table(value: Any) -> bool:
    """Tell whether a value is a table of one of these libraries, by the name of its class."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    if f"{library}.{kind.__name__}" in _TABLES:
        return True
    return library == "pyarrow" and kind.__name__.endswith("Array")


def take_columns(value: Any, options: Options) -> tuple[list[str], list[list[Any]]]:
    """Return names and columns of a table; repeated names get `.1`, `.2`, an array without a name is "0"."""
    names, columns = _parts(value)
    return unique_names(names), [simplify(_items(column), options) for column in columns]


def _parts(value: Any) -> tuple[list[str], list[Any]]:
    if hasattr(value, "get_columns"):
        return value.columns, value.get_columns()
    if hasattr(value, "column_names"):
        return value.column_names, value.columns
    return [getattr(value, "name", "") or "0"], [value]


def _items(column: Any) -> list[Any]:
    items: list[Any] = column.to_list() if hasattr(column, "to_list") else column.to_pylist()
    return items


def orient(value: Any, options: Options) -> dict[str, Any]:
    """Return the parts that `orient=split` and `orient=tight` show, with an index of 0, 1, 2…"""
    names, columns = take_columns(value, options)
    rows = [list(row) for row in zip(*columns, strict=True)]
    made = {"columns": names, "index": list(range(len(rows))), "data": rows}
    return made | {"index_names": [None], "column_names": [None]} if options.orient == "tight" else made


def simplify_columnar(value: Any, options: Options) -> Any:
    """Return the plain form of any other value: a column's items, a scalar's value, the text of a type."""
    if hasattr(value, "as_py"):
        return simplify(value.as_py(), options)
    if not is_table(value):
        return str(value)
    names, columns = take_columns(value, options)
    if not hasattr(value, "column_names") and not hasattr(value, "get_columns"):
        return columns[0]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
