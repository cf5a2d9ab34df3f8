"""`ksrpc audit`: who called what, from where, and what came of it.

Source: docs/howto/audit.md.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import click

from ksrpc.cli.amount import show_bytes
from ksrpc.cli.option import config_option, says_errors
from ksrpc.cli.table import json_option, show_json, show_table
from ksrpc.config import Config, find_config, load_config
from ksrpc.gateway.audit import FOLDER
from ksrpc.store.journal import journal_files, read_lines, verify

__all__ = ["AuditReader", "Event", "audit", "audit_folder", "parse_moment"]

_SHOWN = 50
_FOLLOW_S = 0.5
_UNITS = {"m": 60, "h": 3600, "d": 86_400}
_NAMES = ("when", "user", "from", "path", "outcome", "ms", "size", "rows", "cache")
_RIGHT = (5, 6, 7)

Event = dict[str, Any]


@click.group()
def audit() -> None:
    """Show who called what, from where, and what came of it."""


@audit.command("ls")
@click.option("--user", metavar="NAME", help="Only this user's.")
@click.option("--path", metavar="PATTERN", help="Only calls of this path; * stands for anything: 'tushare.*'.")
@click.option("--outcome", metavar="TEXT", help="Only what ended so: ok, raised, forbidden, lost …")
@click.option("--since", metavar="WHEN", help="Only since then: 30m, 2h, 7d, or 2026-11-24 or 2026-11-24T08:00.")
@click.option("-n", "count", type=click.IntRange(1), default=_SHOWN, show_default=True, help="The last so many.")
@click.option("-f", "--follow", "is_followed", is_flag=True, help="Go on and show what comes.")
@json_option
@config_option
@says_errors
def audit_ls(count: int, config: str | None, *, is_followed: bool, is_json: bool, **asked: str | None) -> None:
    """List calls, refusals and changes of tokens and settings, the newest last."""
    if is_followed and is_json:
        raise click.UsageError("--json shows a whole; with -f there is none")
    folder = audit_folder(load_config(find_config(config)))
    wanted = _Wanted(asked["user"], asked["path"], asked["outcome"], parse_moment(asked["since"]))
    reader = AuditReader(folder, wanted.since)
    found = deque(filter(wanted.has, reader.read()), maxlen=count)
    if is_json:
        show_json(list(found))
    elif found or is_followed:
        show_table(_NAMES, map(_row, found), right=_RIGHT)
    else:
        click.echo("nothing was written down of that")
    if is_followed:
        _follow(reader, wanted.has)


@audit.command("verify")
@json_option
@config_option
@says_errors
def audit_verify(config: str | None, *, is_json: bool) -> None:
    """See whether any line was changed or is missing; exits with 1 if one was."""
    verdicts = verify(audit_folder(load_config(find_config(config))))
    if is_json:
        show_json([{**one._asdict(), "path": str(one.path)} for one in verdicts])
    else:
        for one in verdicts:
            cut = "; it ends in half a line: its server was ended while it wrote" if one.is_cut else ""
            click.echo(
                f"{'ok ' if not one.fault else 'BAD'} {one.path.name}  {one.lines} lines  {one.fault}{cut}".rstrip()
            )
        if not verdicts:
            click.echo("nothing was written down yet")
    if any(one.fault for one in verdicts):
        raise click.exceptions.Exit(1)


class _Wanted(NamedTuple):
    """Say which events are to be shown."""

    user: str | None
    path: str | None
    outcome: str | None
    since: float

    def has(self, event: Event) -> bool:
        """Tell whether one is."""
        return (
            event["at"] >= self.since
            and self.user in (None, event.get("user"))
            and (self.path is None or fnmatchcase(str(event.get("path", "")), self.path))
            and (self.outcome is None or str(event.get("outcome", "")).partition(" ")[0] == self.outcome)
        )


class AuditReader:
    """Put the two records of each call together."""

    def __init__(self, folder: Path, begin: float) -> None:
        self._folder = folder
        self._begin = begin
        self._ends: dict[str, int] = {}
        self._open: dict[tuple[str, int], Event] = {}

    def read(self, *, is_last: bool = True) -> Iterator[Event]:
        """Yield what is new: what is over in the order of its end; then, if nothing follows, what is not."""
        for path in journal_files(self._folder):
            if path.stat().st_mtime < self._begin:
                continue
            for line in read_lines(path, self._ends.get(path.name, 0)):
                if line.record:
                    self._ends[path.name] = line.end
                    yield from self._take(path.name, line.record)
        if is_last:
            yield from sorted(self._open.values(), key=lambda event: float(event["at"]))

    def _take(self, name: str, record: Event) -> Iterator[Event]:
        event = record.get("event")
        if event == "decided":
            self._open[name, record["call"]] = record
        elif event == "settled":
            decided = self._open.pop((name, record["call"]), {})
            yield {**decided, **record, "event": "call", "at": decided.get("at", record["at"])}
        elif event != "opened":
            yield record


def _follow(reader: AuditReader, wanted: Callable[[Event], bool]) -> None:
    while True:
        time.sleep(_FOLLOW_S)
        rows = [_row(event) for event in reader.read(is_last=False) if wanted(event)]
        for row in rows:
            click.echo("  ".join(filter(None, row)))


def _row(event: Event) -> tuple[str, ...]:
    kind, count = event["event"], event.get("count", 1)
    outcome = str(event.get("outcome", "under way, or cut off" if kind == "decided" else kind))
    if kind == "refused":
        outcome = f"refused: {outcome}" + (f" ({count} times)" if count > 1 else "")
    size = show_bytes(event["bytes"]) if "bytes" in event else ""
    what = f"{event.get('path', event.get('token', ''))}{event.get('asked', '')}"
    told = (event.get("user", ""), event.get("from", ""), what, outcome)
    more = (f"{event['ms']:,.1f}" if "ms" in event else "", size, event.get("rows", ""), event.get("cache", ""))
    return tuple(map(str, (_show(event["at"]), *told, *more)))


def _show(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def audit_folder(settings: Config) -> Path:
    """Name the folder of the records."""
    return settings.server.data_dir / FOLDER


def parse_moment(text: str | None) -> float:
    """Read `--since`; 0 if it was not given.

    Raises:
        click.BadParameter: It is neither a span nor a moment.
    """
    if text is None:
        return 0.0
    span = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if span:
        return time.time() - int(span[1]) * _UNITS[span[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is neither a span such as 2h nor a day or moment", param_hint="--since"
        ) from None
