"""Settings by environment variables: `KSRPC__SECTION__KEY=value`, `KSRPC__SECTION__KEY_FILE=path`.

Rules:
* Every key of the file can be set; a variable that is no key is an error that names it.
* A value is TOML where it can be read as such, else plain text; for a key that is a text it is always text.
* Names of users and modules are matched with those that exist whatever the case, else taken in lower case.

Source: docs/reference/config.md "Environment".
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, get_args, get_origin

from pydantic import BaseModel

from ksrpc.config.key import Location, join_key
from ksrpc.config.schema import Config, QuotaSection, QuotaTable
from ksrpc.errors import ConfigError
from ksrpc.limits import KIB

PREFIX = "KSRPC__"
_FILE = "_FILE"
_VALUE_BYTES = 64 * KIB
_TEXTS = (str, Path, Path | None)
_Tree: TypeAlias = dict[str, Any]


class Environment:
    """Hold the variables that are settings.

    Args:
        environ: All variables.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._given = {name: text for name, text in environ.items() if name.startswith(PREFIX)}

    def apply(self, tree: _Tree, *, modules: Iterable[str] = ()) -> dict[Location, str]:
        """Set in the tree of a file what the variables say.

        Args:
            tree: What the file says; changed in place.
            modules: Names of modules that exist beside those in the tree.

        Returns:
            Each key that was set → its variable.

        Raises:
            ConfigError: Variables that are no keys, or whose value cannot be had; the text names them all.
        """
        names, origins, errors = _Names(tree, modules), dict[Location, str](), list[str]()
        for variable in sorted(self._given):
            try:
                location, value = self._read(variable, names)
                if location in origins:
                    raise ConfigError(f"{variable}: {origins[location]} sets {join_key(location)} too")
            except ConfigError as exc:
                errors.append(str(exc))
                continue
            origins[location] = variable
            _plant(tree, location, value)
        if errors:
            raise ConfigError("\n".join(errors))
        return origins

    def folder(self, tree: _Tree, default: Path) -> Any:
        """Return what `server.modules_dir` will be: names of modules depend on it."""
        section = tree.get("server")
        written = section.get("modules_dir", default) if isinstance(section, dict) else default
        for variable in sorted(self._given):
            if variable.upper().removesuffix(_FILE) == f"{PREFIX}SERVER__MODULES_DIR":
                written = self._read(variable, _Names({}, ()))[1]
        return written

    def _read(self, variable: str, names: _Names) -> tuple[Location, Any]:
        parts = variable.removeprefix(PREFIX).split("__")
        found = _locate(parts, names)
        if found is not None:
            return found[0], _parse_value(_checked(variable, self._given[variable]), found[1])
        if parts[-1].endswith(_FILE):
            found = _locate([*parts[:-1], parts[-1].removesuffix(_FILE)], names)
        if found is None:
            raise ConfigError(_describe_unknown(variable, parts))
        return found[0], _parse_value(_read_secret(variable, Path(self._given[variable])), found[1])


class _Names:
    """Know the names that users chose, by table."""

    def __init__(self, tree: _Tree, modules: Iterable[str]) -> None:
        tables = {section: tree.get(section) for section in ("user", "module", "quota")}
        self._known: dict[str, set[str]] = {
            section: set(table) if isinstance(table, dict) else set() for section, table in tables.items()
        }
        self._known["module"] |= set(modules)
        sections: Any = tables["module"] if isinstance(tables["module"], dict) else {}
        listed = [section.get("handles") for section in sections.values() if isinstance(section, dict)]
        self._known["handles"] = {name for table in listed if isinstance(table, dict) for name in table}

    def match(self, table: str, name: str) -> str:
        known = self._known[table]
        same = sorted(other for other in known if other.lower() == name.lower())
        if name in known or not same:
            return name if name in known else name.lower()
        if len(same) > 1:
            raise ConfigError(f"{PREFIX}{table.upper()}__{name}: {' and '.join(same)} differ by case alone; name it so")
        return same[0]


def kind_of(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the section that a field of the schema holds, if any, and whether it is a table of them by name."""
    is_table = get_origin(annotation) is dict
    inner = get_args(annotation)[1] if is_table else annotation
    is_section = isinstance(inner, type) and issubclass(inner, BaseModel)
    return (inner, is_table) if is_section else (None, False)


def _locate(parts: list[str], names: _Names) -> tuple[Location, Any] | None:
    """Find the key that the parts of a variable's name mean, and its type; None if there is none."""
    model: type[BaseModel] = Config
    location: Location = ()
    while parts:
        name = parts[0].lower()
        if model is QuotaTable and name not in model.model_fields and len(parts) > 1:
            path = names.match("quota", ".".join(parts[:-1]))
            return _locate_in(QuotaSection, (*location, path), parts[-1])
        field = model.model_fields.get(name)
        if field is None:
            return None
        section, is_table = kind_of(field.annotation)
        location, parts = (*location, name), parts[1:]
        if section is None:
            return None if parts else (location, field.annotation)
        if is_table and parts:
            location, parts = (*location, names.match(name, parts[0])), parts[1:]
        model = section
    return None


def _locate_in(model: type[BaseModel], above: Location, part: str) -> tuple[Location, Any] | None:
    field = model.model_fields.get(part.lower())
    return None if field is None else ((*above, part.lower()), field.annotation)


def _describe_unknown(variable: str, parts: list[str]) -> str:
    known = [f"{PREFIX}{name.upper()}" for name in _plain_keys()]
    close = difflib.get_close_matches(variable.upper(), known, n=1, cutoff=0.8)
    key = join_key(tuple(part.lower() for part in parts))
    return f"{variable}: there is no key {key}" + (f"; did you mean {close[0]}?" if close else "")


def _plain_keys() -> list[str]:
    keys = []
    for name, field in Config.model_fields.items():
        section, is_table = kind_of(field.annotation)
        if section is not None and not is_table:
            keys += [f"{name}__{key}" for key in section.model_fields]
    return keys


def _parse_value(text: str, annotation: Any) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value = parsed.get("value") if set(parsed) == {"value"} else text
    return text if annotation in _TEXTS and not isinstance(value, str) else value


def _checked(variable: str, text: str) -> str:
    if not text.isascii() and text.encode("utf-8", "replace").decode() != text:
        raise ConfigError(f"{variable} is not UTF-8")
    return text


def _read_secret(variable: str, path: Path) -> str:
    try:
        if not path.is_file() and path.exists():
            raise ConfigError(f"{variable}: {path} is not a file")
        if path.stat().st_size > _VALUE_BYTES:
            raise ConfigError(f"{variable}: {path} is over {_VALUE_BYTES >> 10} KiB")
        with path.open("rb") as file:
            return file.read(_VALUE_BYTES).decode("utf-8").strip()
    except OSError as exc:
        raise ConfigError(f"{variable}: {path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{variable}: {path} is not UTF-8") from exc


def _plant(tree: _Tree, location: Location, value: Any) -> None:
    """Set a value; where the file has no table in its place, the file's own error is told."""
    for part in location[:-1]:
        node = tree.setdefault(part, {})
        if not isinstance(node, dict):
            return
        tree = node
    tree[location[-1]] = value
