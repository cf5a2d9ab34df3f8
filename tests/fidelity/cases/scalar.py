"""Scalars of Python and of pandas."""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import numpy as np
import pandas as pd

from tests.fidelity.case import Row


def _float(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


ROWS = [
    Row("`None`, `bool`", "request", {"none": lambda: None, "true": lambda: True, "false": lambda: False}),
    Row(
        "`int` from −2⁶³ to 2⁶⁴−1",
        "request",
        {
            "zero": lambda: 0,
            "minus one": lambda: -1,
            "127": lambda: 127,
            "128": lambda: 128,
            "2**53 + 1": lambda: 2**53 + 1,
            "largest signed": lambda: 2**63 - 1,
            "largest": lambda: 2**64 - 1,
            "smallest": lambda: -(2**63),
        },
    ),
    Row(
        "`int` beyond that",
        "any",
        {
            "one over": lambda: 2**64,
            "one under": lambda: -(2**63) - 1,
            "2**1000": lambda: 2**1000,
            "-3**500": lambda: -(3**500),
        },
    ),
    Row(
        "`float`",
        "request",
        {
            "one and a half": lambda: 1.5,
            "tenth": lambda: 0.1,
            "minus zero": lambda: -0.0,
            "infinity": lambda: float("inf"),
            "minus infinity": lambda: float("-inf"),
            "nan": lambda: float("nan"),
            "nan with payload": lambda: _float(0x7FF8_0000_DEAD_BEEF),
            "minus nan": lambda: _float(0xFFF8_0000_0000_0000),
            "subnormal": lambda: 5e-324,
            "largest float": lambda: 1.7976931348623157e308,
            "whole float": lambda: 1.0,
        },
    ),
    Row(
        "`complex`",
        "request",
        {
            "complex": lambda: 1 - 2j,
            "complex with minus zeros": lambda: complex(-0.0, -0.0),
            "complex with nan": lambda: complex(float("nan"), float("inf")),
        },
    ),
    Row(
        "`str`",
        "request",
        {
            "empty text": lambda: "",
            "ascii": lambda: "000001.SZ",
            "chinese": lambda: "平安银行",
            "emoji": lambda: "\N{SNAKE}\U0001f469\u200d\U0001f52c",
            "nul": lambda: "a\x00b",
            "line ends": lambda: "a\r\nb\u2028c",
            "combining": lambda: "e\u0301 \u00e9",
            "long text": lambda: "行情" * 30_000,
        },
    ),
    Row("`str` with lone surrogates", "any", {"surrogate": lambda: "\ud800", "surrogates": lambda: "a\udfffb\udc80"}),
    Row(
        "`Decimal`",
        "request",
        {
            "price": lambda: Decimal("-1.2300"),
            "minus zero e5": lambda: Decimal("-0E+5"),
            "decimal nan": lambda: Decimal("NaN"),
            "signalling nan": lambda: Decimal("-sNaN7"),
            "decimal infinity": lambda: Decimal("Infinity"),
            "many digits": lambda: Decimal("0." + "1234567890" * 10),
            "huge exponent": lambda: Decimal("1E+999999"),
        },
    ),
    Row(
        "`Fraction`, `UUID`",
        "request",
        {
            "third": lambda: Fraction(-1, 3),
            "fraction of large": lambda: Fraction(2**60, 3**30),
            "uuid": lambda: UUID(int=2**127 + 5),
            "no uuid": lambda: UUID(int=0),
        },
    ),
    Row("`Ellipsis`", "request", {"ellipsis": lambda: ...}),
    Row("`NotImplemented`", "any", {"not implemented": lambda: NotImplemented}),
    Row(
        "`range`, `slice`",
        "request",
        {
            "range": lambda: range(0, 10, 3),
            "range down": lambda: range(5, -5, -2),
            "empty range": lambda: range(0),
            "slice": lambda: slice(1, None, 2),
            "slice of texts": lambda: slice("2024-01", "2024-03"),
        },
    ),
    Row("`pandas.NaT`, `pandas.NA`", "request", {"nat": lambda: pd.NaT, "na": lambda: pd.NA}),
    Row(
        "numpy scalars",
        "request",
        {
            "numpy true": lambda: np.True_,
            "int8": lambda: np.int8(-3),
            "uint64": lambda: np.uint64(2**64 - 1),
            "int64": lambda: np.int64(-(2**63)),
            "float16": lambda: np.float16(1.5),
            "float32": lambda: np.float32(0.1),
            "float64": lambda: np.float64(-0.0),
            "float64 nan": lambda: np.float64("nan"),
            "longdouble": lambda: np.longdouble(1) / 3,
            "complex64": lambda: np.complex64(1 + 2j),
            "complex128": lambda: np.complex128(-2j),
            "numpy text": lambda: np.str_("行情"),
            "numpy bytes": lambda: np.bytes_(b"a\x00b"),
            "numpy day": lambda: np.datetime64("2024-01-31", "D"),
            "numpy nanosecond": lambda: np.datetime64("2024-01-31T09:30:00.123456789", "ns"),
            "numpy nat": lambda: np.datetime64("NaT", "s"),
            "numpy month": lambda: np.datetime64("2024-01", "M"),
            "numpy timedelta": lambda: np.timedelta64(-5, "m"),
            "numpy 25 s": lambda: np.array([3], dtype="<m8[25s]")[0],
            "void": lambda: np.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", "<f8")])[0],
        },
    ),
    Row(
        "numpy data types",
        "request",
        {
            "dtype f8": lambda: np.dtype("<f8"),
            "dtype big-endian": lambda: np.dtype(">i4"),
            "dtype text": lambda: np.dtype("<U7"),
            "dtype times": lambda: np.dtype("<M8[25us]"),
            "dtype structure": lambda: np.dtype([("a", "<i1"), ("b", "<f8", (2, 3))], align=True),
        },
    ),
    Row("data type of numpy objects", "result", {"dtype object": lambda: np.dtype(object)}, refusal="object"),
]
