"""Run a peer's server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.server import clean_environment

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Peer:
    """Name a peer that runs."""

    port: int
    pid: int


@contextmanager
def run_peer(name: str, given: str = "") -> Iterator[Peer]:
    """Start the server of a module of this package, with this on its standard input.

    Raises:
        RuntimeError: It ended without naming a port.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.peer", name],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = _start(process, given)
        if not line.strip().isdigit():
            raise RuntimeError(f"the {name} server did not start")
        yield Peer(int(line), process.pid)
    finally:
        process.kill()
        process.communicate()


def _start(process: subprocess.Popen[str], given: str) -> str:
    """Give a server what it is to know and return its first line."""
    if process.stdin is None or process.stdout is None:
        return ""
    process.stdin.write(given)
    process.stdin.close()
    process.stdin = None
    return process.stdout.readline()
