"""The one place that imports pyarrow: columns of text in Arrow's layout.

Rule: `validate(full=True)` is the very first call on memory from outside; before it, nearly any other can crash.

Source: docs/spec/wire.md "Columns of text".
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

__all__ = ["has_arrow", "join_texts", "split_texts"]


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
        parts: Offsets, text, validity bitmap or None.
    """
    import pyarrow as pa  # noqa: PLC0415

    offsets, text, bitmap = (None if part is None else pa.py_buffer(part) for part in parts)
    array = pa.LargeStringArray.from_buffers(count, offsets, text, bitmap)
    array.validate(full=True)
    return dtype.__from_arrow__(array)
