"""Nothing that a server says steers a terminal."""

from __future__ import annotations

import unicodedata

import pytest

from ksrpc.text import clean, first_line, singular


@pytest.mark.parametrize(
    ("hostile", "left"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]52;c;aGk=\x07", "]52;c;aGk="),
        ("\x9b31m\x9d0;title\x9c", "31m0;title"),
        ("over\rwritten\b\b", "overwritten"),
        ("a\u202egnp.exe\u2066\u2069", "agnp.exe"),
        ("\ud800lone", "lone"),
        ("line\n\ttab 中文 é 👩‍💻", "line\n\ttab 中文 é 👩‍💻"),
    ],
)
def test_what_steers_is_gone_and_the_rest_stays(hostile: str, left: str) -> None:
    assert clean(hostile) == left


def test_no_control_character_but_tab_and_line_end_is_left() -> None:
    left = clean("".join(map(chr, range(0x110000))))
    assert {char for char in left if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")} == {"\n", "\t"}


def test_first_line_and_counts() -> None:
    assert first_line("\n\x1b One.\n\nTwo.") == "One."
    assert first_line("") == ""
    assert (singular(1, "row"), singular(0, "row"), singular(12345, "row")) == ("1 row", "0 rows", "12 345 rows")
