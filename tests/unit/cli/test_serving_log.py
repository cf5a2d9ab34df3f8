"""What a served gateway logs cannot be forged by the texts of callers."""

from __future__ import annotations

import logging
import sys

from ksrpc.cli.serving import PlainFormatter


def told(message: str, *, error: Exception | None = None) -> list[str]:
    info = None
    if error is not None:
        try:
            raise error
        except Exception:
            info = sys.exc_info()
    record = logging.LogRecord("ksrpc", logging.WARNING, __file__, 1, message, (), info)
    return PlainFormatter("%(levelname)s %(message)s").format(record).split("\n")


def test_only_the_first_line_begins_as_a_record_does() -> None:
    lines = told(
        "kept from a\r\nWARNING forged\u2028WARNING too\x1b[2J\u202e", error=ValueError("x\nWARNING three\x07")
    )
    assert lines[0] == "WARNING kept from a"
    assert [line for line in lines if line.startswith("WARNING")] == lines[:1]
    assert "    WARNING three" in lines
    assert not set("\x1b\x07\u202e\u2028\r") & set("".join(lines))


def test_an_empty_message_is_a_line() -> None:
    assert told("") == ["WARNING "]
