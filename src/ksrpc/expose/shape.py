"""Count the elements that a call would make, from its arguments alone.

Nothing is allocated and no library is asked; what cannot be counted counts as one.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

__all__ = ["ELEMENTS", "count_elements", "shape_of", "size_of"]

#: Elements of one result: 1 GiB of float64.
ELEMENTS = 2**27
_NESTED = 4


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape of an array, a frame or nested lists; () for everything else."""
    shape: list[int] = []
    for _ in range(_NESTED):
        own = getattr(value, "shape", None) if type(value).__module__.startswith(("numpy", "pandas")) else None
        if type(own) is tuple:
            return (*shape, *own)
        if type(value) not in (list, tuple, range):
            break
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def size_of(value: Any) -> int:
    """Return the number of elements of a value, 1 for a scalar."""
    return prod(shape_of(value))


def count_elements(shape: Any) -> int:
    """Return the product of a shape argument: a number or a list of numbers."""
    items: Iterable[Any] = shape if isinstance(shape, (list, tuple)) else [shape]
    if type(shape).__module__ == "numpy" and getattr(shape, "ndim", None):
        items = shape.ravel().tolist()
    return prod(_magnitude(item) for item in items)


def _magnitude(item: Any) -> int:
    """Read one axis; what is no number counts as too large, the library refuses it more kindly where it is asked."""
    try:
        return abs(int(item))
    except (TypeError, ValueError, OverflowError):
        return ELEMENTS + 1
