"""Fuzz: `python -m tests.fuzz --minutes 10`. Coverage-guided by atheris; without it, the same changes at random.

What breaks a promise is written to `crash-…`, `timeout-…` or `oom-…` in the working directory; give that file to this
program to see it again.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import resource
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

#: Imported where atheris can see them: what is imported before it is not counted as coverage.
_INSTRUMENTED = ("ksrpc.wire", "ksrpc.wire.canonical", "ksrpc.wire.tabular", "ksrpc.wire.view", "ksrpc.protocol")
_TIMEOUT_S = 20
_RSS_MIB = 1200
_INPUT_BYTES = 1 << 14


def main() -> None:
    """Run until the time or the number of executions is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=-1, help="executions; default: as many as the time allows")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--plain", action="store_true", help="do not use atheris")
    parser.add_argument("--keep", type=Path, help="folder in which new inputs are kept")
    parser.add_argument("inputs", nargs="*", type=Path, help="run these files only")
    options = parser.parse_args()
    if options.inputs:
        _replay(options.inputs)
    elif options.plain or importlib.util.find_spec("atheris") is None:
        _run_plain(options)
    else:
        _run_guided(options)


def _replay(paths: list[Path]) -> None:
    from tests.fuzz.target import run

    for path in paths:
        started = time.perf_counter()
        run(path.read_bytes())
        print(f"{path}: {time.perf_counter() - started:.3f} s, {_peak_mib()} MiB")


def _run_plain(options: argparse.Namespace) -> None:
    print("atheris is not used: inputs are changed at random, nothing is learnt from them", file=sys.stderr)
    from tests.fuzz.corpus import load_corpus
    from tests.fuzz.mutation import alter
    from tests.fuzz.target import run

    chance, corpus = Random(options.seed or None), load_corpus()
    until, done, slowest_s = time.monotonic() + options.minutes * 60, 0, 0.0
    while time.monotonic() < until and done != options.runs:
        data = alter(chance.choice(corpus), chance.choice(corpus), chance)[:_INPUT_BYTES]
        started = time.perf_counter()
        try:
            run(data)
        except BaseException:
            path = Path(f"crash-{done}")
            path.write_bytes(data)
            print(f"broken promise: {path}", file=sys.stderr)
            raise
        slowest_s, done = max(slowest_s, time.perf_counter() - started), done + 1
    print(f"Done {done} runs; slowest {slowest_s:.3f} s, peak {_peak_mib()} MiB")


def _run_guided(options: argparse.Namespace) -> None:
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["ksrpc"], enable_loader_override=False):
        for name in _INSTRUMENTED:
            importlib.import_module(name)
    from tests.fuzz.corpus import unpack
    from tests.fuzz.mutation import alter
    from tests.fuzz.target import run

    last = [b""]

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        chance = Random(seed)
        other, last[0] = last[0] or data, data
        if chance.random() < 0.2:
            return bytes(atheris.Mutate(data, max_size))
        return alter(data, other, chance)[:max_size]

    with tempfile.TemporaryDirectory() as scratch:
        seeds = Path(scratch) / "seeds"
        kept = options.keep or Path(scratch) / "kept"
        seeds.mkdir()
        kept.mkdir(exist_ok=True)
        unpack(seeds)
        told = [
            f"-max_total_time={round(options.minutes * 60)}", f"-runs={options.runs}", f"-seed={options.seed}",
            f"-timeout={_TIMEOUT_S}", f"-rss_limit_mb={_RSS_MIB}", f"-max_len={_INPUT_BYTES}", "-print_final_stats=1",
            str(kept), str(seeds),
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *told], run, custom_mutator=change)
        atheris.Fuzz()


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()
