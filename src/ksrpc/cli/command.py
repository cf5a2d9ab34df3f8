"""The commands, their options and help texts.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ksrpc import __version__
from ksrpc.cli.serving import serve_forever
from ksrpc.config import Config, find_config, load_config, write_config
from ksrpc.config.schema import AccessSection, CallSection, ServerSection
from ksrpc.errors import KsrpcError
from ksrpc.store import TokenRecord, TokenStore
from ksrpc.store.token import is_valid

_DAY_S = 86_400.0


def _says_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn our errors into one line and exit status 1: a user's mistake is no traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except KsrpcError as exc:
            raise click.ClickException(str(exc)) from None

    return run


_config_option = click.option(
    "--config", "-c", metavar="FILE", help="The configuration [default: $KSRPC_CONFIG or ./ksrpc.toml]."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ksrpc")
def main() -> None:
    """Let a whole team call any Python library through one gateway: safe, exact, fast."""


@main.command()
@click.option("--lan", is_flag=True, help="Serve the local network: listen on all addresses; callers need a token.")
@click.option("--enable", is_flag=True, help="Switch the call service on at once.")
@_config_option
@_says_errors
def init(config: str | None, *, lan: bool, enable: bool) -> None:
    """Write ksrpc.toml with every key commented, and make the first token."""
    path = find_config(config)
    write_config(path, lan=lan, enabled=enable)
    click.echo(f"wrote {path}")
    settings = load_config(path)
    token = _open_store(settings).create("admin", scopes=frozenset({"call", "admin"}))
    _show_token(token, settings.server.data_dir, "admin")
    edits = "access.allow" if enable else "call.enabled and access.allow"
    click.echo(f"next: set {edits} in it, then run `ksrpc serve`")


@main.command()
@click.option("--try", "trial", is_flag=True, help="No files, no token: serve demo and math on loopback only.")
@click.option("--host", metavar="ADDRESS", help="Listen here instead of server.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen here instead of server.port; 0 = any free port.")
@click.option("--worker-output", is_flag=True, help="Show what libraries print in the worker processes.")
@_config_option
@_says_errors
def serve(config: str | None, host: str | None, port: int | None, *, trial: bool, worker_output: bool) -> None:
    """Serve until SIGINT or SIGTERM. Without a configuration, writes one first and says what to edit."""
    with contextlib.ExitStack() as stack:
        settings = _trial_settings(stack) if trial else _load_or_write(config)
        changes = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
        if changes:
            server = settings.server.model_copy(update=changes)
            settings = _checked(settings.model_copy(update={"server": server}))
        serve_forever(settings, shows_output=worker_output)


@main.group()
def token() -> None:
    """Make, list and revoke tokens; a running server follows within two seconds."""


@token.command("create")
@click.argument("name")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="Valid for so many days [default: for ever].")
@click.option("--print", "prints", is_flag=True, help="Print the token even if the output is not a terminal.")
@_config_option
@_says_errors
def token_create(name: str, days: float | None, config: str | None, *, prints: bool) -> None:
    """Make a token for the user NAME. It is shown once and kept only as a hash."""
    settings = load_config(find_config(config))
    made = _open_store(settings).create(name, lifetime_s=None if days is None else days * _DAY_S)
    if prints:
        click.echo(made)
    else:
        _show_token(made, settings.server.data_dir, name)


@token.command("ls")
@_config_option
@_says_errors
def token_ls(config: str | None) -> None:
    """List the tokens: ids and users, never the secrets."""
    table = Table("id", "user", "scopes", "created", "expires", "state", box=None, pad_edge=False)
    for record in _open_store(load_config(find_config(config))).records():
        table.add_row(*_token_row(record))
    Console().print(table)


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@_config_option
@_says_errors
def token_revoke(token_id: str, config: str | None) -> None:
    """Revoke the token with this ID, on open connections too."""
    if not _open_store(load_config(find_config(config))).revoke(token_id):
        raise click.ClickException(f"no valid token has the id {token_id}; `ksrpc token ls` lists them")
    click.echo(f"revoked {token_id}")


def _load_or_write(given: str | None) -> Config:
    path = find_config(given)
    if not path.exists():
        write_config(path)
        click.echo(f"wrote {path}\nthe call service is off: set call.enabled = true and access.allow in it", err=True)
    return load_config(path)


def _trial_settings(stack: contextlib.ExitStack) -> Config:
    import tempfile  # noqa: PLC0415 - only a trial needs it

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ksrpc-try-")))
    return Config(
        server=ServerSection(data_dir=folder),
        call=CallSection(enabled=True),
        access=AccessSection(anonymous=True, ip_allow=("loopback",), allow=("demo", "math")),
    )


def _checked(settings: Config) -> Config:
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        return Config.model_validate(settings.model_dump())
    except ValidationError as exc:
        raise click.ClickException(str(exc.errors()[0]["msg"]).removeprefix("Value error, ")) from None


def _open_store(settings: Config) -> TokenStore:
    return TokenStore(settings.server.data_dir / "store.sqlite3")


def _show_token(made: str, data_dir: Path, name: str) -> None:
    """Print a secret to a terminal only; otherwise leave it in a file that only its owner reads."""
    if sys.stdout.isatty():
        click.echo(f"\ntoken for {name}, shown once:\n\n    {made}\n")
        return
    path = data_dir / f"{name}.token"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(made + "\n")
    click.echo(f"token for {name} written to {path}")


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
