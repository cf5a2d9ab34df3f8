"""What people call every day, written as they write it: one module a group of packages."""

from __future__ import annotations

from tests.everyday import array, standard, table
from tests.everyday.call import Call, call

__all__ = ["CALLS", "Call", "call"]

CALLS: list[Call] = [*standard.CALLS, *array.CALLS, *table.CALLS]
