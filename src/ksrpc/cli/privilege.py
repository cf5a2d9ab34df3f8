"""What a user may call, as options of `ksrpc user add` and `ksrpc user set`, and as keys of `[user.NAME]`.

Source: docs/reference/cli.md "ksrpc user", docs/reference/config.md "[user.NAME]".
"""

from __future__ import annotations

from dataclasses import dataclass

import click
import tomlkit

from ksrpc.cli.amendment import Amendment
from ksrpc.cli.option import split_names
from ksrpc.cli.remote import gather
from ksrpc.config import Config
from ksrpc.config.schema import UserSection
from ksrpc.errors import ConfigError

_EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Privilege:
    """Hold what the command line says of a user; None where it says nothing.

    Attributes:
        open: Whether `access.allow` is to be extended by what it lacks.
    """

    allow: tuple[str, ...] | None = None
    block: tuple[str, ...] | None = None
    unsafe: tuple[str, ...] | None = None
    rows_per_day: int | None = None
    open: bool = False

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was said."""
        return all(entry is None for entry in (self.allow, self.block, self.unsafe, self.rows_per_day))

    def write(self, amendment: Amendment, settings: Config, name: str) -> list[str]:
        """Write it into the section of a user; return what `access.allow` was extended by.

        Raises:
            ConfigError: `access.allow` does not open what the user is to call, and is not to be extended.
        """
        known = settings.user.get(name, UserSection())
        unsafe = known.unsafe if self.unsafe is None else self.unsafe
        allow = self._complete_allow(settings, known, unsafe)
        missing = [entry for entry in allow or () if not _is_covered(entry, (*settings.access.allow, *unsafe))]
        if missing and not self.open:
            raise ConfigError(_explain_missing(missing, name))
        amendment.open(missing)
        section = amendment.user(name)
        for key, entries in (("allow", allow), ("block", self.block), ("unsafe", self.unsafe)):
            if entries is not None:
                section[key] = list(entries)
        if self.rows_per_day is not None:
            section.setdefault("quota", tomlkit.inline_table())["rows_per_day"] = self.rows_per_day
        return missing

    def _complete_allow(self, settings: Config, known: UserSection, unsafe: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the user's own list: roots without gates have to be named in it, or nobody could call them."""
        base = known.allow if self.allow is None else self.allow
        effective = settings.access.allow if base is None else base
        unnamed = tuple(root for root in unsafe if root != _EVERYTHING and not _is_covered(root, effective))
        return (*effective, *unnamed) if unnamed else self.allow


def _parse_rows(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """Read a number of rows: 5000, 2_000_000, 2e6."""
    try:
        rows = 0.0 if text is None else float(text)
    except ValueError:
        rows = -1
    if rows < 0 or not rows.is_integer():
        raise click.BadParameter(f"{text!r} is no number of rows, such as 2000000 or 2e6")
    return None if text is None else int(rows)


#: What `user add` and `user set` take, handed on as `privilege`.
privilege_options = gather(
    "privilege",
    Privilege,
    click.option("--allow", metavar="A,B", callback=split_names, help="Only these, instead of access.allow."),
    click.option("--block", metavar="A,B", callback=split_names, help="Not these, besides access.block."),
    click.option(
        "--unsafe",
        metavar="A,B",
        callback=split_names,
        help="These roots without gates: the user then owns the worker processes.",
    ),
    click.option("--rows-per-day", metavar="ROWS", callback=_parse_rows, help="Rows a day, such as 2e6."),
    click.option("--open", is_flag=True, help="Add to access.allow what it lacks; it is open to others then too."),
)


def _explain_missing(missing: list[str], name: str) -> str:
    listed = ", ".join(missing)
    verb = "is" if len(missing) == 1 else "are"
    return (
        f"{listed} {verb} not in access.allow, which the list of {name} can only narrow: add it there, "
        "or say --open (whoever has no list of their own may call it then too)"
    )


def _is_covered(pattern: str, by: tuple[str, ...]) -> bool:
    return any(other in (_EVERYTHING, pattern) or pattern.startswith(f"{other}.") for other in by)
