"""`ksrpc token`: make, list and revoke tokens.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import time

import click
from rich.console import Console
from rich.table import Table

from ksrpc.cli.option import config_option, says_errors, show_token
from ksrpc.config import Config, find_config, load_config
from ksrpc.store import TokenRecord, TokenStore
from ksrpc.store.token import is_valid

_DAY_S = 86_400.0


@click.group()
def token() -> None:
    """Make, list and revoke tokens; a running server follows within two seconds."""


@token.command("create")
@click.argument("name")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="Valid for so many days [default: for ever].")
@click.option("--print", "prints", is_flag=True, help="Print the token even if the output is not a terminal.")
@config_option
@says_errors
def token_create(name: str, days: float | None, config: str | None, *, prints: bool) -> None:
    """Make a token for the user NAME. It is shown once and kept only as a hash."""
    settings = load_config(find_config(config))
    made = open_tokens(settings).create(name, lifetime_s=None if days is None else days * _DAY_S)
    if prints:
        click.echo(made)
    else:
        show_token(made, settings.server.data_dir, name)


@token.command("ls")
@config_option
@says_errors
def token_ls(config: str | None) -> None:
    """List the tokens: ids and users, never the secrets."""
    table = Table("id", "user", "scopes", "created", "expires", "state", box=None, pad_edge=False)
    for record in open_tokens(load_config(find_config(config))).records():
        table.add_row(*_token_row(record))
    Console().print(table)


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@config_option
@says_errors
def token_revoke(token_id: str, config: str | None) -> None:
    """Revoke the token with this ID, on open connections too."""
    if not open_tokens(load_config(find_config(config))).revoke(token_id):
        raise click.ClickException(f"no valid token has the id {token_id}; `ksrpc token ls` lists them")
    click.echo(f"revoked {token_id}")


def open_tokens(settings: Config) -> TokenStore:
    return TokenStore(settings.server.data_dir / "store.sqlite3")


def _token_row(record: TokenRecord) -> list[str]:
    def day(moment: float | None) -> str:
        return "never" if moment is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))

    state = "valid" if is_valid(record) else "revoked" if record.revoked_at else "expired"
    return [
        record.id,
        record.user,
        " ".join(sorted(record.scopes)),
        day(record.created_at),
        day(record.expires_at),
        state,
    ]
