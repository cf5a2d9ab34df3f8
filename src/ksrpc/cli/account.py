"""`ksrpc login`, `ksrpc logout` and `ksrpc me`: as whom this user calls.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from typing import Any

import click

from ksrpc.cli.amount import show_moment
from ksrpc.cli.remote import Remote, gather, make_road, remote_options, says_remote_errors, way_options
from ksrpc.client.gateway import reach
from ksrpc.client.profile import dump_profile, load_profile, origin_of
from ksrpc.connections.base import Way
from ksrpc.errors import AuthError, ConfigError
from ksrpc.text import clean

_TOKEN_CHARS = 4096
_PATIENCE_S = 10.0
_VARIABLES = ("KSRPC_URL", "KSRPC_TOKEN")


@click.command()
@click.argument("url")
@gather("road", make_road, *way_options)
@says_remote_errors
def login(url: str, *, road: Way) -> None:
    """Keep a token for the gateway URL, after trying it.

    Asks for the token without showing it, or reads it from standard input: `ksrpc login URL < FILE`. An empty one is
    for a gateway that asks for none. `ksrpc.connect()` and the commands use this gateway from now on, so that no token
    need stand in a program.
    """
    url = url.rstrip("/")
    origin_of(url)
    profile = load_profile()
    token = _ask_token()
    overriding = [name for name in _VARIABLES if os.environ.pop(name, None)]
    try:
        with reach(url, token=token, timeout=_PATIENCE_S, **road) as gateway:
            user = gateway.me()["user"]
    except AuthError as exc:
        raise click.ClickException(f"{url} does not let you in: {clean(str(exc))}") from None
    profile.add(url, token)
    path = dump_profile(profile)
    click.echo(f"you are {clean(user)} at {url}; kept in {path}")
    for name in overriding:
        click.echo(f"{name} is set in this shell and goes before it", err=True)


@click.command()
@click.argument("url", required=False)
@says_remote_errors
def logout(url: str | None) -> None:
    """Forget the token for the gateway URL.

    By default the one in use.
    """
    profile = load_profile()
    gone = url or profile.current
    if not gone or not profile.remove(gone):
        known = ", ".join(profile.tokens) or "none"
        raise ConfigError(f"no token is kept for {gone or 'any gateway in use'}; known gateways: {known}")
    dump_profile(profile)
    click.echo(f"forgot the token for {gone}; `ksrpc token revoke` on the server ends it for good")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@remote_options
@says_remote_errors
def me(*, remote: Remote, as_json: bool) -> None:
    """Show who you are there, and what you may call."""
    from ksrpc.cli.table import show_json, show_pairs, show_table  # noqa: PLC0415 - login needs no tables

    with remote.open() as gateway:
        url, told = gateway.connection.url, gateway.me()
    if as_json:
        show_json(told)
        return
    limits = told.pop("quota", ())
    show_pairs(
        [("gateway", url), *((clean(name).replace("_", " "), _tell(name, value)) for name, value in told.items())]
    )
    if limits:
        click.echo()
        show_table(["quota", "used", "limit", "opens again"], [_tell_limit(limit) for limit in limits], right={1, 2})


def _ask_token() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.read(_TOKEN_CHARS).strip()
    asked: str = click.prompt("token (not shown)", hide_input=True, default="", show_default=False, err=True)
    return asked.strip()


def _tell(name: str, value: Any) -> str:
    if name == "expires_at":
        return show_moment(value)
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "—"
    return str(value) or "—"


def _tell_limit(limit: dict[str, Any]) -> list[str]:
    name = "rows in all" if limit["scope"] == "*" else f"rows of {limit['scope']}"
    moment = show_moment(datetime.fromisoformat(limit["resets_at"]).timestamp())
    return [name, f"{limit['used']:,}".replace(",", " "), f"{limit['limit']:,}".replace(",", " "), moment]
