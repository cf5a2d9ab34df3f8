"""Measure everything in one run: `python -m benchmarks.run`. `--quick` for a look, `--peers` without us."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from benchmarks import bars
from benchmarks.crowd import depth_groups, run_both
from benchmarks.excerpt import quote_all
from benchmarks.gateway import Callers, connect_gateway, run_gateway
from benchmarks.hit import cached_groups, connect_keeper, rate_hits
from benchmarks.measure import Case, Figure, Group, Rate, run_group
from benchmarks.memory import MIB, Growth, measure_growth
from benchmarks.peer import FRAMES, connect_bytes, connect_flight, connect_rpyc
from benchmarks.report import Results, dump_results, format_time, render_markdown

_PACKAGES = ("ksrpc", "rpyc", "pyarrow", "numpy", "pandas", "uvicorn", "websockets")
_POW_TARGETS = {"inline": 0.65, "process": 1.0}
_FRAME_TARGETS = {"frame_large": 0.6}
_FRAME_TITLES = {
    "frame_small": ("Frame of 250 × 4 float64 (8 kB)", 50),
    "frame_mixed": ("Frame of 100 000 × 8, two columns of text", 3),
    "frame_large": ("Frame of 1 000 000 × 10 float64 (80 MB)", 1),
}
_GROWTH_TARGET_BYTES = 16 * MIB


def machine_facts() -> dict[str, str]:
    """Tell what the figures depend on; nothing that names the machine."""
    cpus = [line for line in _cpu_lines() if line.startswith("model name")]
    model = cpus[0].partition(":")[2].strip() if cpus else platform.machine()
    facts = {"cores": f"{os.cpu_count()} × {model}", "Python": platform.python_version()}
    facts["system"] = f"{platform.system()} {platform.release().partition('-')[0]}"
    return facts | {package: version(package) for package in _PACKAGES}


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def pow_group(ways: tuple[Callable[[], object], Callable[[], object]], ours: Callers | None) -> Group:
    """Compare small calls."""
    cases = [Case("rpyc conn.modules.math.pow", ways[0]), Case("rpyc, method kept", ways[1])]
    for (executor, transport), call in ours.pow.items() if ours else ():
        cases.append(Case(f"ksrpc {transport}, {executor}", call, _pow_target(executor, transport)))
    return Group("Small call: math.pow(2, 3)", cases, 300, _check_pow)


def _pow_target(executor: str, transport: str) -> float | None:
    return _POW_TARGETS[executor] if transport == "WebSocket" else None


def _check_pow(result: object) -> None:
    if result != 8.0:
        raise ValueError(f"pow(2, 3) came back as {result!r}")


def frame_group(name: str, fetch: Callable[[str], object], ours: Callers | None) -> Group:
    """Compare the transfer of one frame out of another process's memory into a DataFrame here."""
    title, calls = _FRAME_TITLES[name]
    target = _FRAME_TARGETS.get(name)
    cases = [Case("Arrow Flight do_get", lambda: fetch(name))]
    for transport, call in ours.frame.items() if ours else ():
        cases.append(Case(f"ksrpc {transport}, process", lambda call=call: call(name), target))  # type: ignore[misc]
    wanted = FRAMES[name]()

    def check(result: object) -> None:
        if not isinstance(result, pd.DataFrame):
            raise TypeError(f"{name} came back as {type(result).__name__}")
        pd.testing.assert_frame_equal(result, wanted)

    return Group(title, cases, calls, check)


def time_all(rounds: int, *, peers_only: bool) -> Iterator[Figure]:
    """Time every group; the servers of all contenders run from beginning to end."""
    with ExitStack() as stack:
        ways = stack.enter_context(connect_rpyc())
        fetch = stack.enter_context(connect_flight())
        ours = None if peers_only else stack.enter_context(connect_gateway())
        for group in [pow_group(ways, ours), *(frame_group(name, fetch, ours) for name in FRAMES)]:
            yield from time_group(group, rounds)


def time_group(group: Group, rounds: int) -> Iterator[Figure]:
    """Time one group and print what comes out."""
    for figure in run_group(group, rounds):
        median = format_time(figure.median_s)
        print(f"{figure.group:48} {figure.name:30} {median:>9} {figure.ratio:6.2f}", flush=True)
        yield figure


def time_hits(rounds: int) -> Iterator[Figure | Rate]:
    """Time and count what comes out of the cache."""
    with connect_keeper() as (keeper, clients):
        with connect_flight() as fetch, connect_bytes() as receive:
            for group in cached_groups(clients, fetch, receive):
                yield from time_group(group, rounds)
        for rate in rate_hits(keeper, rounds):
            print(f"{'Hits per second on one core':48} {rate.name:30} {rate.per_s:9,.0f} {rate.ratio:6.2f}", flush=True)
            yield rate
    with run_both() as (few, many):
        for group in depth_groups(few, many, rounds):
            yield from time_group(group, rounds)


def grow_all() -> Iterator[Growth]:
    """Measure what memory a huge result costs a gateway that has answered one small call before."""
    from ksrpc import RpcClient
    from ksrpc.connections.http import HttpxConnection

    with run_gateway("process") as gateway:
        with HttpxConnection(gateway.url + "/api/file") as connection:
            RpcClient("bars", connection, async_local=False).frame_small()
        for transport in ("HTTP", "WebSocket"):
            growth = measure_growth(
                gateway,
                transport,
                path="bars.block",
                result_bytes=bars.BLOCK_BYTES,
                target_bytes=_GROWTH_TARGET_BYTES,
            )
            print(f"{growth.name}: {growth.grown_bytes / MIB:.1f} MiB", flush=True)
            yield growth


def main(arguments: list[str]) -> None:
    """Measure, print each figure as it comes, write the files and what quotes them unless it was only a look."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, write nothing")
    parser.add_argument("--peers", action="store_true", help="without ksrpc, write nothing")
    chosen = parser.parse_args(arguments)
    rounds = 3 if chosen.quick else 25
    figures = list(time_all(rounds, peers_only=chosen.peers))
    hits = [] if chosen.peers else list(time_hits(rounds))
    growths = [] if chosen.peers else list(grow_all())
    if not (chosen.quick or chosen.peers):
        figures += [hit for hit in hits if isinstance(hit, Figure)]
        rates = [hit for hit in hits if isinstance(hit, Rate)]
        results = Results(machine_facts(), figures, growths, rates)
        dump_results(results)
        quote_all(render_markdown(results))


if __name__ == "__main__":
    main(sys.argv[1:])
