"""Time several contenders in one run, round by round, so that a disturbance meets them all alike."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from benchmarks.loop import Loop

_SLICE_S = 0.15


@dataclass(frozen=True, slots=True)
class Case:
    """Name one contender's way to do the thing that a group measures.

    Attributes:
        name: Shown in the table.
        call: Does it once and returns the result.
        target: Highest ratio to the group's peer that is aimed at; None for peers and where none was set.
        beside: The name of the contender that it is divided by, if not the first one.
        loop: Where `call` is to be awaited; None where it blocks.
    """

    name: str
    call: Callable[[], Any]
    target: float | None = None
    beside: str = ""
    loop: Loop | None = None

    def run(self) -> object:
        """Do it once, wherever it is done."""
        return self.call() if self.loop is None else self.loop.run(self.call())

    def time(self, calls: int, clock: Callable[[], float]) -> float:
        """Do it some times and return the median duration."""
        if self.loop is None:
            return time_calls(self.call, calls, clock=clock)
        return self.loop.run(time_awaited(self.call, calls, clock=clock))


@dataclass(frozen=True, slots=True)
class Group:
    """Hold the contenders of one comparison; the first is the peer that the others are divided by.

    Attributes:
        title: What is measured, with its size.
        calls: Calls of each contender in one round; the round counts with their median.
        check: Raises if a result is not the right one; run once per contender before anything is timed.
        absent: Why who is missing is missing, by name.
        most_rounds: Rounds at most, where one takes long.
    """

    title: str
    cases: Sequence[Case]
    calls: int
    check: Callable[[object], None]
    absent: Mapping[str, str] = field(default_factory=dict)
    most_rounds: int = 1_000


@dataclass(frozen=True, slots=True)
class Absence:
    """Say who is not in a group's table, and why."""

    group: str
    name: str
    reason: str


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


@dataclass(frozen=True, slots=True)
class Curve:
    """Hold how something grows: with bytes, the seconds of a call; with callers, the calls per second.

    Attributes:
        target: The least ratio of the last value to the first that is aimed at.
    """

    group: str
    name: str
    xs: Sequence[int]
    values: Sequence[float]
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


async def time_awaited(
    call: Callable[[], Awaitable[object]], calls: int, *, clock: Callable[[], float] = perf_counter
) -> float:
    """Do what `time_calls` does, awaited on the running loop."""
    durations = []
    for _ in range(calls):
        begin = clock()
        result = await call()
        durations.append(clock() - begin)
        del result
    return statistics.median(durations)


def run_group(group: Group, rounds: int, *, clock: Callable[[], float] = perf_counter) -> list[Figure]:
    """Check every contender once, then time them in turn, A B C A B C …, and sum the rounds up."""
    for case in group.cases:
        group.check(case.run())
    calls = {case.name: _affordable(case, group.calls, clock) for case in group.cases}
    times: dict[str, list[float]] = {case.name: [] for case in group.cases}
    for _ in range(min(rounds, group.most_rounds)):
        for case in group.cases:
            times[case.name].append(case.time(calls[case.name], clock))
    first = group.cases[0].name
    return [_sum_up(group.title, case, times[case.name], peer=times[case.beside or first]) for case in group.cases]


def _affordable(case: Case, calls: int, clock: Callable[[], float]) -> int:
    """Tell how many calls of a round a contender gets: fewer where one takes long, so that a round stays short."""
    if calls == 1:
        return 1
    return max(1, min(calls, int(_SLICE_S / max(case.time(3, clock), 1e-9))))


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
