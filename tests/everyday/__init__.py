"""What people call every day, written as they write it: one module a group of packages."""

from __future__ import annotations

from tests.everyday import column, numpy, pandas, science, seldom, standard
from tests.everyday.call import Call, call
from tests.helpers.census import find

__all__ = ["CALLS", "CLOSED", "Call", "call", "systematic"]

_WRITTEN = [*standard.CALLS, *numpy.CALLS, *pandas.CALLS, *seldom.CALLS, *column.CALLS, *science.CALLS]
#: What only other versions have is left out.
CALLS: list[Call] = [one for one in _WRITTEN if find(one.path) is not None]
#: Paths that people would call, too, and that stay closed.
CLOSED: list[str] = " ".join([standard.CLOSED, numpy.CLOSED, pandas.CLOSED]).split()


def systematic() -> list[Call]:
    """Give calls of what comes in large families."""
    return [*science.of_distributions(), *science.of_ufuncs()]
