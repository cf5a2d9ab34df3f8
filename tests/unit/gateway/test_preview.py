"""What the audit shows of arguments, when it is asked to show any."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from ksrpc import wire
from ksrpc.gateway.preview import preview

CASES: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((), {}, "()"),
    (("000001.SZ", 5, None, True, -0.5), {}, "('000001.SZ', 5, None, True, -0.5)"),
    ((dt.date(2026, 1, 5),), {"fields": ["open", "close"]}, "(2026-01-05, fields=['open', 'close'])"),
    ((list(range(20)),), {}, "([0, 1, 2, 3, 4, 5, 6, 7, … 12 more])"),
    ((np.zeros((3, 4)),), {}, "(<float64 3x4>)"),
    ((b"raw",), {"a": {"b": {"c": {"d": 1}}}}, "(<bytes>, a={'b': {'c': {'d': 1}}})"),
    (("x" * 100,), {}, f"('{'x' * 39}…')"),
    (("line\r\n\x1b[31m\u202e",), {}, "('line\\r\\n\\x1b[31m\\u202e')"),
    ((), {"token": "c4n4ry", "api_key": 1, "option": {"passwd": "c4n4ry", "n": 1}},
     "(token=<secret>, api_key=<secret>, option={'passwd': <secret>, 'n': 1})"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "kwargs", "shown"), CASES)
def test_values_are_shown_as_they_would_be_typed(args: Any, kwargs: Any, shown: str) -> None:
    assert preview("demo.echo", wire.pack_arguments(args, kwargs).join()) == shown


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("demo.echo", b""),
        ("demo.echo", b"\xff damaged"),
        ("demo.echo", wire.pack_arguments(("x" * 5000,), {}).join()),
        ("rqdatac.order_shares", wire.pack_arguments(("000001.SZ", 100), {}).join()),
        ("easytrader.buy", wire.pack_arguments(("000001.SZ", 100), {}).join()),
    ],
)
def test_what_is_long_damaged_or_a_trade_is_not_shown(path: str, data: bytes) -> None:
    assert preview(path, data) == "(…)"


def test_no_line_is_longer_than_others() -> None:
    shown = preview("demo.echo", wire.pack_arguments(("y" * 39,) * 20, {}).join())
    assert len(shown) == 200
