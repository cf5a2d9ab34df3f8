"""`ksrpc user`: let people in, say what they may call, show them out.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click

from ksrpc.cli.amendment import amending
from ksrpc.cli.amount import show_moment
from ksrpc.cli.option import config_option, confirm, make_data_dir, says_errors
from ksrpc.cli.person import Person, find_people, find_person
from ksrpc.cli.privilege import Privilege, privilege_options
from ksrpc.cli.table import json_option, show_json, show_pairs, show_table
from ksrpc.cli.token import give_token, lifetime_of, open_tokens, read_tokens, show_tokens
from ksrpc.cli.welcome import write_welcome
from ksrpc.config import Config, find_config, load_config
from ksrpc.errors import ConfigError
from ksrpc.gateway.usage import open_usage, read_usage
from ksrpc.model import ANONYMOUS, Rules
from ksrpc.store.token import check_user
from ksrpc.text import singular

_NOTHING = "—"


@click.group()
def user() -> None:
    """Let people in, say what they may call, show them out.

    A running server follows within two seconds.
    """


@user.command("add")
@click.argument("name")
@privilege_options
@click.option(
    "--days",
    metavar="DAYS",
    type=click.FloatRange(min=0, min_open=True),
    help="Valid for so many days [default: for ever].",
)
@click.option("--print", "prints", is_flag=True, help="Print the token even if the output is not a terminal.")
@config_option
@says_errors
def user_add(name: str, days: float | None, config: str | None, *, privilege: Privilege, prints: bool) -> None:
    """Let the user NAME in.

    Writes [user.NAME] into ksrpc.toml and makes a token, which is shown once, with the lines to use it.
    """
    path = find_config(config)
    settings = load_config(path)
    _check_new(settings, name)
    make_data_dir(settings)
    with closing(open_tokens(settings)) as tokens:
        settings = _write(path, settings, name, privilege, err=prints)
        give_token(tokens.create(name, lifetime_s=lifetime_of(days)), settings, name, prints=prints)
    click.echo(f"\n{write_welcome(settings, name)}", nl=False, err=prints)


@user.command("set")
@click.argument("name")
@privilege_options
@config_option
@says_errors
def user_set(name: str, config: str | None, *, privilege: Privilege) -> None:
    """Change what the user NAME may call.

    What is not named stays as it is. An empty list is --allow "".
    """
    path = find_config(config)
    settings = load_config(path)
    if name != ANONYMOUS:
        find_person(settings, name, read_tokens(settings))
    if privilege.is_empty:
        raise click.UsageError("nothing to change: say --allow, --block, --unsafe or --rows-per-day")
    _write(path, settings, name, privilege)


@user.command("ls")
@json_option
@config_option
@says_errors
def user_ls(config: str | None, *, is_json: bool) -> None:
    """List who has a section in ksrpc.toml or a token."""
    settings = load_config(find_config(config))
    people = find_people(settings, read_tokens(settings))
    if is_json:
        show_json([person.describe() for person in people])
    elif people:
        names = ("user", "tokens", "newest", "until", "allow", "unsafe")
        show_table(names, [_row(person) for person in people], folds=(0, 4, 5))
    else:
        click.echo("nobody yet: `ksrpc user add NAME` lets somebody in", err=True)


@user.command("show")
@click.argument("name")
@json_option
@config_option
@says_errors
def user_show(name: str, config: str | None, *, is_json: bool) -> None:
    """Show rules, quotas and tokens of the user NAME."""
    path = find_config(config)
    settings = load_config(path)
    person = find_person(settings, name, read_tokens(settings))
    if is_json:
        show_json(person.describe())
        return
    section = f"[user.{name}] in {path}" if person.has_section else "none: the rules of [access] hold"
    show_pairs([("user", name), ("section", section), *_told_rules(person.rules), *_told_quota(settings, name)])
    if person.tokens:
        click.echo()
        show_tokens(person.tokens)


@user.command("rm")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@says_errors
def user_rm(name: str, config: str | None, *, yes: bool) -> None:
    """Show the user NAME out.

    Revokes all tokens, on open connections too, and removes [user.NAME] from ksrpc.toml.
    """
    path = find_config(config)
    settings = load_config(path)
    person = find_person(settings, name, read_tokens(settings))
    confirm(f"revoke {singular(len(person.valid), 'token')} and remove what {path.name} says of {name}?", yes=yes)
    if person.valid:  # first, or the tokens would have the rules of everybody for a moment
        with closing(open_tokens(settings)) as tokens:
            gone = [record.id for record in person.valid if tokens.revoke(record.id)]
        click.echo(f"revoked {', '.join(gone)}")
    (settings.server.data_dir / f"{name}.token").unlink(missing_ok=True)
    if person.has_section:
        with amending(path) as amendment:
            amendment.remove_user(name)
        click.echo(f"removed [user.{name}] from {path}")


def _check_new(settings: Config, name: str) -> None:
    """Let a name pass that nobody has.

    Raises:
        ConfigError: It cannot be one, or somebody has it.
    """
    check_user(name)
    if name == ANONYMOUS:
        raise ConfigError(
            f"{name} are those without a token: access.anonymous lets them in, `ksrpc user set` narrows it"
        )
    cure = f"`ksrpc user set {name}` changes the rules, `ksrpc token create {name}` makes another token"
    if name in settings.user:
        raise ConfigError(f"{name} has a section in ksrpc.toml already; {cure}")
    valid = [person for person in find_people(settings, read_tokens(settings)) if person.name == name and person.valid]
    if valid:
        raise ConfigError(f"{name} has a token already; {cure}")


def _write(path: Path, settings: Config, name: str, privilege: Privilege, *, err: bool = False) -> Config:
    """Write the section of a user, say what was done, and return the new configuration."""
    with amending(path) as amendment:
        opened = privilege.write(amendment, settings, name)
    changed = load_config(path)
    click.echo(f"wrote [user.{name}] to {path}", err=err)
    if opened:
        click.echo(f"access.allow has {', '.join(opened)} now, for whoever has no list of their own too", err=err)
    for label, text in _told_rules(changed.rules_for(name)):
        click.echo(f"  {label}: {text}", err=err)
    return changed


def _told_rules(rules: Rules) -> list[tuple[str, str]]:
    told = [("may call", ", ".join(rules.allow) or "nothing")]
    if rules.block:
        told.append(("blocked", ", ".join(rules.block)))
    if rules.unsafe:
        told.append(
            ("UNSAFE", f"{', '.join(rules.unsafe)}: no gates, whoever may call these owns the worker processes")
        )
    return told


def _told_quota(settings: Config, name: str) -> list[tuple[str, str]]:
    if not settings.server.data_dir.exists():
        return []
    with closing(open_usage(settings)) as store:
        found = read_usage(settings, store, name, now=time.time())
    scopes = [("everything" if usage.scope == "*" else usage.scope, usage) for usage in found]
    return [("quota", f"{scope}: {usage.used:,} of {usage.limit:,} rows today") for scope, usage in scopes]


def _row(person: Person) -> list[str]:
    ends = [record.expires_at for record in person.valid]
    until = _NOTHING if not ends else "never" if None in ends else show_moment(max(filter(None, ends)))[:10]
    newest = max((record.created_at for record in person.tokens), default=None)
    return [
        person.name,
        person.count_tokens(),
        _NOTHING if newest is None else show_moment(newest)[:10],
        until,
        "as access.allow" if person.allow is None else " ".join(person.allow) or "nothing",
        " ".join(person.rules.unsafe) or _NOTHING,
    ]
