"""See what the kernel of this machine really stops, by trying it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from ksrpc.worker.place.entry import fence
from ksrpc.worker.place.kernel import landlock_version
from ksrpc.worker.place.outlet import leave_network
from ksrpc.worker.place.plan import Plan
from ksrpc.worker.place.sieve import sift


def try_place(outside: str) -> dict[str, Any]:
    """Enter the strictest place for good, and try to leave it.

    Args:
        outside: A file of the caller's that may be read and written without a place.

    Returns:
        "version": of Landlock; "apart": whether it got a network of its own; "stopped": name of each trial → whether it
        failed.
    """
    is_apart, version = leave_network(), landlock_version()
    fence(Plan("strict"), (), version)
    sift("strict")
    trials: dict[str, Callable[[], object]] = {
        "read": lambda: open(outside, "rb").close(),
        "write": lambda: open(outside, "ab").close(),
        "start": _start,
        "fork": _fork,
        "connect": _connect,
        "signal": lambda: os.kill(os.getppid(), 0),
    }
    return {
        "version": version,
        "apart": is_apart,
        "stopped": {name: _is_stopped(trial) for name, trial in trials.items()},
    }


def _is_stopped(trial: Callable[[], object]) -> bool:
    try:
        trial()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _start() -> None:
    os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", ""], {}), 0)


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _connect() -> None:
    with socket.socket() as sock:
        sock.settimeout(1)
        sock.connect(("127.0.0.1", 1))
