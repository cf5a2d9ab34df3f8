"""Signatures are written as Python writes them, tables cut to the terminal's width."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ksrpc.cli.looking import pack_signature
from ksrpc.cli.showing import _fitting, show


def described(function: Callable[..., Any], returns: str = "") -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    signature = [
        {"name": p.name, "kind": p.kind.name, "annotation": p.annotation if type(p.annotation) is str else "",
         "default": "" if p.default is p.empty else repr(p.default)}
        for p in parameters
    ]  # fmt: skip
    return {"kind": "function", "signature": signature, "returns": returns}


def both(a: int, /, b: Any = 1, *args: Any, c: Any, d: str = "x", **kw: Any) -> None: ...


SHAPES: list[Callable[..., Any]] = [
    lambda: None, lambda a, b: None, lambda a, /: None, lambda a, /, b: None, lambda *, k: None, lambda a, *, k=1: None,
    lambda *args: None, lambda *args, k: None, lambda a, /, *, k, **kw: None, lambda **kw: None, both,
]  # fmt: skip


@pytest.mark.parametrize("function", SHAPES, ids=lambda function: str(inspect.signature(function)))
def test_a_signature_is_pythons_own(function: Callable[..., Any]) -> None:
    bare = str(inspect.signature(function)).replace("'", "").replace(" -> None", "")
    assert pack_signature(described(function)).replace("'", "") == bare


def test_what_is_not_called_has_none_and_what_is_unknown_says_so() -> None:
    assert pack_signature({"kind": "value", "signature": None}) == ""
    assert pack_signature({"kind": "module", "signature": None}) == ""
    assert pack_signature({"kind": "function", "signature": None}) == "(…)"
    assert pack_signature(described(lambda a: a, "pd.DataFrame")) == "(a) -> pd.DataFrame"


@pytest.mark.parametrize(
    ("widths", "room", "kept"),
    [
        ([3, 3, 3], 13, [0, 1, 2]),
        ([3, 3, 3, 3, 3], 18, [0, 1, None, 4]),
        ([3] * 10, 40, [0, 1, 2, 3, None, 7, 8, 9]),
        ([3, 100], 40, [0, None]),
        ([100], 40, [0]),
    ],
)
def test_columns_are_left_out_of_the_middle(widths: list[int], room: int, kept: list[int | None]) -> None:
    assert _fitting(widths, room) == kept


@pytest.mark.parametrize("rows", [0, 1, 20, 21, 1000])
def test_long_tables_show_both_ends_and_always_the_shape(rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    show(pd.DataFrame({"n": range(rows), "x": [i / 4 for i in range(rows)]}))
    lines = capsys.readouterr().out.splitlines()
    numbers = [line.split() for line in lines[1:-2]]
    shown = [int(row[0]) for row in numbers if row[0] != "…"]
    assert shown == (list(range(rows)) if rows <= 20 else [*range(10), *range(rows - 10, rows)])
    assert (["…", "…", "…"] in numbers) is (rows > 20)
    assert lines[-1].replace(" ", "") == f"{rows}row{'' if rows == 1 else 's'}×2columns"


def test_a_table_shows_its_values_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    show(
        pd.DataFrame(
            {"day": pd.to_datetime(["2024-01-02", "NaT"]), "x": [1.5, float("nan")], "tiny": [1e-12, 1.0],
             "text": ["[red]a[/red]", "b\x1b[31m\nc"], "many": [["x"] * 100, None]},
            index=pd.Index(["中文", "b"], name="code"),
        )
    )  # fmt: skip
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["code", "day", "x", "tiny", "text", "many"]
    assert out.splitlines()[1].startswith("中文  2024-01-02  1.5  1e-12  [red]a[/red]")
    assert "\x1b" not in out
    assert "b[31m⏎c" in out


def test_a_series_and_levels_of_an_index_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"])
    show(pd.Series([1.25, 2.0], index=index, name="close"))
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["x", "y", "close"], ["a", "1", "1.25"], ["b", "2", "2.00"], [], ["2", "rows", "×", "1", "column"]
    ]  # fmt: skip
