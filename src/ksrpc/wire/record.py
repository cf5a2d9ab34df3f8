"""Named tuples of classes that this side does not have.

Rule: no class is made or found by a name off the wire; what arrives is a `Record`, a tuple that also answers to the
names of its fields.

Source: docs/spec/wire.md "Named tuples".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ksrpc.errors import DecodeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.kind import write_subclass
from ksrpc.wire.registry import CLASSES, READERS, Refusal

__all__ = ["Record"]


class _Named:
    """Let an item go before the method of tuples that has its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, record: Record | None, owner: type) -> Any:
        if record is not None and self._name in record.fields:
            return record[record.fields.index(self._name)]
        return getattr(tuple, self._name).__get__(record, owner)


class Record(tuple[Any, ...]):
    """Be a tuple whose items also have names.

    Attributes:
        type_name: Qualified name of the class that the sender had.
        fields: Names of the items, in order.
        more: What is known by name only, such as the degrees of freedom beside a test's result.
    """

    type_name: str
    fields: tuple[str, ...]
    more: Mapping[str, Any]
    count = _Named("count")
    index = _Named("index")

    def __new__(
        cls, type_name: str, fields: tuple[str, ...], values: tuple[Any, ...], more: Mapping[str, Any] | None = None
    ) -> Record:
        """Join names and values.

        Raises:
            DecodeError: They are not equally many, or a name is no plain identifier.
        """
        names = (*fields, *(more or ()))
        if len(fields) != len(values) or len(set(names)) != len(names):
            raise DecodeError("a record whose names do not fit its values")
        if not all(type(name) is str and name.isidentifier() and name[0] != "_" for name in names):
            raise DecodeError("a record with a name that cannot be")
        made = super().__new__(cls, values)
        made.__dict__.update(type_name=type_name, fields=fields, more=MappingProxyType(dict(more or {})))
        return made

    def __getattr__(self, name: str) -> Any:
        """Return the item of that name."""
        fields, more = self.__dict__.get("fields", ()), self.__dict__.get("more", {})
        if name in fields:
            return self[fields.index(name)]
        if name in more:
            return more[name]
        raise AttributeError(f"{self.type_name.rpartition('.')[2]} has no field {name!r}")

    def __repr__(self) -> str:
        """Show it as the sender's class would."""
        named = [*zip(self.fields, self, strict=True), *self.more.items()]
        return f"{self.type_name.rpartition('.')[2]}({', '.join(f'{name}={value!r}' for name, value in named)})"


def _write_subclass(encoder: Encoder, value: tuple[Any, ...]) -> Any:
    kind = type(value)
    names: Any = getattr(kind, "_fields", None)
    type_name = f"{kind.__module__}.{kind.__qualname__}"
    held: Mapping[str, Any] = getattr(value, "__dict__", {})
    if isinstance(value, Record):
        names, type_name, held = value.fields, value.type_name, value.more
    if type(names) is not tuple or len(names) != len(value) or not {str}.issuperset(map(type, names)):
        return write_subclass(encoder, value)
    parts = encoder.nodes(value)
    if tag.NAMEDTUPLE not in encoder.table.tags:
        return [encoder.mark(tag.TUPLE), *parts]
    node = [encoder.mark(tag.NAMEDTUPLE), type_name, list(names), parts]
    more = {name: _node(encoder, name, item) for name, item in held.items() if _is_public(name) and name not in names}
    return [*node, more] if more else node


def _is_public(name: Any) -> bool:
    return type(name) is str and name.isidentifier() and not name.startswith("_")


def _node(encoder: Encoder, name: str, item: Any) -> Any:
    try:
        return encoder.node(item)
    except Refusal as refusal:
        raise refusal.at(f".{name}") from None


def _read_namedtuple(decoder: Decoder, type_name: Any, fields: Any, values: Any, more: Any = None) -> Any:
    names = tuple(decoder.expect(fields, list))
    kind: Any = CLASSES.get(decoder.expect(type_name, str))
    if getattr(kind, "_fields", None) == names and len(decoder.expect(values, list)) == len(names):
        return tuple.__new__(kind, values)
    extra = None if more is None else decoder.expect(more, dict)
    return Record(decoder.expect(type_name, str), names, tuple(decoder.expect(values, list)), extra)


register_base(tuple, _write_subclass)
READERS[tag.NAMEDTUPLE] = _read_namedtuple
