"""`ksrpc init` and `ksrpc serve`.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from ksrpc.cli.following import Follower
from ksrpc.cli.option import config_option, says_errors, show_token
from ksrpc.cli.serving import serve_forever
from ksrpc.cli.token import open_tokens
from ksrpc.config import Config, find_config, load_config, write_config
from ksrpc.config.schema import AccessSection, CallSection, ServerSection


@click.command()
@click.option("--lan", is_flag=True, help="Serve the local network: listen on all addresses; callers need a token.")
@click.option("--enable", is_flag=True, help="Switch the call service on at once.")
@config_option
@says_errors
def init(config: str | None, *, lan: bool, enable: bool) -> None:
    """Write ksrpc.toml with every key commented, and make the first token."""
    path = find_config(config)
    write_config(path, lan=lan, enabled=enable)
    click.echo(f"wrote {path}")
    settings = load_config(path)
    token = open_tokens(settings).create("admin", scopes=frozenset({"call", "admin"}))
    show_token(token, settings.server.data_dir, "admin")
    edits = "access.allow" if enable else "call.enabled and access.allow"
    click.echo(f"next: set {edits} in it, then run `ksrpc serve`")


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
        serve_forever(follower.load(), follower=follower, shows_output=worker_output)


def _find_or_write(given: str | None) -> Path:
    path = find_config(given)
    if not path.exists():
        write_config(path)
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
