"""`ksrpc config import`: take over the original program's config.py, read and never executed.

Source: docs/howto/import-the-original-configuration.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from ksrpc.cli.option import says_errors
from ksrpc.cli.table import show_table
from ksrpc.cli.token import open_tokens
from ksrpc.config import Config
from ksrpc.config.draft import Conversion
from ksrpc.config.file import NAME, parse_config, write_new
from ksrpc.config.legacy import convert
from ksrpc.config.template import TEMPLATE, fill
from ksrpc.errors import ConfigError
from ksrpc.expose import Surface
from ksrpc.limits import MIB
from ksrpc.model import Rules
from ksrpc.text import clean

_SOURCE_BYTES = MIB


@click.command("import")
@click.argument("source", metavar="CONFIG.PY", type=click.Path(path_type=Path))
@click.option("--output", "-o", metavar="FILE", default=NAME, type=click.Path(path_type=Path), show_default=True,
              help="Write this configuration.")  # fmt: skip
@says_errors
def import_config(source: Path, output: Path) -> None:
    """Write a configuration that does what the original program's CONFIG.PY said, and report every switch of it.

    CONFIG.PY is read as constants, never executed. Tokens in it go on for 30 days; accounts of vendors go into files of
    their own beside the new configuration.
    """
    output = output.absolute()
    if output.exists():
        raise ConfigError(f"{output} exists already; name another with -o, or remove it first")
    made = convert(_read(source), source.name, advise)
    text = fill(TEMPLATE, made.settings)
    config = parse_config(text, output, {}).config
    notes = [*_adopt(made, config), *_keep_secrets(made, output.parent / "secrets")]
    write_new(output, text)
    rows = [[line.switch, clean(line.becomes), clean(line.note)] for line in made.lines]
    show_table(("switch", "becomes", "note"), rows, folds=(1, 2))
    click.echo(f"\nwrote {output}")
    for note in notes:
        click.echo(clean(note))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            source = file.read(_SOURCE_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(source) > _SOURCE_BYTES:
        raise ConfigError(f"{path} cannot be read: it is over {_SOURCE_BYTES >> 10} KiB")
    return source


def advise(patterns: Sequence[str]) -> list[str]:
    """Say which of some roots answer nothing, or little, unless something is set beside `access.allow`."""
    surface = Surface(Rules())
    roots = dict.fromkeys(pattern.partition(".")[0] for pattern in patterns)
    closed = [root for root in roots if surface.class_of(root) != "vendor" and surface.preset_of(root) is None]
    listed = [root for root in roots if surface.class_of(root) == "stdlib" and root not in closed]
    advice = []
    if closed:
        advice.append(f"{', '.join(closed)}: answers nothing unless access.unsafe names it too")
    if listed:
        advice.append(f"{', '.join(listed)}: answers only what was reviewed, all of it if access.unsafe names it too")
    return advice


def _adopt(made: Conversion, config: Config) -> list[str]:
    """Take over the tokens; return what is to be said of each that could not be."""
    if not made.tokens:
        return []
    notes = []
    with closing(open_tokens(config)) as tokens:
        for token, user in made.tokens.items():
            try:
                tokens.adopt(token, user)
            except ConfigError as exc:
                notes.append(str(exc))
    taken = len(made.tokens) - len(notes)
    return [*notes, f"{taken} old tokens end in 30 days: `ksrpc token ls` shows them"] if taken else notes


def _keep_secrets(made: Conversion, folder: Path) -> list[str]:
    """Write each secret into a file that only its owner reads; never over another."""
    if not made.secrets:
        return []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name, text in made.secrets.items():
            _keep_secret(folder / name, text)
    except OSError as exc:
        raise ConfigError(f"{exc.filename} cannot be written: {exc.strerror}") from exc
    return [f"accounts are kept in {folder}, for their owner's eyes"]


def _keep_secret(path: Path, text: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        if path.read_text(encoding="utf-8", errors="replace") != text:
            raise ConfigError(f"{path} exists already and holds something else; move it away first") from None
        return
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
