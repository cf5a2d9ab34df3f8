"""The kept answers of a gateway as its administrator sees them: found by pattern or key, weighed, in columns.

Source: docs/reference/cli.md "ksrpc cache".
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ksrpc.cli.amount import show_bytes, show_moment, show_span
from ksrpc.cli.table import show_pairs, show_table
from ksrpc.config import Config
from ksrpc.limits import MIB
from ksrpc.store import CacheStore, Listed, Share
from ksrpc.text import clean, singular

#: How much of a key tells it from all others, as good as surely.
_KEY_DIGITS = 12
_BAR_CELLS = 24
_SHORT_NAMES = ("key", "size", "age", "expires in", "path")
_SHORT_COLUMNS = "{:<12}  {:>8}  {:>10}  {:>10}  {}"
_LONG_NAMES = ("key", "size", "stored", "expires", "last used", "in", "path")
_LONG_COLUMNS = "{:<64}  {:>12}  {:<16}  {:<16}  {:<16}  {:<5}  {}"


@contextlib.contextmanager
def open_cache(settings: Config) -> Iterator[CacheStore | None]:
    """Open the cache beside a running server; None where nothing was ever kept, and nothing is made."""
    folder, section = settings.server.data_dir / "cache", settings.cache
    if not folder.is_dir():
        yield None
        return
    store = CacheStore(
        folder,
        max_bytes=section.max_mb * MIB,
        max_object_bytes=section.max_object_mb * MIB,
        min_free_bytes=section.min_free_mb * MIB,
    )
    with contextlib.closing(store):
        yield store


def globs_of(pattern: str | None) -> list[str | None]:
    """Return what the store matches: a name without wildcards means itself and everything below it."""
    if pattern is None or any(mark in pattern for mark in "*?["):
        return [pattern]
    return [pattern, f"{pattern}.*"]


def find_entries(store: CacheStore, pattern: str | None) -> Iterator[Listed]:
    """Yield the entries that fit, oldest first."""
    for glob in globs_of(pattern):
        yield from store.entries(glob)


def describe_entry(entry: Listed) -> dict[str, Any]:
    """Return what is known of an entry, for `--json`; the answer itself is not looked at."""
    return {
        "key": entry.key.hex(),
        "path": str(entry.labels.get("path", "")),
        "size": entry.size,
        "stored_at": entry.stored_at,
        "expires_at": entry.expires_at,
        "used_at": entry.used_at,
        "labels": entry.labels,
        "file": entry.blob or None,
    }


def show_entries(entries: Iterable[Listed], *, is_long: bool) -> None:
    """Print entries as they come: there may be a million. Paths stand last, so that nothing has to be cut."""
    names, layout, row = _LONG if is_long else _SHORT
    click.secho(layout.format(*names), bold=sys.stdout.isatty())
    count = size = 0
    for entry in entries:
        click.echo(clean(layout.format(*row(entry))))
        count, size = count + 1, size + entry.size
    if sys.stdout.isatty():
        click.echo(f"\n{singular(count, 'answer')}, {show_bytes(size)}")


def entry_pairs(entry: Listed) -> list[tuple[str, str]]:
    """Return everything that is known of an entry, in words."""
    now = time.time()
    labels = [(name, str(value)) for name, value in entry.labels.items()]
    return [
        ("key", entry.key.hex()),
        *labels,
        ("size", f"{show_bytes(entry.size)} ({entry.size} bytes)"),
        ("stored", f"{show_moment(entry.stored_at)}, {show_span(now - entry.stored_at)} ago"),
        ("expires", f"{show_moment(entry.expires_at)}, in {show_span(entry.expires_at - now)}"),
        ("last used", f"{show_moment(entry.used_at)}, {show_span(now - entry.used_at)} ago"),
        ("kept", f"in the file blobs/{entry.blob}" if entry.blob else "in the index"),
    ]


def weigh(settings: Config, store: CacheStore | None) -> dict[str, Any]:
    """Return what is kept, its limits, and how much of it each module has."""
    section = settings.cache
    shares = [] if store is None else store.shares()
    limits = {"max_bytes": section.max_mb * MIB, "max_object_bytes": section.max_object_mb * MIB}
    return {
        "enabled": section.enabled and settings.call.enabled,
        "folder": str(settings.server.data_dir / "cache"),
        "entries": sum(share.entries for share in shares),
        "bytes": sum(share.bytes for share in shares),
        **limits,
        "min_free_bytes": section.min_free_mb * MIB,
        "disk_free_bytes": None if store is None else store.free_bytes,
        "modules": _by_module(shares),
    }


def show_weight(found: dict[str, Any]) -> None:
    """Print what `weigh` returned: the limits, then the modules, with bars where people look."""
    free = found["disk_free_bytes"]
    kept = f"{singular(found['entries'], 'answer')}, {show_bytes(found['bytes'])} of {show_bytes(found['max_bytes'])}"
    rows = [
        ("kept", kept if found["enabled"] else f"{kept}; switched off (cache.enabled, call.enabled)"),
        ("one answer", f"{show_bytes(found['max_object_bytes'])} at most"),
        ("folder", found["folder"]),
    ]
    if free is not None:
        rows.append(("disk", f"{show_bytes(free)} free; {show_bytes(found['min_free_bytes'])} are left alone"))
    show_pairs(rows)
    if found["modules"]:
        click.echo()
        _show_modules(found["modules"], found["bytes"])


def _by_module(shares: list[Share]) -> list[dict[str, Any]]:
    """Return what each module has, the largest first."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for share in shares:
        module = sums[share.path.partition(".")[0]]
        for at, count in enumerate((1, share.entries, share.bytes)):
            module[at] += count
    found = [
        {"module": name, "functions": functions, "entries": entries, "bytes": size}
        for name, (functions, entries, size) in sums.items()
    ]
    return sorted(found, key=lambda entry: -entry["bytes"])


def _show_modules(modules: list[dict[str, Any]], total: int) -> None:
    names = ["module", "functions", "entries", "size"]
    rows = [
        [entry["module"], str(entry["functions"]), str(entry["entries"]), show_bytes(entry["bytes"])]
        for entry in modules
    ]
    if not sys.stdout.isatty():
        show_table(names, rows, right=(1, 2, 3))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for at, name in enumerate([*names, ""]):
        table.add_column(name, justify="right" if 0 < at < len(names) else "left", no_wrap=True)
    for row, entry in zip(rows, modules, strict=True):
        table.add_row(*(Text(clean(cell)) for cell in row), _bar(entry["bytes"] / total if total else 0))
    Console(highlight=False).print(table)


def _bar(part: float) -> Text:
    cells = round(part * _BAR_CELLS)
    return Text.assemble(("█" * cells, "cyan"), ("░" * (_BAR_CELLS - cells), "dim"), f" {part:4.0%}")


def _short_row(entry: Listed) -> tuple[str, ...]:
    now = time.time()
    age, left = show_span(now - entry.stored_at), show_span(entry.expires_at - now)
    return entry.key.hex()[:_KEY_DIGITS], show_bytes(entry.size), age, left, str(entry.labels.get("path", ""))


def _long_row(entry: Listed) -> tuple[str, ...]:
    moments = (show_moment(moment) for moment in (entry.stored_at, entry.expires_at, entry.used_at))
    place = "file" if entry.blob else "index"
    return entry.key.hex(), str(entry.size), *moments, place, str(entry.labels.get("path", ""))


_SHORT = (_SHORT_NAMES, _SHORT_COLUMNS, _short_row)
_LONG = (_LONG_NAMES, _LONG_COLUMNS, _long_row)
