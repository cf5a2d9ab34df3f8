"""Amounts and spans are short, and right at their edges."""

from __future__ import annotations

import pytest

from ksrpc.cli.amount import show_bytes, show_moment, show_span


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10_240, "10 KiB"),
        (1_048_575, "1.0 MiB"),
        (10_737_418_240, "10 GiB"),
        (1 << 50, "1024 TiB"),
    ],
)
def test_bytes(count: int, text: str) -> None:
    assert show_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3660, "1 h 01 min"), (86_400 * 9, "9 d 0 h")],
)
def test_spans(seconds: float, text: str) -> None:
    assert show_span(seconds) == text


def test_no_moment_is_never() -> None:
    assert show_moment(None) == "never"
