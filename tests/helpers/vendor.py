"""A library whose every call costs: it writes each into a ledger, so that a test can count what reached it."""

import time
from pathlib import Path

import numpy as np
import pandas as pd


def _charge(ledger: str) -> int:
    with Path(ledger).open("a") as file:
        file.write("call\n")
    return len(Path(ledger).read_text().splitlines())


def bars(ledger: str, rows: int, adjust: str = "pre") -> pd.DataFrame:
    """Return daily bars."""
    _charge(ledger)
    index = pd.date_range("2024-01-01", periods=int(rows), freq="B", name="date")
    return pd.DataFrame({"close": np.arange(len(index)) * 1.5, "code": "000001"}, index=index)


def serial(ledger: str) -> int:
    """Return how often this library was called."""
    return _charge(ledger)


def slow(ledger: str, seconds: float) -> int:
    """Return how often this library was called, after a while."""
    made = _charge(ledger)
    time.sleep(seconds)
    return made


def fail(ledger: str) -> None:
    """Raise, as a vendor does without data."""
    _charge(ledger)
    raise ValueError("no data today")


def block(ledger: str, nbytes: int) -> np.ndarray:
    """Return bytes whose place tells their value."""
    _charge(ledger)
    return np.arange(nbytes // 8, dtype=np.int64).view(np.uint8)
