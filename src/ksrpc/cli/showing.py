"""Show the answer of a call on a terminal: tables as tables, with their first and last rows, all else pretty.

Source: docs/reference/cli.md "ksrpc call".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.highlighter import ReprHighlighter
from rich.pretty import pretty_repr
from rich.table import Table
from rich.text import Text

from ksrpc.cli.saving import is_frame
from ksrpc.errors import NotAcceptableError
from ksrpc.text import clean, singular

#: How many rows are shown at each end of a table that is longer than twice this.
_ROWS = 10
_CELL_CHARS = 40
_ITEMS = 100
_DECIMALS = 6
_GAP = "…"
#: What rich leaves between two columns.
_GUTTER = 2


def show(value: Any) -> None:
    """Print a value.

    Raises:
        NotAcceptableError: It is binary data, which a terminal could only be upset by.
    """
    if isinstance(value, bytes | bytearray):
        raise NotAcceptableError(f"the answer is {singular(len(value), 'byte')} of data: keep it with -o FILE.bin")
    if isinstance(value, str):
        click.echo(clean(value))
    elif is_frame(value):
        _show_frame(value)
    else:
        console = Console(highlight=False)
        text = pretty_repr(value, max_width=console.width, max_length=_ITEMS, max_string=None)
        console.print(ReprHighlighter()(Text(clean(text))), soft_wrap=True)


def show_list(names: list[str], rows: list[list[str]]) -> None:
    """Print what there is a line each; the last column, and the first where it is very long, are cut to fit."""
    room = Console().width - _GUTTER * (len(names) - 1)
    widths = [_width(name, [row[at] for row in rows]) for at, name in enumerate(names)]
    widths[0] = min(widths[0], room * 3 // 5)
    widths[-1] = max(1, min(widths[-1], room - sum(widths[:-1])))
    show_rows(names, rows, widths=widths)


def show_rows(
    names: list[str], rows: list[list[str]], *, right: frozenset[int] = frozenset(), widths: Sequence[int | None] = ()
) -> None:
    """Print a table of texts; nothing in them is read as markup."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, (name, width) in enumerate(zip_longest(names, widths)):
        table.add_column(
            Text(clean(name)), justify="right" if number in right else "left", no_wrap=True, max_width=width
        )
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    Console(highlight=False).print(table)


def _show_frame(value: Any) -> None:
    frame = value.to_frame("value" if value.name is None else value.name) if value.ndim == 1 else value
    is_long = len(frame) > 2 * _ROWS
    ends = _take_ends(frame) if is_long else frame
    names, columns, right = _columns(ends)
    if is_long:
        for column in columns:
            column.insert(_ROWS, _GAP)
    kept = _fitting([_width(name, column) for name, column in zip(names, columns, strict=True)], Console().width)
    shown = [position if position is None else (names[position], columns[position]) for position in kept]
    rows = [[_GAP if pair is None else pair[1][at] for pair in shown] for at in range(len(ends) + is_long)]
    show_rows(
        [_GAP if pair is None else pair[0] for pair in shown],
        rows,
        right=frozenset(at for at, position in enumerate(kept) if position in right),
    )
    click.echo(f"\n{singular(len(frame), 'row')} × {singular(value.shape[1] if value.ndim == 2 else 1, 'column')}")


def _take_ends(frame: Any) -> Any:
    return frame.iloc[[*range(_ROWS), *range(len(frame) - _ROWS, len(frame))]]


def _columns(frame: Any) -> tuple[list[str], list[list[str]], set[int]]:
    """Return names, texts and which of the columns are numbers; the levels of the index come first."""
    index = frame.index
    levels = [index.get_level_values(level) for level in range(index.nlevels)]
    series = [level.to_series() for level in levels] + [frame.iloc[:, at] for at in range(frame.shape[1])]
    names = ["" if level.name is None else str(level.name) for level in levels] + [str(name) for name in frame.columns]
    right = {at for at, column in enumerate(series) if getattr(column.dtype, "kind", "O") in "iuf"}
    return names, [_texts(column) for column in series], right


def _texts(series: Any) -> list[str]:
    kind = getattr(series.dtype, "kind", "O")
    items = series.tolist()
    texts = _float_texts(items) if kind == "f" else [_text(item) for item in items]
    midnight = " 00:00:00"
    if kind == "M" and all(text.endswith(midnight) or text == "NaT" for text in texts):
        texts = [text.removesuffix(midnight) for text in texts]
    return texts


def _float_texts(items: list[Any]) -> list[str]:
    """Return floats with as many decimals as the one that needs most of them, and at least one."""
    texts = [f"{item:.10g}" if isinstance(item, float) else str(item) for item in items]
    if any("e" in text for text in texts):
        return texts
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    places = min(max(decimals, 1), _DECIMALS)
    return [f"{item:.{places}f}" if isinstance(item, float) else str(item) for item in items]


def _text(item: Any) -> str:
    text = str(item).replace("\n", "⏎").replace("\t", " ")
    return text if len(text) <= _CELL_CHARS else text[: _CELL_CHARS - 1] + _GAP


def _width(name: str, column: list[str]) -> int:
    return max(map(cell_len, (name, *column)), default=0)


def _fitting(widths: list[int], room: int) -> list[int | None]:
    """Choose columns from both ends that fit side by side; None stands for those left out."""
    if len(widths) == 1 or sum(widths) + _GUTTER * (len(widths) - 1) <= room:
        return list(range(len(widths)))
    left: list[int] = [0]
    right: list[int] = []
    used, low, high = widths[0] + _GUTTER + 1, 1, len(widths) - 1
    while low <= high:
        position = low if len(left) <= len(right) + 1 else high
        used += widths[position] + _GUTTER
        if used > room:
            break
        if position == low:
            left.append(low)
            low += 1
        else:
            right.insert(0, high)
            high -= 1
    return [*left, None, *right]
