"""Count the calls per second of several callers at the same time: threads, tasks, greenlets."""

from __future__ import annotations

import asyncio
import statistics
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter
from typing import Any

from benchmarks.measure import Absence, Curve
from benchmarks.peer import PEERS, POW
from benchmarks.stage import TRANSPORTS, Stage

CALLERS = (1, 2, 8, 16, 64)
NAP_S = 0.005
_TARGET = 3.0
_SLICE_S = 0.2
SMALL = "Callers at the same time: math.pow(2, 3)"
PROCESS = "Callers at the same time: math.pow(2, 3) in worker processes"
WAITING = "Callers at the same time: a call that waits 5 ms"

Rate = Callable[[int, float], float]


@dataclass(frozen=True, slots=True)
class Crew:
    """Name what can be made by any number of callers; `rate` tells the calls per second of so many for so long."""

    name: str
    rate: Rate
    target: float | None = None


def by_threads(calls: Sequence[Callable[[], object]], wanted: object) -> Rate:
    """Give the rate of threads; each has a call of its own where there are several."""

    def rate(callers: int, duration_s: float) -> float:
        barrier = threading.Barrier(callers + 1)

        def work(call: Callable[[], object]) -> int:
            barrier.wait()
            end, count = perf_counter() + duration_s, 0
            while perf_counter() < end:
                _compare(call(), wanted)
                count += 1
            return count

        with ThreadPoolExecutor(callers) as pool:
            workers = [pool.submit(work, calls[number % len(calls)]) for number in range(callers)]
            barrier.wait()
            begin = perf_counter()
            total = sum(worker.result() for worker in workers)
            return total / (perf_counter() - begin)

    return rate


def by_tasks(stage: Stage, call: Callable[[], Awaitable[object]], wanted: object) -> Rate:
    """Give the rate of tasks on one loop."""

    async def work(end: float) -> int:
        count = 0
        while perf_counter() < end:
            _compare(await call(), wanted)
            count += 1
        return count

    async def run(callers: int, duration_s: float) -> float:
        begin = perf_counter()
        total = sum(await asyncio.gather(*(work(begin + duration_s) for _ in range(callers))))
        return total / (perf_counter() - begin)

    return lambda callers, duration_s: stage.loop.run(run(callers, duration_s))


def by_greenlets(call: Callable[[], object], wanted: object) -> Rate:
    """Give the rate of greenlets in this thread."""
    gevent: Any = import_module("gevent")

    def work(end: float) -> int:
        count = 0
        while perf_counter() < end:
            _compare(call(), wanted)
            count += 1
        return count

    def rate(callers: int, duration_s: float) -> float:
        begin = perf_counter()
        workers = [gevent.spawn(work, begin + duration_s) for _ in range(callers)]
        gevent.joinall(workers, raise_error=True)
        return float(sum(worker.value for worker in workers) / (perf_counter() - begin))

    return rate


def _compare(result: object, wanted: object) -> None:
    if result != wanted:
        raise ValueError(f"{result!r} came for {wanted!r}")


def count_all(stage: Stage, rounds: int) -> Iterator[Curve | Absence]:
    """Count for each kind of call what each contender manages."""
    for group, function, args in ((SMALL, "pow", POW), (PROCESS, "", ()), (WAITING, "nap", (NAP_S,))):
        with ExitStack() as stack:
            crews: list[Crew] = []
            for name in PEERS if function else ():
                peer = stage.peer(name)
                if isinstance(peer, str):
                    yield Absence(group, PEERS[name].label, peer)
                else:
                    crews.append(_peer_crew(stage, stack, name, function, args))
            yield from _count(group, [*crews, *_own_crews(stage, group)], rounds)


def _peer_crew(stage: Stage, stack: ExitStack, name: str, function: str, args: tuple[object, ...]) -> Crew:
    kind, wanted = PEERS[name], 8.0 if function == "pow" else NAP_S
    call = stage.ways(name)[function]
    if kind.by == "greenlets":
        return Crew(f"{kind.label}, greenlets", by_greenlets(lambda: call(*args), wanted))
    if kind.is_shared:
        return Crew(f"{kind.label}, threads", by_threads([lambda: call(*args)], wanted))
    ways = [stage.connect_peer(name, stack) for _ in range(CALLERS[-1])]
    calls = [_owning(own, function, args) for own in ways]
    return Crew(f"{kind.label}, connection each", by_threads(calls, wanted))


def _owning(ways: Any, function: str, args: tuple[object, ...]) -> Callable[[], object]:
    """Give a call; Pyro's proxies have to be told which thread it comes from."""
    call, own = ways[function], ways.get("own")
    if own is None:
        return lambda: call(*args)

    def claim_and_call() -> object:
        own()
        return call(*args)

    return claim_and_call


def _own_crews(stage: Stage, group: str) -> Iterator[Crew]:
    executor = "inline" if group == SMALL else "process"
    for transport in TRANSPORTS:
        connection = stage.connect(transport, executor)
        for awaited, kind in ((False, "threads"), (True, "tasks")):
            module = stage.module("bars" if group == WAITING else "math", connection, awaited=awaited)
            call = _nap(module) if group == WAITING else _pow(module)
            wanted = NAP_S if group == WAITING else 8.0
            rate = by_tasks(stage, call, wanted) if awaited else by_threads([call], wanted)
            yield Crew(f"ksrpc {transport}, {executor}, {kind}", rate, _target(group, transport))


def _target(group: str, transport: str) -> float | None:
    """Give the target where two cores leave room for it: where calls wait, and where a call costs little enough."""
    return _TARGET if group == WAITING or (group, transport) == (SMALL, "WebSocket") else None


def _nap(module: Any) -> Callable[[], Any]:
    return lambda: module.nap(NAP_S)


def _pow(module: Any) -> Callable[[], Any]:
    return lambda: module.pow(*POW)


def _count(group: str, crews: Sequence[Crew], rounds: int) -> Iterator[Curve]:
    """Let them take turns at each number of callers."""
    found: dict[str, dict[int, list[float]]] = {crew.name: {callers: [] for callers in CALLERS} for crew in crews}
    for crew in crews:
        crew.rate(CALLERS[-1], _SLICE_S)  # everything is connected, and right, before anything counts
    for _ in range(rounds):
        for callers in CALLERS:
            for crew in crews:
                found[crew.name][callers].append(crew.rate(callers, _SLICE_S))
    for crew in crews:
        values = [statistics.median(found[crew.name][callers]) for callers in CALLERS]
        yield Curve(group, crew.name, CALLERS, values, crew.target)
