"""A small data library with its answers ready, so that only their way to the caller counts.

Served by the gateway under test as the module `bars`; the peers serve the same frames.
"""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "block",
    "decade",
    "frame_large",
    "frame_mixed",
    "frame_of",
    "frame_small",
    "frames_ten",
    "nap",
    "price",
    "records",
    "tree",
    "year",
]

_COLUMNS = ["open", "high", "low", "close", "volume", "amount", "factor", "bid", "ask", "interest"]
BLOCK_BYTES = 1 << 30
RECORDS = 10_000


def _prices(rows: int, columns: int) -> NDArray[np.float64]:
    return np.random.default_rng(20181001).lognormal(2.0, 0.4, (rows, columns))


@lru_cache(maxsize=1)
def frame_small() -> pd.DataFrame:
    """Give a year of daily bars of one security: 250 rows, 4 columns of float64."""
    return pd.DataFrame(_prices(250, 4), columns=_COLUMNS[:4])


@lru_cache(maxsize=1)
def frame_mixed() -> pd.DataFrame:
    """Give 100 000 rows of 8 columns, two of them text: 4 000 different codes, 30 different names."""
    frame = pd.DataFrame(_prices(100_000, 6), columns=_COLUMNS[:6])
    rows = np.arange(len(frame))
    frame.insert(0, "code", pd.Series([f"{row % 4_000:06d}.SZ" for row in rows]))
    frame.insert(1, "industry", pd.Series([f"industry {row % 30}" for row in rows]))
    return frame


@lru_cache(maxsize=1)
def frame_large() -> pd.DataFrame:
    """Give 1 000 000 rows of 10 columns of float64: 80 MB."""
    return pd.DataFrame(_prices(1_000_000, 10), columns=_COLUMNS)


def price(number: int = 1) -> float:
    """Give the price of one security."""
    return number / 4


@lru_cache(maxsize=16)
def frame_of(rows: int) -> pd.DataFrame:
    """Give so many rows of 10 columns of float64."""
    return pd.DataFrame(_prices(rows, 10), columns=_COLUMNS)


@lru_cache(maxsize=1)
def records() -> list[dict[str, object]]:
    """Give 10 000 bars as dicts of text, numbers and a bool, as web APIs give them."""
    prices = _prices(RECORDS, 2).tolist()
    return [
        {
            "code": f"{row % 4_000:06d}.SZ",
            "date": f"2024-{row % 12 + 1:02d}-{row % 28 + 1:02d}",
            "open": opened,
            "close": closed,
            "volume": row * 1_000,
            "halted": row % 97 == 0,
        }
        for row, (opened, closed) in enumerate(prices)
    ]


@lru_cache(maxsize=1)
def frames_ten() -> dict[str, pd.DataFrame]:
    """Give ten small frames by the code of their security."""
    return {f"{number:06d}.SZ": pd.DataFrame(_prices(250, 4) + number, columns=_COLUMNS[:4]) for number in range(10)}


@lru_cache(maxsize=1)
def tree() -> dict[str, object]:
    """Give about 1 MB of nested dicts and lists, as a JSON document holds them: reports of 600 companies."""
    prices = _prices(600, 60).tolist()
    return {
        "source": "reports",
        "companies": [
            {
                "code": f"{number:06d}.SZ",
                "name": f"公司 {number}",
                "listed": number % 7 != 0,
                "board": {"chair": None, "seats": number % 12, "members": [f"member {seat}" for seat in range(8)]},
                "quarters": [
                    {"end": f"20{20 + quarter // 4}-{quarter % 4 * 3 + 3:02d}", "lines": prices[number][quarter::12]}
                    for quarter in range(12)
                ],
            }
            for number in range(600)
        ],
    }


def year(number: int) -> pd.DataFrame:
    """Give the small frame; each number makes another question."""
    return frame_small()


def decade(number: int) -> pd.DataFrame:
    """Give the large frame; each number makes another question."""
    return frame_large()


def nap(seconds: float) -> float:
    """Wait as for a vendor's answer and return the seconds."""
    time.sleep(seconds)
    return seconds


@lru_cache(maxsize=1)
def block() -> NDArray[np.uint8]:
    """Give 1 GiB in one array."""
    return np.full(BLOCK_BYTES, 0x5A, dtype=np.uint8)
