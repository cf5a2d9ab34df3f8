"""Tables of pandas as names and plain columns, for the views.

Source: docs/spec/wire.md "Views".
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ksrpc.errors import EncodeError
from ksrpc.wire.simple import Options, encode_json, simplify, unique_names
from ksrpc.wire.tabular.library import pd

__all__ = ["simplify_pandas", "split", "take_columns", "take_series", "tighten"]

_RANGE_ROWS: Final = 10**6


def take_columns(table: Any, options: Options) -> tuple[list[str], list[list[Any]]]:
    """Return names and columns of a Series or DataFrame; an index that says something comes first."""
    frame = _frame(table)
    names, columns = _index_columns(frame.index, options)
    for position in range(frame.shape[1]):
        names.append(_label(frame.columns[position], options))
        columns.append(_column(frame.iloc[:, position], options))
    return unique_names(names), columns


def take_series(table: Any, options: Options) -> tuple[list[str], list[Any]]:
    """Do what `take_columns` does, but keep columns as Series; periods and intervals are texts."""
    frame = _frame(table)
    levels = range(frame.index.nlevels)
    names = _index_names(frame.index, options)
    series = [pd.Series(frame.index.get_level_values(level)) for level in levels] if names else []
    names += [_label(label, options) for label in frame.columns]
    series += [frame.iloc[:, position] for position in range(frame.shape[1])]
    return names, [_texts_of_spans(one) for one in series]


def _texts_of_spans(series: Any) -> Any:
    is_span = isinstance(series.dtype, pd.PeriodDtype | pd.IntervalDtype)
    return [None if pd.isna(item) else str(item) for item in series] if is_span else series


def split(table: Any, options: Options) -> dict[str, Any]:
    """Return the parts that `orient=split` shows: columns, index, data."""
    frame = _frame(table)
    columns = [_column(frame.iloc[:, position], options) for position in range(frame.shape[1])]
    rows = [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in range(len(frame))]
    labels = [_label(label, options) for label in frame.columns]
    return {"columns": labels, "index": _index(frame.index, options), "data": rows}


def tighten(table: Any, options: Options) -> dict[str, Any]:
    """Return what pandas' own `to_dict("tight")` holds: labels stay what they are, and all names are kept."""
    frame = _frame(table)
    return {
        "index": _index(frame.index, options),
        "columns": [_item(label, options) for label in frame.columns.tolist()],
        "data": split(frame, options)["data"],
        "index_names": [_item(name, options) for name in frame.index.names],
        "column_names": [_item(name, options) for name in frame.columns.names],
    }


def simplify_pandas(value: Any, options: Options) -> Any:
    """Return the plain form of any other value of pandas."""
    if isinstance(value, pd.DataFrame | pd.Series):
        names, columns = take_columns(value, options)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(value, pd.Index):
        _expect_bounded(value)
        return _index(value, options)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return _column(pd.Series(value), options)
    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, pd.Period | pd.Interval | pd.api.extensions.ExtensionDtype):
        return str(value)
    if isinstance(value, pd.tseries.offsets.BaseOffset):
        return value.freqstr
    raise EncodeError(f"{type(value).__module__}.{type(value).__qualname__} has no plain form")


def _frame(table: Any) -> Any:
    if isinstance(table, pd.Series):
        return table.to_frame("value" if table.name is None else table.name)
    if not table.shape[1]:
        _expect_bounded(table.index)
    return table


def _expect_bounded(index: Any) -> None:
    """Refuse what is few bytes on the wire and any number of rows when it is written out."""
    if isinstance(index, pd.RangeIndex) and len(index) > _RANGE_ROWS:
        raise EncodeError(f"a range of {len(index)} rows without columns")


def _index(index: Any, options: Options) -> Any:
    return simplify(index.tolist(), options) if isinstance(index, pd.MultiIndex) else _column(pd.Series(index), options)


def _index_columns(index: Any, options: Options) -> tuple[list[str], list[list[Any]]]:
    names = _index_names(index, options)
    parts = [index.get_level_values(level) for level in range(len(names))]
    return names, [_column(pd.Series(part), options) for part in parts]


def _index_names(index: Any, options: Options) -> list[str]:
    """Return the names of the columns that an index becomes; none for 0, 1, 2…"""
    if isinstance(index, pd.RangeIndex) and index.name is None and (index.start, index.step) == (0, 1):
        return []
    single = "index" if index.nlevels == 1 else None
    return [
        (single or f"level_{level}") if name is None else _label(name, options)
        for level, name in enumerate(index.names)
    ]


def _column(series: Any, options: Options) -> list[Any]:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biufc":
        listed: list[Any] = simplify(series.to_numpy(), options)
        return listed
    return [_item(item, options) for item in series.astype(object).tolist()]


def _item(item: Any, options: Options) -> Any:
    return None if item is pd.NaT or item is pd.NA else simplify(item, options)


def _label(label: Any, options: Options) -> str:
    plain = simplify(label, options)
    return plain if isinstance(plain, str) else encode_json(plain).decode()
