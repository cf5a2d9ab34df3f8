"""What people call every day, written as they write it: one module a group of packages."""

from __future__ import annotations

from tests.everyday import array, column, science, standard, table
from tests.everyday.call import Call, call

__all__ = ["CALLS", "Call", "call", "systematic"]

CALLS: list[Call] = [*standard.CALLS, *array.CALLS, *table.CALLS, *column.CALLS, *science.CALLS]


def systematic() -> list[Call]:
    """Give calls of what comes in large families."""
    return [*science.of_distributions(), *science.of_ufuncs()]
