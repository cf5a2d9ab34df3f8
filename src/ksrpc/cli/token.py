"""`ksrpc token`: make, list, replace and revoke tokens.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from zoneinfo import ZoneInfo

import click

from ksrpc.cli.amount import show_moment
from ksrpc.cli.option import config_option, make_data_dir, says_errors, show_token
from ksrpc.cli.person import describe_token, state_of
from ksrpc.cli.table import json_option, show_json, show_table
from ksrpc.config import Config, find_config, load_config
from ksrpc.store import TokenRecord, TokenStore
from ksrpc.store.token import SCOPES

DAY_S = 86_400.0
_HOUR_S = 3600.0


@click.group()
def token() -> None:
    """Make, list, replace and revoke tokens.

    A running server follows within two seconds.
    """


@token.command("create")
@click.argument("name")
@click.option(
    "--days",
    metavar="DAYS",
    type=click.FloatRange(min=0, min_open=True),
    help="Valid for so many days [default: for ever].",
)
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("call",),
    show_default=True,
    help="What it may be used for; may be given several times.",
)
@click.option(
    "--not-before",
    "begin",
    metavar="DATE",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    help="Valid from this moment on, in server.time_zone: 2027-01-31 or 2027-01-31T09:00 [default: at once].",
)
@click.option("--print", "prints", is_flag=True, help="Print the token even if the output is not a terminal.")
@config_option
@says_errors
def token_create(
    name: str, days: float | None, scopes: tuple[str, ...], begin: datetime | None, config: str | None, *, prints: bool
) -> None:
    """Make a token for the user NAME. It is shown once and kept only as a hash."""
    settings = load_config(find_config(config))
    make_data_dir(settings)
    starts_at = None if begin is None else begin.replace(tzinfo=ZoneInfo(settings.server.time_zone)).timestamp()
    with closing(open_tokens(settings)) as tokens:
        made = tokens.create(name, scopes=frozenset(scopes), lifetime_s=lifetime_of(days), starts_at=starts_at)
        give_token(made, settings, name, prints=prints)


@token.command("rotate")
@click.argument("token_id", metavar="ID")
@click.option(
    "--grace",
    "grace_h",
    metavar="HOURS",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    help="The old one is valid for so long.",
)
@click.option("--print", "prints", is_flag=True, help="Print the token even if the output is not a terminal.")
@config_option
@says_errors
def token_rotate(token_id: str, grace_h: float, config: str | None, *, prints: bool) -> None:
    """Replace the token with this ID by one of the same user, scopes and lifetime. The old one ends after a while."""
    settings = load_config(find_config(config))
    with closing(open_tokens(settings)) as tokens:
        made = tokens.rotate(token_id, grace_s=grace_h * _HOUR_S)
        record = tokens.find(token_id)
        if made is None or record is None:
            text = f"no valid token that was made here has the id {token_id}; `ksrpc token ls` lists them"
            raise click.ClickException(text)
        give_token(made, settings, record.user, prints=prints)
    click.echo(f"{token_id} is valid until {show_moment(record.expires_at)}", err=True)


@token.command("ls")
@json_option
@config_option
@says_errors
def token_ls(config: str | None, *, is_json: bool) -> None:
    """List the tokens: ids and users, never the secrets."""
    records = read_tokens(load_config(find_config(config)))
    if is_json:
        show_json([describe_token(record) for record in records])
    else:
        show_tokens(records)


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@config_option
@says_errors
def token_revoke(token_id: str, config: str | None) -> None:
    """Revoke the token with this ID, on open connections too."""
    with closing(open_tokens(load_config(find_config(config)))) as tokens:
        if not tokens.revoke(token_id):
            raise click.ClickException(f"no valid token has the id {token_id}; `ksrpc token ls` lists them")
    click.echo(f"revoked {token_id}")


def open_tokens(settings: Config) -> TokenStore:
    """Open the tokens of a gateway.

    Raises:
        ConfigError: They cannot be.
    """
    return TokenStore(settings.server.data_dir / "store.sqlite3")


def read_tokens(settings: Config) -> list[TokenRecord]:
    """Return all tokens, oldest first; none where there is no store yet, and none is made."""
    if not (settings.server.data_dir / "store.sqlite3").exists():
        return []
    with closing(open_tokens(settings)) as tokens:
        return tokens.records()


def lifetime_of(days: float | None) -> float | None:
    """Return days in seconds; None is for ever."""
    return None if days is None else days * DAY_S


def give_token(made: str, settings: Config, name: str, *, prints: bool) -> None:
    """Show a user's token, or where it is."""
    if prints:
        click.echo(made)
    else:
        show_token(made, settings.server.data_dir, name)


def show_tokens(records: list[TokenRecord]) -> None:
    """Print tokens as a table."""
    names = ("id", "user", "scopes", "created", "expires", "state")
    show_table(names, [_token_row(record) for record in records], folds=(1, 2))


def _token_row(record: TokenRecord) -> list[str]:
    scopes = " ".join(sorted(record.scopes))
    created, expires = show_moment(record.created_at), show_moment(record.expires_at)
    return [record.id, record.user, scopes, created, expires, state_of(record)]
