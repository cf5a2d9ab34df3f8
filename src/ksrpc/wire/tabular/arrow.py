"""Columns of pandas whose storage is pyarrow: taken apart and put together again.

Rule: `validate(full=True)` is the very first call on memory from outside; before it, nearly any other can crash. Only
text that is ASCII throughout is spared it: its offsets were checked, and no character of it can be cut in two.

Source: docs/spec/wire.md "Columns of text".
"""

from __future__ import annotations

import importlib.util
from typing import Any, Final

import numpy as np

__all__ = [
    "TEXT_STORAGES",
    "has_arrow",
    "join_texts",
    "make_schema",
    "make_table",
    "make_text_type",
    "split_texts",
    "text_storage",
]

_ASCII = 0x7F
#: Types of Arrow that are text with offsets, by their names there.
TEXT_STORAGES: Final = frozenset({"string", "large_string"})


def has_arrow() -> bool:
    """Tell whether pyarrow is installed, without importing it."""
    return importlib.util.find_spec("pyarrow") is not None


def split_texts(array: Any, valid: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Any] | None:
    """Take a pandas column of text apart.

    Args:
        array: A pandas array whose storage is pyarrow.
        valid: Which items are not missing.

    Returns:
        Offsets from zero and the bytes they point into; None if text stands under a missing item, which is not ours to
        send, or the memory is not laid out as expected.
    """
    chunked = array.__arrow_array__()
    whole = chunked.combine_chunks() if hasattr(chunked, "combine_chunks") else chunked
    if hasattr(whole, "chunks"):
        return None
    if str(whole.type) != "large_string":
        whole = whole.cast("large_string")
    _, offsets_buffer, data = whole.buffers()
    count, first = len(whole), whole.offset
    offsets = np.frombuffer(offsets_buffer, np.int64)[first : first + count + 1]
    if not valid.all() and np.diff(offsets)[~valid].any():
        return None
    start, stop = int(offsets[0]), int(offsets[-1])
    text = memoryview(data)[start:stop] if data is not None else memoryview(b"")
    return (offsets - start if start else offsets), text


def join_texts(dtype: Any, count: int, parts: tuple[Any, Any, Any]) -> Any:
    """Make a pandas column of text around memory from outside.

    Args:
        dtype: A StringDtype whose storage is pyarrow.
        count: Number of items.
        parts: Offsets, which rise from 0 to the end of the text; text; validity bitmap of the right size or None.
    """
    import pyarrow as pa  # noqa: PLC0415

    offsets, text, bitmap = (None if part is None else pa.py_buffer(part) for part in parts)
    array = pa.LargeStringArray.from_buffers(count, offsets, text, bitmap)
    if len(parts[1]) and np.frombuffer(parts[1], np.uint8).max() > _ASCII:
        array.validate(full=True)
    if text_storage(dtype) == "string":
        array = array.cast(pa.string())
    return dtype.__from_arrow__(array)


def text_storage(dtype: Any) -> str:
    """Return the name of the Arrow type of an ArrowDtype that is text; "" for all others."""
    name = str(getattr(dtype, "pyarrow_dtype", ""))
    return name if name in TEXT_STORAGES else ""


def make_text_type(storage: str) -> Any:
    """Return the ArrowDtype of a name that `text_storage` gave."""
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    return pd.ArrowDtype(pa.string() if storage == "string" else pa.large_string())


def make_table(array: Any) -> Any:
    """Return a table of one column without a name, around the memory of a pandas array."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.table([array.__arrow_array__()], names=[""])


def make_schema(dtype: Any) -> Any:
    """Return the schema of such a table for an ArrowDtype."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema([pa.field("", dtype.pyarrow_dtype)])
