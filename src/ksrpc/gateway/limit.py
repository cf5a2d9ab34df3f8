"""Which limits hold for a user and a function, and when they open again. Pure: configuration and time are arguments.

Source: docs/explanation/quotas.md "Which limits hold".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ksrpc.config import Config

#: The scope of a limit on everything together.
ALL = "*"
_DAY = timedelta(days=1)


class Limit(NamedTuple):
    """Bound what a user fetches within a scope: a module or function by its dotted path, or `ALL`."""

    scope: str
    rows: int


class Window(NamedTuple):
    """Name a calendar day of a time zone.

    Attributes:
        name: Its date, `2026-11-22`.
        ends_at: When the next one begins [Unix seconds].
    """

    name: str
    ends_at: float


def limits_for(config: Config, user: str, path: str, *, canonical: str = "") -> tuple[Limit, ...]:
    """Return all limits that a call must keep, the widest first.

    Args:
        user: Who calls.
        path: What was asked for.
        canonical: Another path of the same object, if there is one: what is limited is so under every name.
    """
    names = (path, canonical or path)
    named = {name: rows for name, rows in _named(config) if any(_is_within(one, name) for one in names)}
    found: dict[str, int | None] = {ALL: _total(config, user)}
    default, root = config.quota.default, path.partition(".")[0]
    if root not in named:
        found[root] = default.module_rows_per_day
    if root != path and not any(name in named for name in names):
        found[names[1]] = default.function_rows_per_day
    found |= named
    return tuple(Limit(scope, rows) for scope, rows in sorted(found.items()) if rows is not None)


def limits_of(config: Config, user: str, used: Iterable[str]) -> tuple[Limit, ...]:
    """Return the limits that a user can be told of: those that are written down, and defaults where something is used.

    Args:
        used: Scopes of which the user has used something.
    """
    default, named = config.quota.default, dict(_named(config))
    found: dict[str, int | None] = {ALL: _total(config, user)}
    for scope in used:
        if scope != ALL:
            found[scope] = default.function_rows_per_day if "." in scope else default.module_rows_per_day
    return tuple(Limit(scope, rows) for scope, rows in sorted((found | named).items()) if rows is not None)


def has_limits(config: Config) -> bool:
    """Tell whether anybody has any limit at all."""
    default = config.quota.default
    told = [default.rows_per_day, default.module_rows_per_day, default.function_rows_per_day]
    told += [section.rows_per_day for section in config.quota.named.values()]
    told += [section.quota.rows_per_day for section in config.user.values()]
    return any(rows is not None for rows in told)


def window_at(now: float, zone: str) -> Window:
    """Return the day in which a moment lies.

    Args:
        now: Unix seconds.
        zone: IANA name of the time zone.
    """
    return _window_of(datetime.fromtimestamp(now, ZoneInfo(zone)).date().toordinal(), zone)


def day_before(window: str, days: int) -> str:
    """Return the name of the window some days before one."""
    return (datetime.fromisoformat(window) - days * _DAY).date().isoformat()


@lru_cache(maxsize=16)
def _window_of(day: int, zone: str) -> Window:
    """Find the end of a day. Where the clock skips midnight, the next day begins as it does; twice, the first time."""
    date = datetime.fromordinal(day).date()
    midnight = datetime.combine(date + _DAY, time(), ZoneInfo(zone))
    return Window(date.isoformat(), midnight.astimezone(UTC).timestamp())


def _total(config: Config, user: str) -> int | None:
    own = config.user[user].quota.rows_per_day if user in config.user else None
    return config.quota.default.rows_per_day if own is None else own


def _named(config: Config) -> list[tuple[str, int]]:
    return [(name, quota.rows_per_day) for name, quota in config.quota.named.items() if quota.rows_per_day is not None]


def _is_within(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")
