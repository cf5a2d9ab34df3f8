"""The specification and the code name the same rules, classes and bounds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ksrpc.expose.bound import BOUNDS
from ksrpc.expose.parameter import CLASSES
from ksrpc.expose.preset import load_presets
from ksrpc.expose.rule import RULES, forbid
from ksrpc.model import PARAMETER_CLASSES

ROOT = Path(__file__).resolve().parents[3]
SPEC = (ROOT / "docs" / "spec" / "policy.md").read_text("utf-8")
SOURCE = {path.name: path.read_text("utf-8") for path in (ROOT / "src" / "ksrpc" / "expose").glob("*.py")}


def section(title: str) -> str:
    """Cut one section out of the specification."""
    return re.split(r"^#+ ", SPEC.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_rules_are_those_of_the_specification() -> None:
    """Same ids, same meaning, same order."""
    rows = re.findall(r"^\| `([A-C]\d+)` \| (.+) \|$", section("Rules"), re.MULTILINE)
    assert rows == list(RULES.items())


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_used(rule: str) -> None:
    """No rule without code that refuses by it, none without text below the table."""
    uses = [name for name, text in SOURCE.items() if name != "rule.py" and f'"{rule}"' in text]
    assert uses
    assert SPEC.count(rule) > 1


def test_no_refusal_by_an_unknown_rule() -> None:
    """Every id in the code is in the table."""
    used = {rule for text in SOURCE.values() for rule in re.findall(r'forbid\(\s*"([A-Z]\d+)"', text)}
    assert used <= set(RULES)


def test_parameter_classes_are_documented() -> None:
    """Same names in the same order."""
    rows = re.findall(r"^\| `([a-z:]+)[`\\]", section("Parameter classes"), re.MULTILINE)
    assert [row.removesuffix(":a") for row in rows] == [*PARAMETER_CLASSES]
    assert set(CLASSES) < set(PARAMETER_CLASSES)


def test_bounds_are_documented() -> None:
    """Every bound stands in the table, and nothing else."""
    cells = re.findall(r"^\| (`.+?`) \|", section("Bounds"), re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`([a-z]+)`", cell)} == set(BOUNDS)


def test_shipped_presets_are_documented() -> None:
    """Each root is named."""
    assert all(root in section("Presets") for root in load_presets())


def test_refusal_carries_gate_and_rule() -> None:
    """For programs and for readers."""
    error = forbid("C2", "no")
    assert (error.gate, error.rule, str(error)) == ("C", "C2", "no [gate C, rule C2]")
