"""Reviewed lists: which names of a powerful library are open, why, and within which bounds.

A preset is a file under `presets/`. A name that is in none of its groups is closed, so a new version of the library
opens nothing by itself; what was looked at and stays closed stands in a group of its own, with the reason that callers
are told. The files hold text only; reading them imports nothing.

Source: docs/spec/policy.md "Presets".
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from ksrpc.errors import ConfigError

__all__ = ["Closed", "Entry", "Preset", "load_presets", "parse_preset"]

_FOLDER = Path(__file__).resolve().parent / "presets"
_KEYS = {"root", "kind", "version", "packages", "owners", "modules", "objects", "aliases", "homes", "group", "closed"}
_GROUP_KEYS = {"at", "reason", "names", "parameters", "bounds", "positional"}
_CLOSED_KEYS = {"at", "reason", "names", "list"}
#: What a closed group may be a list of, for a vendor: names of the session, of trading, or others.
_LISTS = ("", "session", "trade")


_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold what gate C needs to know about the names of one group.

    Attributes:
        reason: Why these names are safe within the bounds below.
        parameters: Parameter name → its class as in docs/spec/policy.md "Parameter classes".
        bounds: Names of checks over all arguments together.
        positional: Names of the positional parameters, for functions of which Python knows no signature.
    """

    reason: str
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    bounds: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Closed:
    """Say why a name that was reviewed stays closed.

    Attributes:
        reason: What callers are told.
        list: "session" for what logs in, out or tells of the account, "trade" for what acts on it, "" for the rest.
    """

    reason: str
    list: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """Hold one root's reviewed list. A vendor's has closed names only: all others are open.

    Attributes:
        root: The root package.
        kind: "toolkit", "stdlib" or "vendor".
        version: Counts the reviews.
        owners: Roots of modules that hold this package's code, its accelerators included.
        modules: Module path → the `__name__`s it may have (its own, or those of a listed alias).
        objects: Instances whose bound methods are functions of the package, such as numpy's global generator.
        aliases: Other name → the name under which the same object is kept.
        homes: Name that its module gives only when asked for (PEP 562) → the module's path that keeps the object.
        names: Dotted path of each open name → its entry.
        closed: Dotted path of each name that was reviewed and stays closed → why.
        paths: Every path that gate A admits: names and modules.
    """

    root: str
    kind: Literal["toolkit", "stdlib", "vendor"]
    version: int
    owners: frozenset[str]
    modules: Mapping[str, tuple[str, ...]]
    objects: tuple[str, ...]
    aliases: Mapping[str, str]
    homes: Mapping[str, str]
    names: Mapping[str, Entry]
    closed: Mapping[str, Closed]
    paths: frozenset[str]


def parse_preset(table: Mapping[str, Any], file: str) -> Preset:
    """Make a preset of a parsed file.

    Raises:
        ConfigError: If a key is unknown or missing, or a name is listed twice.
    """
    unknown = table.keys() - _KEYS
    if unknown:
        raise ConfigError(f"{file}: unknown key {min(unknown)!r}")
    try:
        is_vendor = table["kind"] == "vendor"
        names = {} if is_vendor else _parse_groups(table["group"], file)
        closed = _parse_closed(table.get("closed", []), file)
        twice = names.keys() & closed.keys()
        if twice:
            raise ConfigError(f"{file}: {min(twice)} is open and closed")
        listed = table.get("modules", {}) if is_vendor else table["modules"]
        modules = {name: tuple(others) or (name,) for name, others in listed.items()}
        root = table["root"]
        return Preset(
            root=root,
            kind=table["kind"],
            version=table["version"],
            owners=frozenset([root, *table.get("owners", ())]),
            modules=MappingProxyType(modules),
            objects=tuple(table.get("objects", ())),
            aliases=MappingProxyType(dict(table.get("aliases", {}))),
            homes=MappingProxyType(dict(table.get("homes", {}))),
            names=MappingProxyType(names),
            closed=MappingProxyType(closed),
            paths=frozenset([*names, *modules]),
        )
    except KeyError as error:
        raise ConfigError(f"{file}: key {error} is missing") from None


def _parse_groups(groups: list[dict[str, Any]], file: str) -> dict[str, Entry]:
    def make(group: dict[str, Any]) -> Entry:
        return Entry(
            reason=group["reason"],
            parameters=MappingProxyType(group.get("parameters", {})),
            bounds=tuple(group.get("bounds", ())),
            positional=tuple(group.get("positional", "").split()),
        )

    return _spread(groups, _GROUP_KEYS, make, file)


def _parse_closed(groups: list[dict[str, Any]], file: str) -> dict[str, Closed]:
    def make(group: dict[str, Any]) -> Closed:
        entry = Closed(group["reason"], group.get("list", ""))
        if entry.list not in _LISTS:
            raise ConfigError(f"{file}: {entry.list!r} is no list of closed names")
        return entry

    return _spread(groups, _CLOSED_KEYS, make, file)


def _spread(
    groups: list[dict[str, Any]], keys: AbstractSet[str], make: Callable[[dict[str, Any]], _Told], file: str
) -> dict[str, _Told]:
    """Give what is told of each group to each of its paths."""
    told: dict[str, _Told] = {}
    for group in groups:
        unknown = group.keys() - keys
        if unknown:
            raise ConfigError(f"{file}: unknown key {min(unknown)!r} in a group")
        entry = make(group)
        for path in _paths(group):
            if path in told:
                raise ConfigError(f"{file}: {path} is listed twice")
            told[path] = entry
    return told


def _paths(group: Mapping[str, Any]) -> list[str]:
    """Give the paths that a group lists: each of its names at each of its places."""
    return [f"{place}.{name}" for place in group["at"].split() for name in group["names"].split()]


@functools.cache
def load_presets() -> Mapping[str, Preset]:
    """Read the shipped presets, once per process.

    Returns:
        Root → preset.

    Raises:
        ConfigError: If a shipped file is damaged.
    """
    presets: dict[str, Preset] = {}
    for file in sorted(_FOLDER.glob("*.toml")):
        preset = parse_preset(tomllib.loads(file.read_text("utf-8")), file.name)
        presets[preset.root] = preset
    return MappingProxyType(presets)
