"""The attacks are as many and as various as the policy promises, and the table of holes names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.helpers.launch import ROOT
from tests.security.attack import gadget, walk
from tests.security.attack.body import BODIES, Body
from tests.security.attack.case import CLASSES, Attack
from tests.security.attack.request import REQUESTS, Request

ATTACKS: list[Attack | Body | Request] = [*walk.ATTACKS, *gadget.ATTACKS, *gadget.BINARY, *BODIES, *REQUESTS]
LINES = re.findall(r"^\| (H\d+) \| (.+?) \| (.+) \|$", (ROOT / "docs/explanation/threats.md").read_text("utf-8"), re.M)
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_there_are_more_than_enough_attacks_each_with_a_name_of_its_own() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names))
    assert len(names) >= 250


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_has_attacks(kind: str) -> None:
    assert sum(attack.kind == kind for attack in ATTACKS) >= 5


def test_the_table_has_every_row_once_and_in_order() -> None:
    assert [row for row, _, _ in LINES] == [f"H{number}" for number in range(1, 46)]


@pytest.mark.parametrize(("row", "hole", "proof"), LINES, ids=[row for row, _, _ in LINES])
def test_a_row_names_a_test_that_exists_or_says_why_it_remains(row: str, hole: str, proof: str) -> None:
    named = _NAMED.findall(proof)
    assert hole
    assert named or proof.startswith("remains"), row
    for path, function in named:
        assert function in names_in(path), f"{row}: {path} has no {function}"


@cache
def names_in(path: str) -> set[str]:
    """List the functions of a file of tests."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
