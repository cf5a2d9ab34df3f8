"""Words of the command line become arguments as HTTPie's users expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from ksrpc.cli.argument import parse_words


@pytest.mark.parametrize(
    ("word", "args", "kwargs"),
    [
        ("text", ("text",), {}),
        ("000001.SZ,600000.SH", ("000001.SZ,600000.SH",), {}),
        ("a+b=c", ("a+b=c",), {}),
        ("SELECT x=1", ("SELECT x=1",), {}),
        ("2024:=1", ("2024:=1",), {}),
        ("", ("",), {}),
        (":=5", (5,), {}),
        (':=["a", null]', (["a", None],), {}),
        ("=a=b", ("a=b",), {}),
        ("code=000001", (), {"code": "000001"}),
        ("code=", (), {"code": ""}),
        ("expr=a=b:=c", (), {"expr": "a=b:=c"}),
        ("n:=5", (), {"n": 5}),
        ("x:=1.5", (), {"x": 1.5}),
        ("big:=123456789012345678901234567890", (), {"big": 123456789012345678901234567890}),
        ('d:={"a": [true]}', (), {"d": {"a": [True]}}),
        ("代码=1", (), {"代码": "1"}),
        ("two=line\nend", (), {"two": "line\nend"}),
        ('at:="@not a file"', (), {"at": "@not a file"}),
    ],
)
def test_a_word_is_read(word: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert parse_words([word]) == (args, kwargs)


def test_positional_ones_keep_their_order() -> None:
    assert parse_words(["a", "x=1", ":=2", "c"]) == (("a", 2, "c"), {"x": "1"})


def test_values_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("多行\nquery\n", encoding="utf-8")
    (tmp_path / "q.json").write_text('{"a": 1}', encoding="utf-8")
    text, json = tmp_path / "q.txt", tmp_path / "q.json"
    assert parse_words([f"q=@{text}", f"d:=@{json}", f"=@{text}", f":=@{json}"]) == (
        ("多行\nquery\n", {"a": 1}),
        {"q": "多行\nquery\n", "d": {"a": 1}},
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rows:={"], "argument 'rows': this is not JSON"),
        (["rows:=abc"], "a text is given with = alone"),
        (["x", ":=nope"], "argument 2: this is not JSON"),
        (["x:=NaN"], "argument 'x': this is not JSON: JSON has no NaN"),
        (["x:=" + "[" * 100_000], "argument 'x': this is not JSON"),
        (["x:="], "argument 'x': this is not JSON"),
        (["a=1", "a:=2"], "argument 'a' is given twice"),
        (["a=@nowhere.txt"], "argument 'a': nowhere.txt cannot be read: No such file"),
    ],
)
def test_a_mistake_names_the_argument(words: list[str], said: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse_words(words)
    assert said in str(caught.value.message)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(click.UsageError, match="not text in UTF-8"):
        parse_words([f"a=@{tmp_path / 'x'}"])
