"""Texts of others on their way to a terminal or a log: nothing in them may steer it.

Source: docs/reference/cli.md "Calling a gateway".
"""

from __future__ import annotations

import re

#: Control characters but tab and new line, the marks that turn the direction of writing, lone surrogates.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """Return a text without what could colour, move, retitle or answer for the terminal, or hide a part of itself."""
    return _STEERING.sub("", text)


def first_line(text: str) -> str:
    """Return the first line of a text, cleaned."""
    return clean(text).strip().partition("\n")[0]


def singular(count: int, noun: str) -> str:
    """Return a count with its noun: 1 row, 2 rows."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}".replace(",", " ")
