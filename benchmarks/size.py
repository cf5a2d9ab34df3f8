"""Time frames of growing size."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import bars
from benchmarks.measure import Absence, Case, Curve, Figure, Group, run_group
from benchmarks.stage import TRANSPORTS, Stage, compare_frame

GROUP = "Growth with size: frames of 10 columns of float64"
_ROW_BYTES = 80
#: Rows, and calls in a round.
_SIZES = {1: 50, 10: 50, 100: 50, 1_000: 50, 10_000: 20, 100_000: 5, 1_000_000: 1}


def grow_sizes(stage: Stage, rounds: int) -> Iterator[Curve | Absence]:
    """Time each contender at each size; all of them take turns at one size, then at the next."""
    found: dict[str, list[Figure]] = {}
    absent: dict[str, str] = {}
    connections = {transport: stage.connect(transport) for transport in TRANSPORTS}
    for rows, calls in _SIZES.items():
        cases, absent = stage.peer_cases("frame_of", rows, first="flight")
        for transport, connection in connections.items():
            frame_of = stage.module("bars", connection).frame_of
            cases.append(Case(f"ksrpc {transport}, process", lambda f=frame_of, rows=rows: f(rows)))  # type: ignore[misc]
        for figure in run_group(Group(GROUP, cases, calls, compare_frame(bars.frame_of(rows))), rounds):
            found.setdefault(figure.name, []).append(figure)
    for name, figures in found.items():
        yield Curve(GROUP, name, [rows * _ROW_BYTES for rows in _SIZES], [figure.median_s for figure in figures])
    for name, reason in absent.items():
        yield Absence(GROUP, name, reason)
