"""Call every open function of the presets with generated arguments, and see its effects: `python -m tests.effects`.

What is outside the rules, and what ends a worker, is written to the working directory as `effect-…`, `crash-…`,
`time-…` and `memory-…`; give such a file to this program to see it again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from tests.effects.campaign import Campaign, load, open_functions
from tests.effects.sandbox import Sandbox, make_scratch


def main() -> int:
    """Run until the time or the number of calls is over; return 1 if something was outside the rules."""
    parser = argparse.ArgumentParser(prog="python -m tests.effects", description=__doc__.partition(":")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--calls", type=int, default=-1, help="default: as many as the time allows")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--root", action="append", help="of these packages only")
    parser.add_argument("--keep", type=Path, default=Path(), help="folder for what is found")
    parser.add_argument("inputs", nargs="*", type=Path, help="call what these files hold only")
    options = parser.parse_args()
    return asyncio.run(_replay(options.inputs) if options.inputs else _run(options))


async def _run(options: argparse.Namespace) -> int:
    functions = open_functions(options.root)
    seed = int(time.time()) if options.seed is None else options.seed
    print(f"{len(functions)} functions of {len({path.partition('.')[0] for path in functions})} packages, seed {seed}")
    with make_scratch() as scratch:
        async with Sandbox(sorted({path.partition(".")[0] for path in functions}), Path(scratch)) as sandbox:
            campaign = Campaign(functions, sandbox, seed, options.keep)
            await campaign.run(until=time.monotonic() + options.minutes * 60, calls=options.calls)
            print(campaign.report())
    return 1 if campaign.findings else 0


async def _replay(paths: list[Path]) -> int:
    is_found = False
    for path in paths:
        target, packed = load(path)
        with make_scratch() as scratch:
            async with Sandbox([target.partition(".")[0]], Path(scratch)) as sandbox:
                result = await sandbox.call(target, packed)
        print(f"{path}: {target}: {result.kind} {result.text}", *result.findings, sep="\n  ")
        is_found |= bool(result.findings)
    return 1 if is_found else 0


if __name__ == "__main__":
    sys.exit(main())
