"""Objects of classes: dataclasses, members of enums, subclasses of builtin types, and classes that list their fields.

Rules: objects of a class, and members of an enum, leave only if their own side registered it (`register_class`); values
of subclasses of builtin types and namespaces are data and always leave. No class is imported, made or called by a name
off the wire. A class that this side registered is filled without its `__init__`; any other arrives as one of the
classes of `instance`, which answers to the same names.

Source: docs/spec/wire.md "Classes".
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from types import MemberDescriptorType, SimpleNamespace
from typing import Any, Final

from ksrpc.errors import DecodeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.instance import PLAIN, Derived, Instance, Member, derive, name_class
from ksrpc.wire.registry import CLASSES, READERS, WRITERS, Refusal

__all__ = ["write_subclass"]

#: What a field holds that was never set.
_UNSET: Final[Any] = object()


def _plain(value: Any) -> Any:
    base = next(base for base in type(value).__mro__ if base in PLAIN)
    try:
        return PLAIN[base](value)
    except Exception as error:  # code of the class ran
        raise Refusal(f"{name_class(value)} cannot be read ({type(error).__name__})") from None


def _mark(encoder: Encoder, number: int, value: Any, cure: str) -> Any:
    if number not in encoder.table.tags:
        raise Refusal(f"{name_class(value)} cannot travel in {encoder.table.name}: {cure}")
    return encoder.mark(number)


def _check_open(value: Any, cure: str) -> None:
    """Let pass what came from elsewhere, and objects of a class that this process has registered.

    What other classes hold may be meant for this side alone: settings, sessions, keys.
    """
    if not isinstance(value, Instance | Member | Derived) and CLASSES.get(name_class(value)) is not type(value):
        raise Refusal(f"{name_class(value)} cannot travel: {cure}")


def write_subclass(encoder: Encoder, value: Any) -> Any:
    """Encode a value whose class derives from a builtin type."""
    if isinstance(value, Enum) or (isinstance(value, Derived) and "value" in vars(value)):
        return _write_enum(encoder, value)
    mark = _mark(encoder, tag.SUBCLASS, value, "pass a plain value")
    return [mark, name_class(value), encoder.node(_plain(value))]


def _write_enum(encoder: Encoder, value: Any) -> Any:
    mark = _mark(encoder, tag.ENUM, value, "pass its value")
    _check_open(value, "return its value")
    base = None
    if any(kind in PLAIN for kind in type(value).__mro__):
        base = _plain(value)
    name, held = (value._name_, value._value_) if isinstance(value, Enum) else (value.name, value.value)
    try:
        return [mark, name_class(value), name, encoder.node(held), encoder.node(base)]
    except Refusal as refusal:
        raise refusal.at(".value") from None


def _write_object(encoder: Encoder, value: Any) -> Any:
    """Encode an object whose class declares its fields, and no other."""
    names, is_dataclass = _fields(value)
    if names is None:
        raise Refusal(f"{name_class(value).removeprefix('builtins.')} cannot travel")
    _check_open(value, "return a dict of what is meant to leave")
    number = tag.DATACLASS if is_dataclass else tag.RECORD
    mark = _mark(encoder, number, value, "pass its parts")
    held: dict[str, Any] = {}
    for name in names:
        try:
            item = _field(value, name)
            if item is not _UNSET:
                held[name] = encoder.node(item)
        except Refusal as refusal:
            raise refusal.at(f".{name}") from None
    return [mark, name_class(value), held]


def _field(value: Any, name: str) -> Any:
    """Read a field without running code of its class: from its dict, its slot, or the default that the class holds."""
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        held = {}
    if name in held:
        return held[name]
    item = next((base.__dict__[name] for base in type(value).__mro__ if name in base.__dict__), _UNSET)
    if type(item) is MemberDescriptorType:
        try:
            return item.__get__(value)
        except AttributeError:
            return _UNSET
    if hasattr(type(item), "__get__"):
        raise Refusal("a field that code computes cannot travel")
    return item


def _fields(value: Any) -> tuple[list[str] | None, bool]:
    kind = type(value)
    if isinstance(value, Instance):
        return list(value), value._is_dataclass
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)], True
    if isinstance(value, SimpleNamespace):
        return list(vars(value)), False
    listed: Any = getattr(kind, "__struct_fields__", None)  # msgspec
    if listed is None and isinstance(kind.__dict__.get("__attrs_attrs__"), tuple):
        listed = [field.name for field in kind.__attrs_attrs__]
    if isinstance(listed, list | tuple) and {str}.issuperset(map(type, listed)):
        return list(listed), False
    return None, False


def _write_namespace(encoder: Encoder, value: SimpleNamespace) -> Any:
    mark = encoder.mark(tag.NAMESPACE)
    held: dict[str, Any] = {}
    for name, item in vars(value).items():
        if type(name) is not str:
            raise Refusal("a namespace with a name that is not str cannot travel")
        try:
            held[name] = encoder.node(item)
        except Refusal as refusal:
            raise refusal.at(f".{name}") from None
    return [mark, held]


def _read_namespace(decoder: Decoder, fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**decoder.expect(fields, dict))


def _read_dataclass(decoder: Decoder, type_name: Any, fields: Any) -> Any:
    kind = CLASSES.get(decoder.expect(type_name, str))
    if kind is None or not dataclasses.is_dataclass(kind):
        return _instance(decoder, type_name, fields, is_dataclass=True)
    made: Any = object.__new__(kind)
    if not {field.name for field in dataclasses.fields(kind)}.issuperset(decoder.expect(fields, dict)):
        raise DecodeError(f"a field that {type_name} does not have")
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def _read_record(decoder: Decoder, type_name: Any, fields: Any) -> Instance:
    return _instance(decoder, type_name, fields, is_dataclass=False)


def _instance(decoder: Decoder, type_name: Any, fields: Any, *, is_dataclass: bool) -> Instance:
    if not all(map(str.isidentifier, decoder.expect(fields, dict))):
        raise DecodeError("a field with a name that cannot be")
    return Instance(decoder.expect(type_name, str), fields, is_dataclass=is_dataclass)


def _read_subclass(decoder: Decoder, type_name: Any, value: Any) -> Any:
    return derive(decoder.expect(type_name, str), value)


def _read_enum(decoder: Decoder, type_name: Any, name: Any, value: Any, base: Any) -> Any:
    if name is not None:
        decoder.expect(name, str)
    kind = CLASSES.get(decoder.expect(type_name, str))
    if kind is not None and issubclass(kind, Enum) and name in kind.__members__:
        return kind[name]
    if base is None:
        return Member(type_name, name, value)
    made = _read_subclass(decoder, type_name, base)
    made.__dict__.update(name=name, value=value)
    return made


for _base in PLAIN:
    if _base is not tuple:
        register_base(_base, write_subclass)
register_base(Enum, _write_enum)
register_base(object, _write_object)
WRITERS.update({Member: _write_enum, SimpleNamespace: _write_namespace})
READERS.update({
    tag.NAMESPACE: _read_namespace, tag.DATACLASS: _read_dataclass, tag.RECORD: _read_record,
    tag.SUBCLASS: _read_subclass, tag.ENUM: _read_enum,
})  # fmt: skip
