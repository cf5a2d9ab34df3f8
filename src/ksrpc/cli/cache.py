"""`ksrpc cache`: look at the answers that are kept, and throw some away; a running server follows within a second.

Source: docs/howto/look-after-the-cache.md.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice

import click

from ksrpc.cli.amount import show_bytes
from ksrpc.cli.hoard import (
    describe_entry,
    entry_pairs,
    find_entries,
    globs_of,
    open_cache,
    show_entries,
    show_weight,
    weigh,
)
from ksrpc.cli.option import config_option, confirm, says_errors
from ksrpc.cli.table import json_option, show_json, show_pairs
from ksrpc.client.progress import working
from ksrpc.config import Config, find_config, load_config
from ksrpc.errors import ConfigError
from ksrpc.store import CacheStore, Listed
from ksrpc.text import singular

_KEY = re.compile(r"[0-9a-f]{4,128}")
_SHOWN = 20
_NOTHING = "nothing is kept: no call has asked for it (cache_expire)"


@click.group()
def cache() -> None:
    """Look at the answers that are kept, throw some away.

    A running server follows within a second.
    """


@cache.command("ls")
@click.argument("pattern", required=False)
@click.option("--long", "is_long", is_flag=True, help="Whole keys, bytes, and moments instead of spans.")
@json_option
@config_option
@says_errors
def cache_ls(pattern: str | None, config: str | None, *, is_long: bool, is_json: bool) -> None:
    """List what is kept, oldest first.

    PATTERN is a path such as demo.frame, a module, or has wildcards: "tushare.*daily".
    """
    with open_cache(_load(config)) as store:
        entries = find_entries(store, pattern) if store else iter(())
        if is_json:
            _print_array(entries)
        elif store is None:
            click.echo(_NOTHING, err=True)
        else:
            show_entries(entries, is_long=is_long)


@cache.command("show")
@click.argument("what", metavar="KEY|PATH")
@json_option
@config_option
@says_errors
def cache_show(what: str, config: str | None, *, is_json: bool) -> None:
    """Show what is known of an answer, without decoding it.

    KEY is that of `cache ls`, or its first digits, four at least; PATH shows the answers of a function.
    """
    with open_cache(_load(config)) as store:
        found = _find(store, what) if store else []
    if not found:
        raise ConfigError(f"nothing is kept under {what[:80]!r}; `ksrpc cache ls` lists what is")
    if is_json:
        show_json([describe_entry(entry) for entry in found])
        return
    for number, entry in enumerate(found):
        click.echo("\n" if number else "", nl=False)
        show_pairs(entry_pairs(entry))
    if len(found) == _SHOWN:
        click.echo(f"\nthe first {_SHOWN}; `ksrpc cache ls` lists all", err=True)


@cache.command("stats")
@json_option
@config_option
@says_errors
def cache_stats(config: str | None, *, is_json: bool) -> None:
    """Show how much is kept, the limits, and which modules have it."""
    settings = _load(config)
    with open_cache(settings) as store:
        found = weigh(settings, store)
    if is_json:
        show_json(found)
    else:
        show_weight(found)


@cache.command("purge")
@click.argument("pattern", required=False)
@click.option("--expired", is_flag=True, help="Only what is over already; servers remove it every minute themselves.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@says_errors
def cache_purge(pattern: str | None, config: str | None, *, expired: bool, yes: bool) -> None:
    """Throw answers away: those that fit PATTERN, or all. The next call asks the library again."""
    with open_cache(_load(config)) as store:
        if store is None:
            click.echo(_NOTHING, err=True)
            return
        if not expired:
            confirm(f"throw away {_weight_of(store, pattern)}?", yes=yes)
        gone = [store.clear(glob, only_expired=expired) for glob in globs_of(pattern)]
    count, size = (sum(numbers) for numbers in zip(*gone, strict=True))
    click.echo(f"removed {singular(count, 'answer')}, {show_bytes(size)}")


@cache.command("check")
@json_option
@config_option
@says_errors
def cache_check(config: str | None, *, is_json: bool) -> None:
    """Read and compare everything, remove what is damaged.

    Takes as long as the disk needs. Exit status 1 if anything was damaged.
    """
    with open_cache(_load(config)) as store, working("reading"):
        report = store.verify() if store else None
    if report is None:
        click.echo(_NOTHING, err=True)
        return
    if is_json:
        show_json(asdict(report))
    else:
        click.echo(f"{singular(report.entries, 'answer')}, {show_bytes(report.bytes)}: as they were stored")
        click.echo(f"damaged, removed: {report.damaged}\nfiles of no answer, removed: {report.leftovers}")
        click.echo(f"index: {'sound' if report.is_sound else 'damaged, made anew when the server starts again'}")
    if report.damaged or not report.is_sound:
        sys.exit(1)


def _load(config: str | None) -> Config:
    return load_config(find_config(config))


def _find(store: CacheStore, what: str) -> list[Listed]:
    """Return the first entries of a key, or of a path if no key begins so."""
    found = store.find(what.lower()) if _KEY.fullmatch(what.lower()) else []
    return found[:_SHOWN] or list(islice(find_entries(store, what), _SHOWN))


def _weight_of(store: CacheStore, pattern: str | None) -> str:
    sizes = [entry.size for entry in find_entries(store, pattern)]
    name = "" if pattern is None else f" of {pattern}"
    return f"{singular(len(sizes), 'answer')}{name}, {show_bytes(sum(sizes))}"


def _print_array(entries: Iterable[Listed]) -> None:
    """Print entries as a JSON array, one a line, as they come."""
    before = "[\n  "
    for entry in entries:
        click.echo(f"{before}{json.dumps(describe_entry(entry))}", nl=False)
        before = ",\n  "
    click.echo("[]" if before.startswith("[") else "\n]")
