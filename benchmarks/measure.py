"""Time several contenders in one run, round by round, so that a disturbance meets them all alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Case:
    """Name one contender's way to do the thing that a group measures.

    Attributes:
        name: Shown in the table.
        call: Does it once and returns the result.
        target: Highest ratio to the group's peer that is aimed at; None for peers and where none was set.
    """

    name: str
    call: Callable[[], object]
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Hold the contenders of one comparison; the first is the peer that the others are divided by.

    Attributes:
        title: What is measured, with its size.
        calls: Calls of each contender in one round; the round counts with their median.
        check: Raises if a result is not the right one; run once per contender before anything is timed.
    """

    title: str
    cases: Sequence[Case]
    calls: int
    check: Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Figure:
    """Hold what was measured of one contender: seconds, and ratios to the group's peer; lower is faster."""

    group: str
    name: str
    median_s: float
    low_s: float
    high_s: float
    ratio: float
    ratio_low: float
    ratio_high: float
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """Hold how many a second somebody managed, and ratios to the peer; higher is better, `target` is the least."""

    name: str
    per_s: float
    ratio: float
    ratio_low: float
    ratio_high: float
    target: float | None = None


def time_calls(call: Callable[[], object], calls: int, *, clock: Callable[[], float] = perf_counter) -> float:
    """Call several times and return the median duration; letting go of a result is not counted."""
    durations = []
    for _ in range(calls):
        begin = clock()
        result = call()
        durations.append(clock() - begin)
        del result
    return statistics.median(durations)


def run_group(group: Group, rounds: int, *, clock: Callable[[], float] = perf_counter) -> list[Figure]:
    """Check every contender once, then time them in turn, A B C A B C …, and sum the rounds up."""
    for case in group.cases:
        group.check(case.call())
    times: dict[str, list[float]] = {case.name: [] for case in group.cases}
    for _ in range(rounds):
        for case in group.cases:
            times[case.name].append(time_calls(case.call, group.calls, clock=clock))
    peer = times[group.cases[0].name]
    return [_sum_up(group.title, case, times[case.name], peer=peer) for case in group.cases]


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Give first quartile, median and third quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def _sum_up(title: str, case: Case, mine: Sequence[float], *, peer: Sequence[float]) -> Figure:
    low, middle, high = quartiles(mine)
    ratio_low, _, ratio_high = quartiles([own / other for own, other in zip(mine, peer, strict=True)])
    ratio = middle / statistics.median(peer)
    return Figure(title, case.name, middle, low, high, ratio, ratio_low, ratio_high, case.target)
