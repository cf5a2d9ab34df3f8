"""Measure everything in one run: `python -m benchmarks.run`.

`--quick` for a look, `--only small --only callers` for a part, `--to FOLDER` to write elsewhere than docs/benchmarks.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import callers, codec, cold, footprint, frame, memory, size, small
from benchmarks.crowd import depth_groups, run_both
from benchmarks.excerpt import quote_all
from benchmarks.footprint import Footprint
from benchmarks.hit import cached_groups, connect_keeper, rate_hits
from benchmarks.measure import Absence, Curve, Figure, Group, Rate, run_group
from benchmarks.memory import MIB, Growth
from benchmarks.peer import PEERS
from benchmarks.report import FOLDER, Result, Results, dump_results, render_markdown
from benchmarks.stage import Stage
from benchmarks.unit import format_time

_PACKAGES = ("ksrpc", "numpy", "pandas", "uvicorn", "websockets")
_ROUNDS = 25
_FEW_ROUNDS = 3
Section = Callable[[Stage, int], Iterator[Result]]


def machine_facts() -> dict[str, str]:
    """Tell what the figures depend on; nothing that names the machine."""
    cpus = [line for line in _cpu_lines() if line.startswith("model name")]
    model = cpus[0].partition(":")[2].strip() if cpus else platform.machine()
    facts = {"cores": f"{os.cpu_count()} × {model}", "Python": platform.python_version()}
    facts["system"] = f"{platform.system()} {platform.release().partition('-')[0]}"
    return facts | {package: _version(package) for package in _PACKAGES} | _peer_versions()


def _peer_versions() -> dict[str, str]:
    return {kind.package: _version(kind.package) for kind in PEERS.values() if kind.package}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not there"


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def time_group(group: Group, rounds: int) -> Iterator[Figure | Absence]:
    """Time one group."""
    yield from run_group(group, rounds)
    for name, reason in group.absent.items():
        yield Absence(group.title, name, reason)


def _small(stage: Stage, rounds: int) -> Iterator[Result]:
    for group in small.groups(stage):
        yield from time_group(group, rounds)


def _frames(stage: Stage, rounds: int) -> Iterator[Result]:
    for group in frame.groups(stage):
        yield from time_group(group, rounds)


def _codec(stage: Stage, rounds: int) -> Iterator[Result]:
    for group in codec.groups(stage):
        yield from time_group(group, rounds)


def _cached(stage: Stage, rounds: int) -> Iterator[Result]:
    with connect_keeper() as (keeper, clients):
        for group in cold.first_groups(keeper, clients):
            yield from time_group(group, rounds)
        for group in cached_groups(clients, stage.ways("flight"), stage.ways("tcp")):
            yield from time_group(group, rounds)
        yield from rate_hits(keeper, rounds)


def _depth(_stage: Stage, rounds: int) -> Iterator[Result]:
    with run_both() as (few, many):
        for group in depth_groups(few, many, rounds):
            yield from time_group(group, rounds)


def _callers(stage: Stage, rounds: int) -> Iterator[Result]:
    yield from callers.count_all(stage, 1 + rounds // 12)


def _sizes(stage: Stage, rounds: int) -> Iterator[Result]:
    yield from size.grow_sizes(stage, min(rounds, 5))


def _memory(stage: Stage, _rounds: int) -> Iterator[Result]:
    yield from footprint.measure_all(stage)
    yield from memory.grow_gateway(stage.gateway())


SECTIONS: dict[str, Section] = {
    "small": _small,
    "frames": _frames,
    "codec": _codec,
    "callers": _callers,
    "sizes": _sizes,
    "cached": _cached,
    "depth": _depth,
    "memory": _memory,
}


def describe_result(result: Result) -> str:
    """Tell in a line what came out."""
    match result:
        case Figure():
            return f"{result.group:48.48} {result.name:46} {format_time(result.median_s):>9} {result.ratio:6.2f}"
        case Rate():
            return f"{'Hits per second on one core':48} {result.name:46} {result.per_s:9,.0f} {result.ratio:6.2f}"
        case Curve():
            first, last = result.values[0], result.values[-1]
            return f"{result.group:48.48} {result.name:46} {first:9.3g} … {last:.3g}, {last / first:.2f} times"
        case Growth():
            return f"{result.name}: {result.grown_bytes / MIB:.1f} MiB"
        case Footprint():
            return f"memory of {result.name}: client {result.client_bytes / MIB:.1f} MiB"
        case Absence():
            return f"{result.group:48.48} {result.name:46} {result.reason}"


def measure(sections: list[str], rounds: int) -> Iterator[Result]:
    """Run sections; the servers of all contenders live until the end."""
    begin = time.monotonic()
    with ExitStack() as stack:
        stage = Stage(stack)
        for name in sections:
            print(f"== {name} ({time.monotonic() - begin:.0f} s so far)", flush=True)
            for result in SECTIONS[name](stage, rounds):
                print(describe_result(result), flush=True)
                yield result
    print(f"== {time.monotonic() - begin:.0f} s in all", flush=True)


def main(arguments: list[str]) -> None:
    """Measure, print each figure as it comes, write the files and what quotes them unless it was only a look."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, write nothing unless --to says where")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="one section; may be repeated")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="write there, and leave the READMEs alone")
    chosen = parser.parse_args(arguments)
    rounds = _FEW_ROUNDS if chosen.quick else _ROUNDS
    results = Results.collect(machine_facts(), measure(chosen.only or list(SECTIONS), rounds))
    if chosen.to:
        chosen.to.mkdir(parents=True, exist_ok=True)
        dump_results(results, chosen.to)
    elif not (chosen.quick or chosen.only):
        dump_results(results, FOLDER)
        quote_all(render_markdown(results))


if __name__ == "__main__":
    main(sys.argv[1:])
