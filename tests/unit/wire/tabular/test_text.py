"""Columns of text whose memory is pyarrow's: what comes back, and offsets that lie."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pandas as pd
import pytest

from ksrpc import wire
from ksrpc.errors import DecodeError
from ksrpc.wire import tag
from tests.unit.wire.carry import carry, container

pytest.importorskip("pyarrow")

LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1


def column(offsets: list[int], text: bytes, bitmap: bytes | None = None) -> Any:
    """Read a column that is laid out by hand."""
    places = np.array(offsets, "<i8").tobytes()
    parts = ["utf8", "pyarrow", "na", len(offsets) - 1, places, text, bitmap]
    return wire.parse(container(msgpack.packb([msgpack.ExtType(1, bytes([tag.EXTENSION])), *parts])))


@pytest.mark.parametrize("missing", ["string[pyarrow]", pd.StringDtype("pyarrow", na_value=np.nan)])
@pytest.mark.parametrize(
    "texts", [["a", "", "long " * 20], ["", "", ""], ["平安银行", "", "万科Ａ"], ["a", None, "平安"]]
)
def test_texts_come_back(texts: list[str | None], missing: Any) -> None:
    made = pd.Series(texts * 50, dtype=missing)
    pd.testing.assert_series_equal(carry(made), made, check_exact=True)


@pytest.mark.parametrize("text", [b"abcdef", "aüöx".encode()])
@pytest.mark.parametrize(
    "offsets",
    [
        [0, 4, 2, 6],
        [1, 2, 3, 6],
        [0, 1, 2, 5],
        [0, 1, 2, 7],
        [0, -1, 3, 6],
        [0, HIGHEST, -2, 6],  # a difference that overflows looks like a step up
        [0, HIGHEST, LOWEST, 6],
        [0, LOWEST, 0, 6],
    ],
)
def test_offsets_that_cannot_be_are_refused(offsets: list[int], text: bytes) -> None:
    with pytest.raises(DecodeError):
        column(offsets, text)


def test_a_character_that_is_cut_in_two_is_refused() -> None:
    with pytest.raises(DecodeError):
        column([0, 2, 6], "aüöx".encode())
    with pytest.raises(DecodeError):
        column([0, 3, 6], b"ab\xffdef")
    assert column([0, 3, 6], "aüöx".encode()).tolist() == ["aü", "öx"]


@pytest.mark.parametrize("bitmap", [b"", b"\xff\xff"])
def test_a_bitmap_of_another_size_is_refused(bitmap: bytes) -> None:
    with pytest.raises(DecodeError):
        column([0, 3, 6], b"abcdef", bitmap)
