"""Reviewed lists: which names of a powerful library are open, why, and within which bounds.

A preset is a file under `presets/`. A name that is in none of its groups is closed, so a new version of the library
opens nothing by itself; what was looked at and stays closed stands in a group of its own, with the reason that callers
are told. The files hold text only; reading them imports nothing.

Source: docs/spec/policy.md "Presets".
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from ksrpc.errors import ConfigError

__all__ = ["Entry", "Preset", "load_presets", "parse_preset"]

_FOLDER = Path(__file__).resolve().parent / "presets"
_KEYS = {"root", "kind", "version", "packages", "owners", "modules", "objects", "aliases", "homes", "group", "closed"}
_GROUP_KEYS = {"at", "reason", "names", "parameters", "bounds", "positional"}
_CLOSED_KEYS = {"at", "reason", "names"}


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
class Preset:
    """Hold one root's reviewed list.

    Attributes:
        root: The root package.
        kind: "toolkit" or "stdlib".
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
    kind: Literal["toolkit", "stdlib"]
    version: int
    owners: frozenset[str]
    modules: Mapping[str, tuple[str, ...]]
    objects: tuple[str, ...]
    aliases: Mapping[str, str]
    homes: Mapping[str, str]
    names: Mapping[str, Entry]
    closed: Mapping[str, str]
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
        names = _parse_groups(table["group"], file)
        closed = _parse_closed(table.get("closed", []), file)
        twice = names.keys() & closed.keys()
        if twice:
            raise ConfigError(f"{file}: {min(twice)} is open and closed")
        modules = {name: tuple(others) or (name,) for name, others in table["modules"].items()}
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
    names: dict[str, Entry] = {}
    for group in groups:
        unknown = group.keys() - _GROUP_KEYS
        if unknown:
            raise ConfigError(f"{file}: unknown key {min(unknown)!r} in a group")
        entry = Entry(
            reason=group["reason"],
            parameters=MappingProxyType(group.get("parameters", {})),
            bounds=tuple(group.get("bounds", ())),
            positional=tuple(group.get("positional", "").split()),
        )
        for name in group["names"].split():
            path = f"{group['at']}.{name}"
            if path in names:
                raise ConfigError(f"{file}: {path} is listed twice")
            names[path] = entry
    return names


def _parse_closed(groups: list[dict[str, Any]], file: str) -> dict[str, str]:
    closed: dict[str, str] = {}
    for group in groups:
        unknown = group.keys() - _CLOSED_KEYS
        if unknown:
            raise ConfigError(f"{file}: unknown key {min(unknown)!r} in a closed group")
        for name in group["names"].split():
            path = f"{group['at']}.{name}"
            if path in closed:
                raise ConfigError(f"{file}: {path} is listed twice")
            closed[path] = group["reason"]
    return closed


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
