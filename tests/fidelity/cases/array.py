"""Arrays of numpy."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from tests.fidelity.case import Row

NUMBERS = ["i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16", "?"]
SWAPPED = [">i2", ">u4", ">i8", ">f4", ">f8", ">c16"]
UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]


def _numbers(text: str) -> Any:
    return lambda: np.array([0, 1, 1, 0, 1], dtype=text)


def _times(text: str) -> Any:
    return lambda: np.array([0, 1, -5, -(2**63)], dtype="<i8").view(text)


def _objects(*items: Any) -> np.ndarray[Any, Any]:
    return np.fromiter(items, dtype=object, count=len(items))


def _read_only() -> np.ndarray[Any, Any]:
    made = np.arange(3)
    made.flags.writeable = False
    return made


MIXED = (1, "a", None, 2.5, True, b"x", dt.date(2024, 1, 2), Decimal("1.0"), (1, 2), [3], {"k": 4}, 2**80)

ROWS = [
    Row("`numpy.ndarray` of numbers", "request", {f"dtype {text}": _numbers(text) for text in NUMBERS + SWAPPED}),
    Row(
        "`numpy.ndarray` of any shape and order",
        "request",
        {
            "0-d": lambda: np.array(5.5),
            "empty": lambda: np.array([], dtype="<f4"),
            "0 x 3": lambda: np.zeros((0, 3), dtype="<i2"),
            "3 x 0 x 2": lambda: np.zeros((3, 0, 2)),
            "2-d": lambda: np.arange(6).reshape(2, 3),
            "fortran": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "3-d fortran": lambda: np.asfortranarray(np.arange(24, dtype="<i4").reshape(2, 3, 4)),
            "strided": lambda: np.arange(20)[::3],
            "backwards": lambda: np.arange(5.0)[::-1],
            "strided 2-d": lambda: np.arange(60.0).reshape(6, 10)[::2, 1::3],
            "broadcast": lambda: np.broadcast_to(np.arange(3), (2, 3)),
            "transposed 3-d": lambda: np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
            "32 dimensions": lambda: np.zeros((1,) * 32),
            "special floats": lambda: np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324]),
            "400 kB": lambda: np.arange(100_000, dtype="<i4").reshape(400, 250),
            "longdouble": lambda: np.array([1, 3], dtype=np.longdouble) / 3,
        },
    ),
    Row("read-only `numpy.ndarray`", "request", {"read-only": _read_only}),
    Row(
        "`numpy.ndarray` of text and bytes",
        "request",
        {
            "texts": lambda: np.array(["a", "行情", ""]),
            "big-endian texts": lambda: np.array(["ab", "c"], dtype=">U2"),
            "bytes": lambda: np.array([b"a", b"bcd", b""]),
            "bytes with zeros": lambda: np.array([b"\x00a", b"a\x00"], dtype="S3"),
            "texts of no length": lambda: np.array(["", ""], dtype="U1"),
            "raw": lambda: np.array([b"abc", b"d\x00f"], dtype="V3"),
        },
    ),
    Row("`numpy.ndarray` of `datetime64`", "request", {f"M8[{unit}]": _times(f"<M8[{unit}]") for unit in UNITS}),
    Row("`numpy.ndarray` of `timedelta64`", "request", {f"m8[{unit}]": _times(f"<m8[{unit}]") for unit in UNITS}),
    Row(
        "`numpy.ndarray` of odd times",
        "request",
        {"25 us": _times("<M8[25us]"), "generic": _times("<m8"), "big-endian days": _times(">M8[D]")},
    ),
    Row(
        "structured `numpy.ndarray`",
        "request",
        {
            "structure": lambda: np.array([(1, 2.5, "x")], dtype=[("i", "<i4"), ("f", "<f8"), ("s", "<U3")]),
            "aligned": lambda: np.zeros(3, dtype=np.dtype([("a", "i1"), ("b", "<f8")], align=True)),
            "nested": lambda: np.zeros((2, 2), dtype=[("a", [("b", "<i2"), ("c", ">f4")]), ("d", "?")]),
            "of arrays": lambda: np.ones(2, dtype=[("m", "<f4", (2, 3)), ("t", "<M8[ns]")]),
            "titled": lambda: np.zeros(2, dtype=[(("Title", "a"), "<i4")]),
            "with gaps": lambda: np.zeros(
                2, dtype={"names": ["a", "b"], "formats": ["i1", "<i4"], "offsets": [3, 8], "itemsize": 16}
            ),
            "no fields": lambda: np.zeros(2, dtype=[]),
        },
    ),
    Row(
        "`numpy.ndarray` of objects",
        "any",
        {
            "objects": lambda: _objects(*MIXED),
            "texts as objects": lambda: _objects("a", None, "行情"),
            "repeated texts": lambda: _objects(*["SH", "SZ", None] * 100),
            "many texts": lambda: _objects(*[f"{at:030d}" for at in range(3000)]),
            "missing of all kinds": lambda: _objects(None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT", "ns")),
            "arrays in objects": lambda: _objects(np.arange(3), np.array(["a"]), pd.Timedelta(5, "ns")),
            "objects 2 x 2": lambda: _objects(1, "a", [2], None).reshape(2, 2),
            "no objects": lambda: np.empty((0, 2), dtype=object),
            "object 0-d": lambda: np.array(None, dtype=object),
        },
    ),
]
