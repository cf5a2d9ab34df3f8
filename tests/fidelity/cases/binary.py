"""Bytes and what is like them."""

from __future__ import annotations

import numpy as np

from tests.fidelity.case import Row

ROWS = [
    Row(
        "`bytes`",
        "request",
        {
            "empty bytes": lambda: b"",
            "bytes": lambda: b"\x00\xff\x80abc",
            "all bytes": lambda: bytes(range(256)),
            "100 000 bytes": lambda: bytes(range(250)) * 400,
            "bytes in a dict": lambda: {"a": [b"", b"\xc4"]},
        },
    ),
    Row(
        "`bytearray`",
        "request",
        {
            "empty bytearray": bytearray,
            "bytearray": lambda: bytearray(b"\x00ab"),
            "100 000 of bytearray": lambda: bytearray(100_000),
        },
    ),
    Row(
        "`memoryview`",
        "any",
        {
            "empty memoryview": lambda: memoryview(b""),
            "memoryview": lambda: memoryview(b"ab\x00"),
            "memoryview of floats": lambda: np.arange(6.0).reshape(2, 3).data,
            "memoryview of shorts": lambda: np.arange(3, dtype="<i2").data,
            "large memoryview": lambda: memoryview(bytearray(100_000)),
        },
    ),
]
