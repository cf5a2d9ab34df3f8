"""Find, write and read ksrpc.toml; errors name file, line and key."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ksrpc.config.schema import Config
from ksrpc.config.template import TEMPLATE
from ksrpc.errors import ConfigError

NAME = "ksrpc.toml"


def find_config(given: str | None) -> Path:
    """Return the file to use: the one given, KSRPC_CONFIG, or ksrpc.toml in the current folder."""
    return Path(given or os.environ.get("KSRPC_CONFIG") or NAME).absolute()


def write_config(path: Path, *, enabled: bool = False, lan: bool = False) -> None:
    """Write the commented template, readable by its owner alone.

    Raises:
        ConfigError: The file exists, or cannot be written.
    """
    text = TEMPLATE.replace("enabled = false", f"enabled = {str(enabled).lower()}", 1)
    if lan:
        text = text.replace('host = "127.0.0.1"', 'host = "0.0.0.0"', 1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as exc:
        raise ConfigError(f"{path} exists already; edit it, or remove it first") from exc
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc


def load_config(path: Path) -> Config:
    """Read and check a file; relative paths in it are taken from its folder.

    Raises:
        ConfigError: It cannot be read or has a key or value that cannot be; the text names line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise ConfigError(f"{path} does not exist; `ksrpc init` writes it") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}") from exc
    try:
        config = Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    except ValidationError as exc:
        raise ConfigError("\n".join(_explain(path, text, error) for error in exc.errors())) from exc
    config = _anchor(config, path.parent)
    for name, section in config.module.items():
        if section.path is not None and not section.path.is_file():
            line = _find_line(text, ("module", name, "path"))
            raise ConfigError(f"{path}:{line}: module.{name}.path: there is no file {section.path}")
    return config


def _anchor(config: Config, folder: Path) -> Config:
    server = config.server.model_copy(update={"data_dir": folder / config.server.data_dir})
    module = {
        name: entry if entry.path is None else entry.model_copy(update={"path": folder / entry.path})
        for name, entry in config.module.items()
    }
    return config.model_copy(update={"server": server, "module": module})


def _explain(path: Path, text: str, error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    location = tuple(str(part) for part in error["loc"])
    key = ".".join(location)
    line = _find_line(text, location or _split(message.partition(" ")[0].rstrip(":")))
    where = f"{path}:{line}" if line else str(path)
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key {key}{_suggest(location)}"
    return f"{where}: {key}: {message}" if key else f"{where}: {message}"


def _suggest(location: tuple[str, ...]) -> str:
    model: type[BaseModel] = Config
    for part in location[:-1]:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        for kind in (annotation, *get_args(annotation)):  # a section, or a dict of sections by name
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                model = kind
    close = difflib.get_close_matches(location[-1], list(model.model_fields), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _find_line(text: str, location: tuple[str, ...]) -> int:
    """Find the line on which a key stands, by its table and name; 0 if it is not written out."""
    if not location:
        return 0
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+(.+?)\]+\s*(#.*)?$", line):
            table = _split(header.group(1))
            if table[: len(location)] == location:
                return number
        elif (key := re.match(r"\s*([^=#]+?)\s*=", line)) and (names := _split(key.group(1))):
            path = table + names
            if path[: len(location)] == location[: len(path)]:
                return number
    return 0


def _split(key: str) -> tuple[str, ...]:
    """Take a dotted key apart as TOML does; empty if it is none."""
    try:
        node: Any = tomllib.loads(f"[{key}]")
    except tomllib.TOMLDecodeError:
        return ()
    parts: list[str] = []
    while node:
        name, node = next(iter(node.items()))
        parts.append(name)
    return tuple(parts)
