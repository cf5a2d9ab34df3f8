"""What the commands have in common: the configuration they work on, errors in one line, secrets for a terminal only."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ksrpc.config import Config
from ksrpc.errors import ConfigError, KsrpcError

#: `--config FILE`, for every command that works on a server's files.
config_option = click.option(
    "--config", "-c", metavar="FILE", help="The configuration [default: $KSRPC_CONFIG or ./ksrpc.toml]."
)


def says_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn our errors into one line and exit status 1: a user's mistake is no traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except KsrpcError as exc:
            raise click.ClickException(str(exc)) from None

    return run


def split_names(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Read `a,b` as (a, b); None stays None, and an empty text is an empty list."""
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere `--yes` must have been said.

    Raises:
        ConfigError: It was not.
        click.Abort: The answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} say --yes, there is no terminal to ask on")
    click.confirm(question, abort=True)


def make_data_dir(settings: Config) -> Path:
    """Make the data folder where there is none, and return it.

    Raises:
        ConfigError: It cannot be made, or nothing can be written into it.
    """
    folder = settings.server.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"the data folder {folder} cannot be made: {exc.strerror} (server.data_dir)") from exc
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"the data folder {folder} cannot be written (server.data_dir)")
    return folder


def show_token(made: str, data_dir: Path, name: str) -> None:
    """Print a secret to a terminal only; otherwise leave it in a file that only its owner reads.

    Raises:
        ConfigError: The file cannot be written.
    """
    if sys.stdout.isatty():
        click.echo(f"\ntoken for {name}, shown once:\n\n    {made}")
        return
    path = data_dir / f"{name}.token"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "w") as file:
            os.fchmod(fd, 0o600)
            file.write(made + "\n")
    except OSError as exc:
        raise ConfigError(f"the token for {name} cannot be written to {path}: {exc.strerror}") from exc
    click.echo(f"token for {name} written to {path}")
