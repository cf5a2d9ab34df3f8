"""`ksrpc quota`: what users have used of their limits today.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ksrpc.cli.option import config_option, says_errors
from ksrpc.cli.token import open_tokens
from ksrpc.config import Config, find_config, load_config
from ksrpc.gateway.limit import ALL, window_at
from ksrpc.gateway.usage import Usage, open_usage, read_usage
from ksrpc.model import ANONYMOUS
from ksrpc.store.token import is_valid
from ksrpc.store.usage import UsageStore

_BAR_CELLS = 20
#: Where nobody looks at a screen nothing is cut.
_FILE_CELLS = 400
#: From this part of a limit on the bar is yellow.
_NEAR = 0.8


@click.group()
def quota() -> None:
    """Show what users have used of their limits today, and give it back."""


@quota.command("ls")
@click.option("--user", metavar="NAME", help="Only this user.")
@click.option("--json", "is_json", is_flag=True, help="As JSON, for programs.")
@config_option
@says_errors
def quota_ls(user: str | None, config: str | None, *, is_json: bool) -> None:
    """List the limits of the users, and how much of each is used today."""
    settings = load_config(find_config(config))
    now = time.time()
    with closing(open_usage(settings)) as store:
        names = [user] if user is not None else _users(settings, store, now)
        found = [(name, usage) for name in names for usage in read_usage(settings, store, name, now=now)]
    if is_json:
        click.echo(json.dumps([{"user": name, **asdict(usage)} for name, usage in found], indent=2))
    elif found:
        _show(found)
    else:
        click.echo("no limits: [quota.default] and [user.NAME] quota in ksrpc.toml set them")


@quota.command("reset")
@click.argument("name")
@config_option
@says_errors
def quota_reset(name: str, config: str | None) -> None:
    """Let the user NAME begin this day again with nothing used."""
    settings = load_config(find_config(config))
    with closing(open_usage(settings)) as store:
        count = store.reset(_today(settings, time.time()), name)
    if not count:
        raise click.ClickException(f"{name} has used nothing today; `ksrpc quota ls` lists who has")
    click.echo(f"{name} has used nothing now")


def _users(settings: Config, store: UsageStore, now: float) -> list[str]:
    """Return everybody who has a token, a section or a counter, and whoever needs none."""
    tokens = open_tokens(settings)
    with closing(tokens):
        known = {record.user for record in tokens.records() if is_valid(record)}
    known |= {*settings.user, *store.users(_today(settings, now))}
    return sorted(known | {ANONYMOUS} if settings.access.anonymous else known)


def _today(settings: Config, now: float) -> str:
    return window_at(now, settings.server.time_zone).name


def _show(found: list[tuple[str, Usage]]) -> None:
    table = Table("user", "of", box=None, pad_edge=False)
    for name in ("used", "limit"):
        table.add_column(name, justify="right")
    table.add_column("")
    table.add_column("opens again")
    for user, usage in found:
        scope = "everything" if usage.scope == ALL else usage.scope
        moment = usage.resets_at[:16].replace("T", " ")
        table.add_row(user, scope, f"{usage.used:,}", f"{usage.limit:,}", _bar(usage), moment)
    console = Console()
    if not console.is_terminal:
        console.width = _FILE_CELLS
    console.print(table)


def _bar(usage: Usage) -> Text:
    """Draw how much is used; what is over the limit fills the bar."""
    part = min(1.0, usage.used / usage.limit) if usage.limit else 1.0
    cells = round(part * _BAR_CELLS)
    style = "red" if part >= 1 else "yellow" if part >= _NEAR else "green"
    return Text.assemble(("█" * cells, style), ("░" * (_BAR_CELLS - cells), "dim"), f" {part:4.0%}")
