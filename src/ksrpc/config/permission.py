"""Turn the original program's tables of what may be called into patterns.

Source: docs/howto/import-the-original-configuration.md "What may be called".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ksrpc.config.kind import check_pattern
from ksrpc.config.schema import is_covered
from ksrpc.errors import ConfigError

_OWN = "ksrpc"
_SERVED = "ksrpc.server."
_Leaf = TypeVar("_Leaf")


@dataclass(slots=True)
class Permission:
    """Hold patterns, and what could not be made one."""

    allow: list[str] = field(default_factory=list)
    block: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_leaves(table: Any, kind: type[_Leaf]) -> list[tuple[str, _Leaf]]:
    """Return the leaves of nested dicts: dotted path and value.

    Raises:
        ConfigError: A name is none, or a leaf is of another kind; the text names its path.
    """
    return list(_walk(table, kind, ""))


def _walk(table: Any, kind: type[_Leaf], above: str) -> Iterator[tuple[str, _Leaf]]:
    if not isinstance(table, Mapping):
        raise ConfigError("this must be a dict of names")
    for name, value in table.items():
        path = f"{above}{name}"
        if not isinstance(name, str):
            raise ConfigError(f"{path[:100]!r} is no name")
        if isinstance(value, Mapping):
            yield from _walk(value, kind, f"{path}.")
        elif type(value) is kind:
            yield path, value
        else:
            wanted = "True or False" if kind is bool else "a whole number"
            raise ConfigError(f"{path[:100]}: this must be {wanted}, or a dict")


def convert_allow(table: Any) -> Permission:
    """Convert METHODS_ALLOW: what is not listed is closed; False below something open closes it.

    Raises:
        ConfigError: It is no table of names and truth values.
    """
    made, leaves = Permission(), _ours_dropped(table)
    made.allow = [path for path, is_open in leaves[0] if is_open]
    roots = {path.partition(".")[0] for path in made.allow}
    made.block = [path for path, is_open in leaves[0] if not is_open and path.partition(".")[0] in roots]
    made.notes = leaves[1]
    return made


def convert_block(table: Any) -> Permission:
    """Convert METHODS_BLOCK: what is not listed passes; False closes.

    Raises:
        ConfigError: It is no table of names and truth values.
    """
    leaves, notes = _ours_dropped(table)
    return Permission(block=[path for path, passes in leaves if not passes], notes=notes)


def _ours_dropped(table: Any) -> tuple[list[tuple[str, bool]], list[str]]:
    leaves = read_leaves(table, bool)
    for path, _ in leaves:
        _check(path)
    kept = [(path, value) for path, value in leaves if path.partition(".")[0] != _OWN]
    return kept, [] if len(kept) == len(leaves) else ["ksrpc itself is always closed"]


def convert_rules(table: Any) -> Permission:
    """Convert IMPORT_RULES: the first pattern that fits a module decides; nothing is opened by a wildcard alone.

    Raises:
        ConfigError: It is no table of patterns and truth values.
    """
    made = Permission()
    if not isinstance(table, Mapping) or not all(
        isinstance(name, str) and isinstance(value, bool) for name, value in table.items()
    ):
        raise ConfigError("this must be a dict of module patterns with True or False")
    for pattern, is_open in table.items():
        _convert_rule(pattern, is_open, made)
    made.block = [path for path in made.block if is_covered(path, tuple(made.allow))]
    for path in made.block:
        if any(is_covered(opened, (path,)) for opened in made.allow):
            made.notes.append(f"{path} is blocked with all below it: here block wins, whatever the order")
    return made


def _convert_rule(pattern: str, is_open: bool, made: Permission) -> None:
    """Add what one rule opens or closes."""
    path = pattern.removesuffix("*").removesuffix(".")
    if not path:
        if is_open:
            made.notes.append('"*" opens nothing here: name the modules in access.allow')
        return
    if path == "builtins":
        made.notes.append("builtins is not taken over: whoever calls it owns the process")
    elif path == _OWN or pattern.startswith((f"{_OWN}.", f"{_OWN}*")):
        _convert_own(path, is_open, made)
    elif "*" in path or "?" in path or "[" in path:
        made.notes.append(f"{pattern[:100]!r} cannot be said as a path: name the modules")
    else:
        _check(path)
        (made.allow if is_open else made.block).append(path)


def _convert_own(path: str, is_open: bool, made: Permission) -> None:
    """Add the modules that the original kept in its own package: here they have bare names."""
    name = path.removeprefix(_SERVED).partition(".")[0] if path.startswith(_SERVED) else ""
    if not is_open:
        made.block += [name] if name else []
    elif name == "demo" or path in (_OWN, f"{_OWN}.server"):
        made.allow += [] if "demo" in made.allow else ["demo"]
    else:
        made.notes.append(f"{path}: put your file at server/{name}.py, then add {name!r} to access.allow")


def _check(path: str) -> None:
    try:
        check_pattern(path)
    except ValueError as exc:
        raise ConfigError(str(exc)) from None
