"""`ksrpc token`: make, list and revoke tokens.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

from contextlib import closing

import click

from ksrpc.cli.amount import show_moment
from ksrpc.cli.option import config_option, make_data_dir, says_errors, show_token
from ksrpc.cli.person import describe_token, state_of
from ksrpc.cli.table import json_option, show_json, show_table
from ksrpc.config import Config, find_config, load_config
from ksrpc.store import TokenRecord, TokenStore

DAY_S = 86_400.0


@click.group()
def token() -> None:
    """Make, list and revoke tokens.

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
@click.option("--print", "prints", is_flag=True, help="Print the token even if the output is not a terminal.")
@config_option
@says_errors
def token_create(name: str, days: float | None, config: str | None, *, prints: bool) -> None:
    """Make a token for the user NAME. It is shown once and kept only as a hash."""
    settings = load_config(find_config(config))
    make_data_dir(settings)
    with closing(open_tokens(settings)) as tokens:
        give_token(tokens, settings, name, days, prints=prints)


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


def give_token(tokens: TokenStore, settings: Config, name: str, days: float | None, *, prints: bool) -> None:
    """Make a token for a user and show it, or where it is."""
    made = tokens.create(name, lifetime_s=None if days is None else days * DAY_S)
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
