"""A module file of your own with every fault that a library can have; demo.py serves it and survives it."""

from __future__ import annotations

import ctypes
import os
import time

__all__ = ["crash", "leave", "spin", "work"]


def crash() -> None:
    """Read address 0, as a broken extension in C would: the process dies of SIGSEGV."""
    ctypes.string_at(0)


def leave() -> None:
    """End the process without a word."""
    os._exit(3)


def spin() -> None:
    """Run for ever."""
    while True:
        pass


def work(seconds: float) -> float:
    """Take a while and return the seconds: a call that does nothing wrong."""
    time.sleep(min(seconds, 10))
    return seconds
