"""What the commands have in common: the configuration they work on, errors in one line, secrets for a terminal only."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ksrpc.errors import KsrpcError

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


def show_token(made: str, data_dir: Path, name: str) -> None:
    """Print a secret to a terminal only; otherwise leave it in a file that only its owner reads."""
    if sys.stdout.isatty():
        click.echo(f"\ntoken for {name}, shown once:\n\n    {made}\n")
        return
    path = data_dir / f"{name}.token"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(made + "\n")
    click.echo(f"token for {name} written to {path}")
