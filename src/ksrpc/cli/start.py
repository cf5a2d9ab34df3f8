"""`ksrpc init` and `ksrpc serve`.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from ksrpc.cli.address import client_urls
from ksrpc.cli.amendment import amending
from ksrpc.cli.following import Follower
from ksrpc.cli.option import config_option, make_data_dir, says_errors, show_token, split_names
from ksrpc.cli.serving import serve_forever
from ksrpc.cli.token import open_tokens
from ksrpc.config import Config, find_config, load_config, write_config
from ksrpc.config.schema import AccessSection, CallSection, ServerSection
from ksrpc.errors import ConfigError

_QUESTION = "Switch the call service on at once? Callers need a token"


@click.command()
@click.option("--lan", is_flag=True, help="Serve the local network: listen on all addresses; callers need a token.")
@click.option("--enable/--disable", default=None, help="Switch the call service on or off [default: ask, off].")
@click.option("--allow", metavar="A,B", callback=split_names, help="What may be called, instead of demo.")
@config_option
@says_errors
def init(config: str | None, *, lan: bool, enable: bool | None, allow: tuple[str, ...] | None) -> None:
    """Write ksrpc.toml, every key commented, and a first token."""
    path = find_config(config)
    if path.exists():
        raise ConfigError(f"{path} exists already; edit it, or remove it first")
    if enable is None:
        enable = sys.stdin.isatty() and click.confirm(_QUESTION, default=True, err=True)
    _write_first(path, enabled=enable, lan=lan, allow=allow)
    click.echo(f"wrote {path}")
    settings = load_config(path)
    with contextlib.closing(open_tokens(settings)) as tokens:
        made = tokens.create("admin", scopes=frozenset({"call", "admin"}))
    show_token(made, settings.server.data_dir, "admin")
    click.echo(f"\n{_next_steps(settings, path, config)}")


@click.command()
@click.option("--try", "trial", is_flag=True, help="No files, no token: serve demo and math on loopback only.")
@click.option("--host", metavar="ADDRESS", help="Listen here instead of server.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen here instead of server.port; 0 = any free port.")
@click.option("--worker-output", is_flag=True, help="Show what libraries print in the worker processes.")
@config_option
@says_errors
def serve(config: str | None, host: str | None, port: int | None, *, trial: bool, worker_output: bool) -> None:
    """Serve until SIGINT or SIGTERM. Without a configuration, writes one first and says what to edit."""
    with contextlib.ExitStack() as stack:
        changes = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
        if trial:
            serve_forever(_changed(_trial_settings(stack), changes), shows_output=worker_output)
            return
        follower = Follower(_find_or_write(config), lambda settings: _changed(settings, changes))
        settings = follower.load()
        make_data_dir(settings)
        serve_forever(settings, follower=follower, shows_output=worker_output)


def _write_first(path: Path, *, enabled: bool, lan: bool, allow: tuple[str, ...] | None) -> None:
    """Write a configuration and make its data folder, or leave nothing behind.

    Raises:
        ConfigError: One of them cannot be.
    """
    write_config(path, enabled=enabled, lan=lan)
    try:
        if allow is not None:
            with amending(path) as amendment:
                amendment.allow(allow)
        make_data_dir(load_config(path))
    except ConfigError:
        path.unlink()
        raise


def _next_steps(settings: Config, path: Path, given: str | None) -> str:
    """Say what is left to do until the first call."""
    option = f" --config {shlex.quote(given)}" if given else ""
    steps = [f"{path.name}: access.allow says what may be called; now: {', '.join(settings.access.allow) or 'nothing'}"]
    if not settings.call.enabled:
        steps.append(f"{path.name}: call.enabled = true switches the call service on")
    steps += [
        f"ksrpc serve{option}: clients then use {client_urls(settings)[0]}",
        f"ksrpc user add NAME{option}: a token for each person",
        f"ksrpc doctor{option}: looks whether all is well",
    ]
    return "\n".join(["next:", *(f"  {number}. {step}" for number, step in enumerate(steps, 1))])


def _find_or_write(given: str | None) -> Path:
    path = find_config(given)
    if not path.exists():
        _write_first(path, enabled=False, lan=False, allow=None)
        click.echo(f"wrote {path}\nthe call service is off: set call.enabled = true and access.allow in it", err=True)
    return path


def _changed(settings: Config, changes: dict[str, Any]) -> Config:
    """Apply what the command line says of the server."""
    if not changes:
        return settings
    return _checked(settings.model_copy(update={"server": settings.server.model_copy(update=changes)}))


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
