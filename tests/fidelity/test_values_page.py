"""The table of docs/reference/values.md is that of the cases."""

from __future__ import annotations

import re

from tests.fidelity.case import Row
from tests.fidelity.cases import FAMILIES
from tests.helpers.server import ROOT

PAGE = ROOT / "docs" / "reference" / "values.md"
ARGUMENT = {"request": "yes", "any": "any", "result": "no", "sent": "any", "never": "no"}
CELLS = re.compile(r"^\| (.+?) \| (.+?) \| (yes|any|no) \|(.*)\|$", re.MULTILINE)


def _arrives(row: Row) -> str:
    """Say what the second cell must begin with: only what is itself on every way may be called the same."""
    if row.scope in ("never", "sent"):
        return "refused"
    return "the same" if row.stand_in is None and row.argument is None else ""


def test_the_page_has_a_row_for_each_kind_of_cases_and_no_other() -> None:
    told = [what for what, _, _, _ in CELLS.findall(PAGE.read_text(encoding="utf-8"))]
    assert told == [row.what for _, rows in FAMILIES for row in rows]


def test_what_the_page_says_is_what_the_cases_show() -> None:
    told = {what: (arrives, argument) for what, arrives, argument, _ in CELLS.findall(PAGE.read_text(encoding="utf-8"))}
    for _, rows in FAMILIES:
        for row in rows:
            arrives, argument = told[row.what]
            assert argument == ARGUMENT[row.scope], row.what
            assert arrives.startswith(_arrives(row)), row.what
            assert arrives != "the same" or _arrives(row) == "the same", row.what
