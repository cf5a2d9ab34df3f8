"""The cases, one module for each family."""

from __future__ import annotations

from tests.fidelity.case import Case, Row, lacking, name_cases
from tests.fidelity.cases import (
    array,
    binary,
    column,
    container,
    failure,
    foreign,
    label,
    object,
    refusal,
    scalar,
    table,
    time,
)

FAMILIES: list[tuple[str, list[Row]]] = [
    ("scalar", scalar.ROWS),
    ("time", time.ROWS),
    ("container", container.ROWS),
    ("binary", binary.ROWS),
    ("object", object.ROWS),
    ("array", array.ROWS),
    ("array", object.ARRAYS),
    ("label", label.ROWS),
    ("column", column.ROWS),
    ("series", table.SERIES),
    ("frame", table.FRAMES),
    ("failure", failure.ROWS),
    ("foreign", foreign.ROWS),
    ("refusal", refusal.ROWS),
]
#: Name → case, all that there are.
CASES: dict[str, Case] = name_cases(FAMILIES)


def here() -> dict[str, Case]:
    """Return the cases that can be made in this environment."""
    return {name: case for name, case in CASES.items() if not lacking(case.needs)}
