"""`ksrpc config`: check, show and reload the configuration, and take over the original program's.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from ksrpc.cli.importing import import_config
from ksrpc.cli.option import config_option, says_errors
from ksrpc.config import LoadedConfig, find_config, read_config
from ksrpc.config.key import join_key
from ksrpc.config.setting import flatten, tables
from ksrpc.config.watch import SIGNAL_NAME
from ksrpc.errors import ConfigError
from ksrpc.expose import Surface
from ksrpc.text import clean

_ORIGIN_COLUMN = 48


@click.group("config")
def configuration() -> None:
    """Check, show and reload the configuration, or take over the original program's."""


configuration.add_command(import_config)


@configuration.command()
@config_option
@says_errors
def check(config: str | None) -> None:
    """Say what is wrong with the configuration: every error with its line, and what may not be meant."""
    path = find_config(config)
    loaded = _read(path)
    click.echo(f"ok: {path}")
    for warning in loaded.warnings:
        click.echo(f"warning: {clean(warning)}")


@configuration.command()
@click.option(
    "--origin", is_flag=True, help="Say for each value where it is from: file and line, variable, or default."
)
@config_option
@says_errors
def show(config: str | None, *, origin: bool) -> None:
    """Show the configuration that is in force, defaults included, as TOML."""
    loaded = read_config(find_config(config))
    if sys.stdout.isatty():
        console = Console(soft_wrap=True, highlight=False)
        for line in _lines(loaded, clean, with_origin=origin):
            console.print(line)
        return
    for line in _lines(loaded, str, with_origin=origin):
        click.echo(line.plain)


@configuration.command()
@config_option
@says_errors
def reload(config: str | None) -> None:
    """Check the configuration, and have running servers read it and the module files anew."""
    path = find_config(config)
    loaded = _read(path)
    _touch(loaded.config.server.data_dir)
    for warning in loaded.warnings:
        click.echo(f"warning: {clean(warning)}")
    click.echo(f"ok: {path}")
    click.echo("servers that run with it read it anew within two seconds, changed module files too, and say so;")
    click.echo("calls under way end as they began. server.host, port, socket and data_dir need a new start.")


def _read(path: Path) -> LoadedConfig:
    loaded = read_config(path)
    for rules in (loaded.config.all_rules, *map(loaded.config.rules_for, loaded.config.user)):
        Surface(rules)  # what only the gates know to be impossible
    return loaded


def _touch(data_dir: Path) -> None:
    path = data_dir / SIGNAL_NAME
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        os.utime(path)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc


def _lines(loaded: LoadedConfig, shown: Callable[[str], str], *, with_origin: bool) -> Iterator[Text]:
    for at, (table, entries) in enumerate(tables(flatten(loaded.config))):
        if at:
            yield Text()
        yield Text(shown(f"[{table}]"), "bold")
        for location, key, value in entries:
            line = Text.assemble((shown(key), "cyan"), " = ", shown(value))
            if with_origin:
                line.pad_right(max(_ORIGIN_COLUMN - len(line), 2))
                line.append(f"# {shown(loaded.origins[join_key(location)])}", "dim")
            yield line
