"""`ksrpc policy learn`: a proposal of what to open, from what was called while more was open.

Rules: only what ran is proposed, under the rules that were in force then; what was refused is told and never proposed,
so that nobody opens a path by asking for it; nothing is changed but the file that is named.

Source: docs/howto/learn-a-policy.md; docs/explanation/threats.md H38.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import click

from ksrpc.cli.audit import AuditReader, Event, audit_folder, parse_moment
from ksrpc.cli.option import config_option, says_errors
from ksrpc.config import find_config, load_config
from ksrpc.config.key import join_key
from ksrpc.config.setting import write_value
from ksrpc.errors import KsrpcError
from ksrpc.expose import Surface
from ksrpc.model import Rules

_RAN = ("ok", "raised")
_REFUSED_SHOWN = 50
_CHARS = 120


@dataclass
class Trial:
    """Hold what was seen.

    Attributes:
        ran: User → path → how often it ran.
        refused: (User, path, reason) → how often it was asked for in vain.
        begin: Of the first call [s since 1970].
        end: Of the last.
    """

    ran: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    refused: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    begin: float = 0.0
    end: float = 0.0


@click.command("learn")
@click.option("--since", metavar="WHEN", help="Only what was called since then: 2h, 7d, or 2026-11-24T08:00.")
@click.option("--user", metavar="NAME", help="Only what this user called.")
@click.option(
    "--by-module", "by_module", is_flag=True, help="Propose modules, with all that they offer, not functions."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option("--force", "is_forced", is_flag=True, help="Replace the file if there is one.")
@config_option
@says_errors
def policy_learn(
    since: str | None, user: str | None, output: Path | None, config: str | None, *, by_module: bool, is_forced: bool
) -> None:
    """Propose rules from what was called: the functions that ran, for each user, as lines for ksrpc.toml.

    Open more than needed to the people whom you trust, for a day or a week; then let this command write down what they
    really used. Read the proposal before you take it over: what ran is not yet what should. What was refused is listed
    below as comments and never proposed.
    """
    settings = load_config(find_config(config))
    begin = parse_moment(since)
    trial = _collect(AuditReader(audit_folder(settings), begin).read(), user, begin)
    if not trial.ran:
        click.echo("nothing that was called has run; open something for a trial, then ask again", err=True)
        return
    text = "\n".join(_propose(trial, by_module=by_module)) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if is_forced else os.O_EXCL), 0o644)
    except FileExistsError:
        raise click.ClickException(f"{output} is there already; --force replaces it") from None
    except OSError as exc:
        raise click.ClickException(f"{output} cannot be written: {exc.strerror}") from exc
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
    click.echo(f"wrote {output}; read it, then take over what should stay open")


def _collect(events: Iterable[Event], user: str | None, since: float) -> Trial:
    trial = Trial()
    for event in events:
        name, path, outcome = (str(event.get(key, "")) for key in ("user", "path", "outcome"))
        if event["at"] < since or user not in (None, name) or not name or not path or path.startswith("@"):
            continue
        if event["event"] == "call" and outcome in _RAN:
            trial.ran[name][path] += 1
            trial.begin = min(trial.begin or event["at"], event["at"])
            trial.end = max(trial.end, event["at"])
        elif event["event"] == "refused":
            trial.refused[name, path, outcome] += int(event.get("count", 1))
    return trial


def _propose(trial: Trial, *, by_module: bool) -> Iterator[str]:
    yield f"# Proposed by `ksrpc policy learn` from calls between {_show(trial.begin)} and {_show(trial.end)}."
    yield "# Each of these ran. Read it, and take over what should stay open."
    usual = set(_usual({path for paths in trial.ran.values() for path in paths}))
    kept = {name: _patterns(usual & paths.keys(), by_module=by_module) for name, paths in sorted(trial.ran.items())}
    yield ""
    yield "[access]"
    yield from _list("allow", sorted({pattern for patterns in kept.values() for pattern in patterns}))
    for name, patterns in kept.items():
        yield ""
        count = sum(trial.ran[name].values())
        yield f"[{join_key(('user', name))}]  # {count} call{'s' if count != 1 else ''}"
        yield from _list("allow", patterns)
    left = sorted({path for paths in trial.ran.values() for path in paths} - usual)
    if left:
        yield ""
        yield "# Ran, and is not proposed: it acts, is unsafe, or is of a kept object. It wants a pattern of its own."
        yield from (f"# {_quoted(path)}" for path in left)
    if trial.refused:
        yield ""
        yield "# Was asked for in vain. It may be needed; or somebody was trying doors."
        rows = trial.refused.most_common(_REFUSED_SHOWN)
        yield from (
            f"# {count} x {_quoted(path)} by {_quoted(name)}: {_quoted(why)}" for (name, path, why), count in rows
        )
        if len(trial.refused) > len(rows):
            yield f"# and {len(trial.refused) - len(rows)} more: ksrpc audit ls"


def _patterns(paths: Iterable[str], *, by_module: bool) -> list[str]:
    if not by_module:
        return sorted(paths)
    modules = {path.rpartition(".")[0] or path for path in paths}
    return sorted(name for name in modules if not any(name.startswith(f"{other}.") for other in modules))


def _usual(paths: set[str]) -> Iterator[str]:
    """Yield the paths that are open wherever their root is, without a pattern or a right of their own."""
    surface = Surface(Rules(allow=tuple({path.partition(".")[0] for path in paths})))
    for path in paths:
        with suppress(KsrpcError):
            surface.check(path)
            yield path


def _list(key: str, values: list[str]) -> Iterator[str]:
    yield f"{key} = ["
    yield from (f"    {write_value(value)}," for value in values)
    yield "]"


def _quoted(text: str) -> str:
    """Show any text in one line of a comment."""
    return json.dumps(text[:_CHARS])


def _show(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().isoformat(sep=" ", timespec="minutes")
