"""A traceback as callers get it: functions and lines, no code, no files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ksrpc.worker.trace import trace_text

CODE = """
def fail(n=0):
    hidden = "hidden"  # a comment
    return fail(n - 1) if n else {}[hidden]

def chain():
    try:
        fail()
    except KeyError as error:
        raise ValueError("outer") from error

def during():
    try:
        fail()
    except KeyError:
        raise ValueError("outer")

def quiet():
    try:
        fail()
    except KeyError:
        raise ValueError("outer") from None
"""


def trace_of(name: str, *args: object, cover: Callable[[str], str] | None = None) -> str:
    names: dict[str, Any] = {"__name__": "ksrpc_server.bars"}
    exec(compile(CODE, "/srv/hidden/bars.py", "exec"), names)
    with pytest.raises((KeyError, ValueError), match=r"hidden|outer") as raised:
        names[name](*args)
    text = trace_text(raised.value.with_traceback(raised.tb.tb_next), cover)
    assert "return" not in text
    assert "comment" not in text
    assert "/srv" not in text
    return text


def test_functions_and_lines_are_named() -> None:
    assert trace_of("fail", 1) == (
        "Traceback (most recent call last):\n"
        '  File "<server module bars>", line 4, in fail\n'
        '  File "<server module bars>", line 4, in fail\n'
        "KeyError: 'hidden'\n"
    )


def test_a_cover_holds_for_its_texts() -> None:
    assert trace_of("fail", cover=lambda text: text.replace("hidden", "…")).endswith("KeyError: '…'\n")


def test_causes_and_contexts_come_first() -> None:
    for name, words in (("chain", "direct cause"), ("during", "During handling")):
        text = trace_of(name)
        assert text.index("KeyError: 'hidden'") < text.index(words) < text.index("ValueError: outer")
    assert "KeyError" not in trace_of("quiet")


def test_long_traces_are_cut() -> None:
    lines = trace_of("fail", 200).splitlines()
    assert len(lines) == 53
    assert "  … 151 more …" in lines


def test_an_error_that_was_never_raised_or_has_no_text() -> None:
    class RudeError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert trace_text(ValueError(), None) == "Traceback (most recent call last):\nValueError\n"
    assert trace_text(RudeError("x"), None).endswith("RudeError\n")
    assert "c.py" not in trace_text(SyntaxError("bad", ("/a/c.py", 3, 1, "x = y = secret")), str)
