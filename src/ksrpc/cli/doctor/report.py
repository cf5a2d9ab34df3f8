"""Findings, printed one below the other, with the cure of what is not as it should be.

Source: docs/reference/cli.md "ksrpc doctor", "ksrpc policy test".
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence

import click

from ksrpc.cli.doctor.finding import Finding, Mark
from ksrpc.cli.table import show_json
from ksrpc.text import clean, singular

_COLOURS = {Mark.OK: "green", Mark.WARN: "yellow", Mark.FAIL: "red"}
_MARK_CELLS = 6
_SUBJECT_CELLS = 15


def show_findings(findings: Sequence[Finding], *, is_json: bool) -> None:
    """Print what was found; exit with status 1 if anything of it is a failure."""
    has_failed = any(finding.mark is Mark.FAIL for finding in findings)
    if is_json:
        checks = [{"mark": f.mark, "subject": f.subject, "text": f.text, "cure": f.cure} for f in findings]
        show_json({"ok": not has_failed, "checks": checks})
    else:
        _show(findings)
    if has_failed:
        sys.exit(1)


def _show(findings: Sequence[Finding]) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for finding in findings:
        mark = click.style(
            f"{finding.mark:<{_MARK_CELLS}}", fg=_COLOURS[finding.mark], bold=finding.mark is not Mark.OK
        )
        text = _hang(f"{finding.subject:<{_SUBJECT_CELLS}}{clean(finding.text)}", width)
        click.echo(mark + text[_MARK_CELLS:])
        if finding.cure:
            click.echo(_hang(f"{'':<{_SUBJECT_CELLS}}→ {clean(finding.cure)}", width))
    counts = Counter(finding.mark for finding in findings)
    warned, failed = singular(counts[Mark.WARN], "warning"), singular(counts[Mark.FAIL], "failure")
    click.echo(f"\n{counts[Mark.OK]} ok, {warned}, {failed}")


def _hang(text: str, width: int | None) -> str:
    """Indent a text, with its further lines below the first; where nobody looks it stays one line."""
    first = " " * _MARK_CELLS + text
    if width is None:
        return first
    return textwrap.fill(
        first,
        width - 1,
        subsequent_indent=" " * (_MARK_CELLS + _SUBJECT_CELLS),
        break_long_words=False,
        break_on_hyphens=False,
    )
