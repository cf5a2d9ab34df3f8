"""Time the way of frames and of records out of another process's memory to objects here."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measure import Case, Group
from benchmarks.stage import TRANSPORTS, Stage, check_answer

_TARGETS = {"frame_large": 0.6}
_TITLES = {
    "frame_small": ("Frame of 250 × 4 float64 (8 kB)", 50, 15),
    "frame_mixed": ("Frame of 100 000 × 8, two columns of text", 3, 15),
    "frame_large": ("Frame of 1 000 000 × 10 float64 (80 MB)", 1, 15),
    "frames_ten": ("Dict of 10 frames of 250 × 4", 20, 15),
    "records": ("10 000 records (a list of dicts)", 2, 10),
    "tree": ("Nested dicts and lists, 1 MB of JSON", 5, 10),
}
_FIRST = {"records": "rpyc", "tree": "rpyc", "frames_ten": "outofband"}


def groups(stage: Stage) -> Iterator[Group]:
    """Compare the peers that can carry each with blocking and awaited calls."""
    for name, (title, calls, rounds) in _TITLES.items():
        cases, absent = stage.peer_cases(name, first=_FIRST.get(name, "flight"))
        yield Group(title, [*cases, *_own_cases(stage, name)], calls, check_answer(name), absent, rounds)


def _own_cases(stage: Stage, name: str) -> Iterator[Case]:
    for transport in TRANSPORTS:
        connection, label = stage.connect(transport), f"ksrpc {transport}, process"
        target = _TARGETS.get(name)
        yield Case(label, getattr(stage.module("bars", connection), name), target)
        awaited = getattr(stage.module("bars", connection, awaited=True), name)
        yield Case(f"{label}, awaited", awaited, target, loop=stage.loop)
