"""Tables: to look at on a terminal, to cut and search in a pipe, where nothing is wrapped, shortened or coloured.

Source: docs/reference/cli.md "Output".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ksrpc.text import clean

#: `--json`, for every command that lists or shows.
json_option = click.option("--json", "is_json", is_flag=True, help="As JSON, for programs; times in Unix seconds.")
_GAP = 2


def show_table(
    names: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[int] = (), folds: Collection[int] = ()
) -> None:
    """Print rows under the names of their columns.

    Args:
        right: Columns that are aligned to the right.
        folds: Columns that may be broken into lines on a terminal that is too narrow.
    """
    texts = [[clean(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _show_folded(names, texts, right, folds)
    else:
        click.echo("".join(_aligned(names, texts, right)), nl=False)


def show_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print labels with what belongs to each, one a line."""
    lines = [(label, clean(text)) for label, text in pairs]
    width = max((cell_len(label) for label, _ in lines), default=0)
    for label, text in lines:
        click.echo(f"{label}{' ' * (width - cell_len(label) + _GAP)}{text}")


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2))


def _show_folded(names: Sequence[str], rows: list[list[str]], right: Collection[int], folds: Collection[int]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for at, name in enumerate(names):
        table.add_column(name, justify="right" if at in right else "left", no_wrap=at not in folds, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def _aligned(names: Sequence[str], rows: list[list[str]], right: Collection[int]) -> Iterable[str]:
    table = [list(names), *rows]
    widths = [max(cell_len(row[at]) for row in table) for at in range(len(names))]
    for row in table:
        cells = []
        for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
            blank = " " * (width - cell_len(cell))
            cells.append(blank + cell if at in right else cell + blank)
        yield (" " * _GAP).join(cells).rstrip() + "\n"
