"""Named tuples of classes that this side does not have.

Rule: no class is made or found by a name off the wire; what arrives is a `Record`, a tuple that also answers to the
names of its fields.

Source: docs/spec/wire.md "Named tuples".
"""

from __future__ import annotations

from typing import Any

from ksrpc.errors import DecodeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.kind import write_subclass
from ksrpc.wire.registry import CLASSES, READERS

__all__ = ["Record"]


class Record(tuple[Any, ...]):
    """Be a tuple whose items also have names.

    Attributes:
        type_name: Qualified name of the class that the sender had.
        fields: Names of the items, in order.
    """

    type_name: str
    fields: tuple[str, ...]

    def __new__(cls, type_name: str, fields: tuple[str, ...], values: tuple[Any, ...]) -> Record:
        """Join names and values.

        Raises:
            DecodeError: They are not equally many, or a name is no plain identifier.
        """
        if len(fields) != len(values) or len(set(fields)) != len(fields):
            raise DecodeError("a record whose names do not fit its values")
        if not all(type(name) is str and name.isidentifier() and name[0] != "_" for name in fields):
            raise DecodeError("a record with a name that cannot be")
        made = super().__new__(cls, values)
        made.__dict__.update(type_name=type_name, fields=fields)
        return made

    def __getattr__(self, name: str) -> Any:
        """Return the item of that name."""
        fields = self.__dict__.get("fields", ())
        if name in fields:
            return self[fields.index(name)]
        raise AttributeError(f"{self.type_name.rpartition('.')[2]} has no field {name!r}")

    def __repr__(self) -> str:
        """Show it as the sender's class would."""
        items = ", ".join(f"{name}={value!r}" for name, value in zip(self.fields, self, strict=True))
        return f"{self.type_name.rpartition('.')[2]}({items})"


def _write_subclass(encoder: Encoder, value: tuple[Any, ...]) -> Any:
    kind = type(value)
    names: Any = getattr(kind, "_fields", None)
    type_name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, Record):
        names, type_name = value.fields, value.type_name
    if type(names) is not tuple or len(names) != len(value) or not {str}.issuperset(map(type, names)):
        return write_subclass(encoder, value)
    parts = encoder.nodes(value)
    if tag.NAMEDTUPLE not in encoder.table.tags:
        return [encoder.mark(tag.TUPLE), *parts]
    return [encoder.mark(tag.NAMEDTUPLE), type_name, list(names), parts]


def _read_namedtuple(decoder: Decoder, type_name: Any, fields: Any, values: Any) -> Any:
    names = tuple(decoder.expect(fields, list))
    kind: Any = CLASSES.get(decoder.expect(type_name, str))
    if getattr(kind, "_fields", None) == names and len(decoder.expect(values, list)) == len(names):
        return tuple.__new__(kind, values)
    return Record(decoder.expect(type_name, str), names, tuple(decoder.expect(values, list)))


register_base(tuple, _write_subclass)
READERS[tag.NAMEDTUPLE] = _read_namedtuple
