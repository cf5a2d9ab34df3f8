"""A library that misbehaves, served under the name `rough`: every way to end a process, and ways to take long."""

import asyncio
import ctypes
import os
import signal
import time

import numpy as np


def crash() -> None:
    """Read address 0."""
    ctypes.string_at(0)


def leave(status: int) -> None:
    """End the process without a word."""
    os._exit(status)


def raise_exit() -> None:
    """Raise SystemExit, as a careless library does."""
    raise SystemExit("bye")


def spin() -> None:
    """Never come back, holding the interpreter."""
    while True:
        pass


def ignore_signals_and_sleep() -> None:
    """Never come back, refusing to be asked nicely."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


def eat(megabytes: int) -> int:
    """Take memory and keep it."""
    held = []
    for _ in range(megabytes):
        held.append(np.ones(1 << 17))
    while True:
        time.sleep(0.01)


def nap(seconds: float, tag: object = None) -> object:
    """Sleep on the main thread and return the tag."""
    time.sleep(seconds)
    return tag


async def async_nap(seconds: float, tag: object = None) -> object:
    """Sleep on the loop and return the tag."""
    await asyncio.sleep(seconds)
    return tag


def process_id() -> int:
    """Say which process runs this."""
    return os.getpid()


async def async_process_id() -> int:
    """Say which process runs coroutines."""
    return os.getpid()


def block(nbytes: int) -> np.ndarray:
    """Return bytes whose place tells their value."""
    return np.arange(nbytes // 8, dtype=np.int64).view(np.uint8)


def checksum(data: np.ndarray) -> int:
    """Return the sum of what came in, so that a large argument is proven to have arrived whole."""
    return int(data.sum(dtype=np.int64))


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return "the one that lists them"


def look_around() -> dict[str, object]:
    """Say what a worker process can see of its place."""
    return {
        "environment": dict(os.environ),
        "folder": sorted(os.listdir(".")),
        "descriptors": list(map(_target, os.listdir("/proc/self/fd"))),
    }
