"""A module to try a server with, and an example of one: plain functions that take data and give data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = [
    "async_say_hi",
    "async_sleep",
    "blob",
    "count",
    "div",
    "echo",
    "frame",
    "sleep",
    "sync_say_hi",
    "test",
]

_SECONDS = 60.0
_ELEMENTS = 2**27
_BYTES = 2**31
_ITEMS = 10_000_000


def sync_say_hi(name: str) -> str:
    """Greet from a plain function."""
    return f"Hi {name}, from a sync function"


async def async_say_hi(name: str) -> str:
    """Greet from a coroutine that waits for a moment."""
    await asyncio.sleep(0.01)
    return f"Hi {name}, from an async function"


def div(a: float, b: float) -> float:
    """Divide, and raise ZeroDivisionError as Python does."""
    return a / b


def echo(*args: Any, **kwargs: Any) -> Any:
    """Return what arrived: one value as it is, several as a tuple, keywords as a dict, both as (args, kwargs)."""
    if kwargs:
        return (args, kwargs) if args else kwargs
    return args[0] if len(args) == 1 else args


def sleep(seconds: float) -> float:
    """Block for up to a minute and return the seconds."""
    time.sleep(_bounded(seconds, _SECONDS))
    return seconds


async def async_sleep(seconds: float) -> float:
    """Wait for up to a minute without blocking and return the seconds."""
    await asyncio.sleep(_bounded(seconds, _SECONDS))
    return seconds


def count(n: int) -> Iterator[int]:
    """Give the numbers below n, one at a time."""
    yield from range(int(_bounded(n, _ITEMS)))


def test() -> pd.DataFrame:
    """Return a small table of daily bars: dates, floats, integers, text and booleans."""
    import pandas as pd  # noqa: PLC0415  # only the functions that need it pay for it

    days = pd.date_range("2024-01-02", periods=5, freq="B", name="date")
    return pd.DataFrame(
        {
            "code": ["600000.SH", "600000.SH", "000001.SZ", "000001.SZ", "000001.SZ"],
            "open": [6.63, 6.65, 9.19, 9.10, 9.08],
            "close": [6.65, 6.62, 9.20, 9.11, 9.27],
            "volume": [27_811_000, 25_642_100, 115_936_600, 73_361_000, 86_450_300],
            "halted": [False, False, False, True, False],
        },
        index=days,
    )


def frame(rows: int, columns: int = 10) -> pd.DataFrame:
    """Return a float64 table of the given size, for trials of speed."""
    import numpy as np  # noqa: PLC0415  # only the functions that need it pay for it
    import pandas as pd  # noqa: PLC0415  # only the functions that need it pay for it

    _bounded(min(rows, columns), _ELEMENTS)
    _bounded(rows * columns, _ELEMENTS)
    values = np.arange(rows * columns, dtype="float64").reshape(rows, columns)
    return pd.DataFrame(values, columns=[f"c{number}" for number in range(columns)])


def blob(nbytes: int) -> np.ndarray[Any, Any]:
    """Return that many zero bytes, made without touching their memory."""
    import numpy as np  # noqa: PLC0415  # only the functions that need it pay for it

    return np.zeros(int(_bounded(nbytes, _BYTES)), dtype="uint8")


def _bounded(value: float, bound: float) -> float:
    if not 0 <= value <= bound:
        raise ValueError(f"must be between 0 and {bound:g}")
    return value
