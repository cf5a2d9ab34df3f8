"""What a running gateway holds, looked at from outside: its own figures, its descriptors, its children."""

from __future__ import annotations

import collections
import os
import socket
from collections.abc import Iterator
from contextlib import suppress

from tests.helpers.netlink import Connection
from tests.helpers.process import child_pids, is_stopped
from tests.helpers.server import GatewayProcess

_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
_ANSWER_S = 60.0
_WORKERS = "worker_processes"
#: What a gateway has because of what callers do, and gives up when they are gone.
_HELD = ("calls", "streams", "handles", "sessions_connected", "sessions_waiting", "tasks")
#: What a gateway has for each worker: two sockets; room for two large answers, which is mapped and used again; and the
#: map of one that it gave back, until its last reader has gone.
_SHARES = {"socket": 2, "/memfd:ksrpc-value (deleted)": 5}
#: A gateway opens each of its stores by three connections at most, when it first needs them. SQLite keeps what a fourth
#: one had for the next, as long as another one of the file is open.
_STORE_DESCRIPTORS = 4
#: A worker that starts or ends, unless it stays.
UNSETTLED = "process beside the workers"

Counts = collections.Counter[str]


def inside(gateway: GatewayProcess, table: list[Connection]) -> Counts:
    """Count what a gateway holds; nothing if it was stopped or does not tell."""
    told = figures(gateway)
    if not told:
        return Counts()
    counts = Counts({name: told[name] for name in _HELD})
    known = {f"{one.inode}]" for one in table if one.local[1] == gateway.port}
    for target in _targets(gateway.pid):
        kind, _, number = target.partition(":[")
        if number not in known:
            counts[f"descriptor of {kind}"] += 1
    for kind, share in _SHARES.items():
        counts[f"descriptor of {kind}"] -= share * told[_WORKERS]
    for kind in counts:
        if kind.startswith(f"descriptor of {gateway.folder}/data/"):
            counts[kind] -= _STORE_DESCRIPTORS
    counts[UNSETTLED] = len(child_pids(gateway.pid)) - told[_WORKERS]
    return +counts


def figures(gateway: GatewayProcess) -> dict[str, int]:
    """Read the gauges of a gateway; none if it was stopped, is gone or tells them to nobody here."""
    if is_stopped(gateway.pid):
        return {}
    try:
        with socket.create_connection(("127.0.0.1", gateway.port), _ANSWER_S) as asking, asking.makefile("rb") as lines:
            asking.sendall(_REQUEST)
            words = [line.decode().split() for line in lines if line.startswith(b"ksrpc_")]
    except ConnectionError:
        return {}
    return {name.removeprefix("ksrpc_"): int(float(value)) for name, value in words}


def descriptors(pid: int) -> Counts:
    """Count the open descriptors of a process, by what they stand for."""
    return Counts(f"descriptor of {target.partition(':[')[0]}" for target in _targets(pid))


def sockets(pid: int) -> Iterator[int]:
    """Tell the inodes of the sockets that a process has open."""
    found = (target.partition(":[") for target in _targets(pid))
    return (int(number.rstrip("]")) for kind, _, number in found if kind == "socket")


def _targets(pid: int) -> Iterator[str]:
    """Tell what each descriptor of a process stands for."""
    folder = f"/proc/{pid}/fd"
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            with suppress(OSError):  # the one that lists them
                yield os.readlink(f"{folder}/{name}")
