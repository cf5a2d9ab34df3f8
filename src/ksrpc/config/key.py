"""Keys of the configuration as dotted texts and as places in a file.

Source: docs/reference/config.md.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, TypeAlias

#: A key from the outermost table inwards: ("user", "li", "allow").
Location: TypeAlias = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(r"\s*\[+(.+?)\]+\s*(#.*)?$")
_ENTRY = re.compile(r"\s*([^=#]+?)\s*=")


def join_key(location: Location) -> str:
    """Write a key as TOML does: parts that are not plain names in quotes."""
    return ".".join(part if _BARE.fullmatch(part) else quote(part) for part in location)


def split_key(key: str) -> Location:
    """Take a dotted key apart as TOML does; empty if it is none."""
    try:
        node: Any = tomllib.loads(f"[{key}]")
    except (ValueError, RecursionError):
        return ()
    parts: list[str] = []
    while isinstance(node, dict) and node:
        name, node = next(iter(node.items()))
        parts.append(name)
    return tuple(parts)


def quote(text: str) -> str:
    """Write a text as a TOML string."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", plain) + '"'


def find_line(text: str, location: Location) -> int:
    """Find the line on which a key stands, by its table and name; 0 if it is not written out."""
    if not location:
        return 0
    table: Location = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            table = split_key(header[1])
            if table[: len(location)] == location:
                return number
        elif (key := _ENTRY.match(line)) and (names := split_key(key[1])):
            path = table + names
            if path[: len(location)] == location[: len(path)]:
                return number
    return 0
