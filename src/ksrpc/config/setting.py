"""A configuration as a list of settings, and as text again.

Source: docs/reference/cli.md "ksrpc config show".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ksrpc.config.key import Location, join_key, quote
from ksrpc.config.schema import Config


def flatten(config: Config) -> dict[Location, Any]:
    """Return every key that has a value, sections of names included."""
    return dict(_walk(config, ()))


def _walk(node: Any, above: Location) -> Iterator[tuple[Location, Any]]:
    if isinstance(node, BaseModel):
        fields = {name: getattr(node, name) for name in type(node).model_fields} | (node.__pydantic_extra__ or {})
        for name, value in fields.items():
            yield from _walk(value, (*above, name))
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from _walk(value, (*above, name))
    elif node is not None:
        yield above, node


def write_value(value: Any) -> str:
    """Write a value of a setting as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(write_value, value)) + "]"
    return quote(str(value)) if isinstance(value, str | Path) else f"{value}"


def tables(settings: Mapping[Location, Any]) -> Iterator[tuple[str, list[tuple[Location, str, str]]]]:
    """Yield each table's name and its entries: key, its last part and value as TOML."""
    for table, entries in groupby(settings.items(), key=lambda entry: entry[0][:-1]):
        yield join_key(table), [(key, join_key(key[-1:]), write_value(value)) for key, value in entries]
