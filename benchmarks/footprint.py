"""Measure what memory one large frame costs whoever has a part in carrying it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.peer import FRAMES, PEERS
from benchmarks.peer.process import ROOT
from benchmarks.stage import TRANSPORTS, Stage
from tests.helpers.server import clean_environment

FRAME_BYTES = 80_000_000


@dataclass(frozen=True, slots=True)
class Footprint:
    """Say by how much the memory of each process rose above what it was before, at its highest.

    Attributes:
        worker_bytes: Of the processes in which a gateway runs the library; None where there are none.
    """

    name: str
    client_bytes: int
    server_bytes: int
    worker_bytes: int | None = None


def measure_all(stage: Stage) -> Iterator[Footprint]:
    """Have a fresh client process fetch the frame from each server, once."""
    for name, kind in PEERS.items():
        peer = stage.peer(name)
        if not isinstance(peer, str) and "frame_large" in stage.ways(name):
            stage.ways(name)["frame_large"]()
            client, server = _measure([name, str(peer.port)], [peer.pid])
            yield Footprint(kind.label_of("frame_large"), client, server)
    gateway = stage.gateway()
    for transport in TRANSPORTS:
        stage.module("bars", stage.connect(transport)).frame_large()
        url = gateway.ws_url if transport == "WebSocket" else gateway.url
        client, *servers = _measure([transport, url], [gateway.pid, *gateway.worker_pids])
        yield Footprint(f"ksrpc {transport}", client, servers[0], max(servers[1:]))


def _measure(arguments: Sequence[str], pids: Sequence[int]) -> list[int]:
    """Return the rise of a client that is started with these arguments, and of each server process.

    Raises:
        RuntimeError: The client failed.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.guest", *arguments],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        if client.stdin is None or client.stdout is None or client.stdout.readline() != "ready\n":
            raise RuntimeError(f"the client for {arguments[0]} did not start")
        befores = [reset_peak(pid) for pid in pids]
        client.stdin.write("go\n")
        client.stdin.flush()
        line = client.stdout.readline()
        rises = [read_peak(pid) - before for pid, before in zip(pids, befores, strict=True)]
        client.stdin.close()
    if not line.strip().isdigit():
        raise RuntimeError(f"the client for {arguments[0]} got another frame")
    return [int(line), *rises]


def reset_peak(pid: int) -> int:
    """Let the highest memory of a process begin at what it has now, and return that."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    return read_peak(pid)


def read_peak(pid: int) -> int:
    """Read the highest memory of a process since the last reset, shared pages too."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def is_right(frame: object) -> bool:
    """Tell whether what came is the frame; a view of bytes is compared as such."""
    wanted = FRAMES["frame_large"]()
    if isinstance(frame, memoryview):
        return frame.tobytes() == wanted.to_numpy().tobytes()
    return isinstance(frame, pd.DataFrame) and wanted.equals(frame)
