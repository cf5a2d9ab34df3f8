"""Find, write and read ksrpc.toml; errors name file, line and key.

Source: docs/reference/config.md.
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ksrpc.config.certificate import make_tls_context
from ksrpc.config.complaint import Origins
from ksrpc.config.environment import Environment
from ksrpc.config.folder import Folder, read_folder, why_refused
from ksrpc.config.guard import check_code, read_guarded
from ksrpc.config.key import Location, join_key
from ksrpc.config.schema import Config, ModuleSection, ServerSection
from ksrpc.config.setting import flatten
from ksrpc.config.template import TEMPLATE, fill
from ksrpc.errors import ConfigError
from ksrpc.limits import MIB

NAME = "ksrpc.toml"
_FILE_BYTES = MIB


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """Hold a configuration and where it is from.

    Attributes:
        config: The settings, with absolute paths.
        origins: Each dotted key that has a value → "ksrpc.toml:12", a variable, a module's file, or "default".
        warnings: What is not wrong but may not be meant.
    """

    config: Config
    origins: Mapping[str, str]
    warnings: tuple[str, ...]


def find_config(given: str | None) -> Path:
    """Return the file to use: the one given, KSRPC_CONFIG, or ksrpc.toml in the current folder."""
    return Path(given or os.environ.get("KSRPC_CONFIG") or NAME).absolute()


def write_config(path: Path, *, enabled: bool = False, lan: bool = False) -> None:
    """Write the commented template, readable by its owner alone.

    Args:
        enabled: Whether calls are served at once.
        lan: Listen on all addresses, under this machine's name too.

    Raises:
        ConfigError: The file exists, or cannot be written.
    """
    values: dict[Location, Any] = {("call", "enabled"): enabled}
    if lan:
        name = socket.gethostname()
        values["server", "host"] = "0.0.0.0"  # noqa: S104 - what was asked for
        values["server", "plaintext"] = True
        values["server", "hosts"] = [name] if "." in name else [name, f"{name}.local"]
    write_new(path, fill(TEMPLATE, values))


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, whole or not at all, readable by its owner alone.

    Raises:
        ConfigError: It exists, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            path.unlink()
            raise
    except FileExistsError as exc:
        raise ConfigError(f"{path} exists already; edit it, or remove it first") from exc
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc


def load_config(path: Path) -> Config:
    """Read and check a file; relative paths in it are taken from its folder.

    Raises:
        ConfigError: It cannot be read or has a key or value that cannot be; the text names line and key.
    """
    return read_config(path).config


def read_config(path: Path, environ: Mapping[str, str] | None = None) -> LoadedConfig:
    """Read and check a file, and tell where each setting is from.

    Args:
        path: The file.
        environ: Variables whose names begin with KSRPC__ go before what the file says; those of this process by
            default.

    Raises:
        ConfigError: It cannot be read or has a key or value that cannot be; the text names line and key.
    """
    return parse_config(_read_text(path), path, os.environ if environ is None else environ)


def parse_config(text: str, path: Path, environ: Mapping[str, str]) -> LoadedConfig:
    """Check the text of a file that is, or is to be, at `path`.

    Raises:
        ConfigError: It has a key or value that cannot be; the text names line and key.
    """
    tree, environment = _parse_tree(text, path), Environment(environ)
    folder = _folder(environment.folder(tree, ServerSection().modules_dir), path)
    variables = environment.apply(tree, modules=folder.files)
    origins = Origins(path, text, variables, _add_modules(tree, folder))
    try:
        config = _anchor(Config.model_validate(tree), path.parent)
    except ValidationError as exc:
        raise ConfigError(origins.explain(exc)) from exc
    errors = _module_errors(config, origins) + _tls_errors(config, origins)
    if errors:
        raise ConfigError("\n".join(errors))
    found = {join_key(location): origins.find(location) for location in flatten(config)}
    return LoadedConfig(config, found, (*folder.odd, *_unopened(config, folder)))


def _read_text(path: Path) -> str:
    try:
        return read_guarded(path, limit_bytes=_FILE_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError as exc:
        raise ConfigError(f"{path} does not exist; `ksrpc init` writes it") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}") from exc


def _parse_tree(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as exc:
        raise ConfigError(f"{path}: it is nested too deeply") from exc
    except ValueError as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def _folder(written: Any, path: Path) -> Folder:
    is_path = isinstance(written, str | Path) and "\0" not in str(written)
    return read_folder(path.parent / written) if is_path else Folder({}, [])  # validation tells what is wrong with it


def _add_modules(tree: dict[str, Any], folder: Folder) -> dict[Location, Path]:
    """Enter the files of the folder where the configuration names no other; return what was entered."""
    entered: dict[Location, Path] = {}
    modules: Any = tree.setdefault("module", {}) if folder.files else None
    for name, file in folder.files.items() if isinstance(modules, dict) else ():
        section = modules.setdefault(name, {})
        if isinstance(section, dict) and "path" not in section:
            section["path"] = file
            entered["module", name, "path"] = file
    return entered


def _anchor(config: Config, folder: Path) -> Config:
    paths = {
        name: getattr(config.server, name)
        for name in ("data_dir", "modules_dir", "socket", "tls_cert", "tls_key", "tls_client_ca")
    }
    server = config.server.model_copy(update={name: folder / path for name, path in paths.items() if path is not None})
    call = config.call.model_copy(update={"data_roots": tuple(folder / root for root in config.call.data_roots)})
    module = {name: _anchor_module(entry, folder) for name, entry in config.module.items()}
    return config.model_copy(update={"server": server, "call": call, "module": module})


def _anchor_module(entry: ModuleSection, folder: Path) -> ModuleSection:
    path = None if entry.path is None else folder / entry.path
    roots = None if entry.data_roots is None else tuple(folder / root for root in entry.data_roots)
    return entry.model_copy(update={"path": path, "data_roots": roots})


def _module_errors(config: Config, origins: Origins) -> list[str]:
    errors = []
    for name, section in config.module.items():
        location = ("module", name, "path")
        if section.path is None:
            continue
        if section.path.is_file():
            reason = why_refused(name, section) or _why_unsafe(section.path)
        else:
            reason = f"there is no file {section.path}"
        if reason:
            errors.append(f"{origins.blame(location)}: {join_key(location)}: {reason}")
    return errors


def _tls_errors(config: Config, origins: Origins) -> list[str]:
    cert, key, client_ca = config.server.tls_cert, config.server.tls_key, config.server.tls_client_ca
    if cert is None or key is None:
        return []
    try:
        make_tls_context(cert, key, client_ca)
    except ConfigError as exc:
        paths = {"tls_client_ca": client_ca, "tls_cert": cert, "tls_key": key}
        name = next((name for name, path in paths.items() if path and str(path) in str(exc)), "tls_cert")
        return [f"{origins.blame(('server', name))}: server.{name}: {exc}"]
    return []


def _why_unsafe(path: Path) -> str:
    try:
        check_code(path)
    except ConfigError as exc:
        return str(exc)
    except OSError as exc:
        return f"{path} cannot be read: {exc.strerror}"
    return ""


def _unopened(config: Config, folder: Folder) -> list[str]:
    opened = {pattern.partition(".")[0] for pattern in config.all_rules.allow}
    return [
        f"{file} is served to nobody: access.allow does not name {name}"
        for name, file in folder.files.items()
        if name not in opened and "*" not in opened
    ]
