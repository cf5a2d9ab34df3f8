"""docs/spec/protocol.md says what the code does: numbers, states, codes, limits, the example."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from ksrpc import wire
from ksrpc.errors import BY_CODE
from ksrpc.limits import SESSION
from ksrpc.protocol import FIN, Flag, FrameType, parse_frame
from ksrpc.protocol.callee import Callee
from ksrpc.protocol.caller import Caller
from ksrpc.protocol.state import TRANSITIONS, describe_table

SPEC = (Path(__file__).resolve().parents[3] / "docs/spec/protocol.md").read_text(encoding="utf-8")


def _rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    section = re.split(r"^#+ ", SPEC.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[2:]]


def test_state_table() -> None:
    assert describe_table() in SPEC
    assert sum(len(row) for row in TRANSITIONS.values()) == describe_table().count("\n") - 1


def test_frame_numbers() -> None:
    assert [(int(row[0]), row[1]) for row in _rows("Frame types")] == [(int(kind), kind.name) for kind in FrameType]


def test_frame_directions() -> None:
    callee, caller = Callee._handlers, Caller._handlers
    for row in _rows("Frame types"):
        kind = FrameType(int(row[0]))
        if kind in callee or kind is FrameType.HELLO:
            assert row[2] == "caller", kind
        if kind in caller or kind is FrameType.WELCOME:
            assert row[2] == "callee", kind


def test_flags() -> None:
    assert [(int(row[0]), row[1]) for row in _rows("Flags")] == [(int(f), f.name) for f in Flag if f]


def limits_of(heading: str) -> dict[str, float]:
    """Return the names and values of a table of limits."""
    return {row[0]: float(row[1]) for row in _rows(heading)}


def test_limits() -> None:
    assert limits_of("Limits") == {name: float(value) for name, value in asdict(SESSION).items()}


def test_codes() -> None:
    section = SPEC.split("has no body:\n\n", 1)[1].split("\n\n", 1)[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section, flags=re.M))
    assert told == {code: cls.__name__ for code, cls in BY_CODE.items()}


def test_example() -> None:
    head, body = (bytes.fromhex(line) for line in SPEC.split("```text\n", 1)[1].split("```", 1)[0].splitlines())
    frame = parse_frame(head + body)
    assert (frame.type, frame.flags, frame.call, frame.offset) == (FrameType.CALL, FIN, 1, 0)
    assert frame.meta == {"path": "math.pow", "deadline_ms": 5000}
    assert wire.parse_arguments(frame.body, table=wire.REQUEST_TABLE) == ((2, 3), {})


@pytest.mark.parametrize("code", [1001, 1002, 1008, 4004])
def test_close_codes(code: int) -> None:
    assert f"| {code} |" in SPEC
