"""What objects of classes become where nobody has the class: they answer to the same names, and run no code of it.

Source: docs/spec/wire.md "Classes".
"""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from ksrpc.errors import DecodeError

__all__ = ["PLAIN", "Derived", "Instance", "Member", "derive", "name_class"]


class Instance:
    """Be an object of a class that this side does not have. Its fields are attributes, and items by name.

    Attributes:
        type_name: Qualified name of the class that the sender had.
    """

    __slots__ = ("__dict__", "__weakref__", "_is_dataclass", "type_name")

    def __init__(self, type_name: str, fields: dict[str, Any], *, is_dataclass: bool) -> None:
        self.type_name = type_name
        self._is_dataclass = is_dataclass
        self.__dict__.update(fields)

    def __getitem__(self, name: str) -> Any:
        """Return a field, also one whose name something else here has."""
        return self.__dict__[name]

    def __iter__(self) -> Iterator[str]:
        """Give the names of the fields, in order."""
        return iter(self.__dict__)

    def __len__(self) -> int:
        """Count the fields."""
        return len(self.__dict__)

    def __eq__(self, other: object) -> bool:
        """Compare class and fields."""
        if not isinstance(other, Instance):
            return NotImplemented
        return self.type_name == other.type_name and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Hash class and fields; the names too, or what differs in them alone would collide."""
        return hash((self.type_name, frozenset(self.__dict__.items())))

    def __repr__(self) -> str:
        """Show it as a dataclass would."""
        items = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{self.type_name.rpartition('.')[2]}({items})"


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Member:
    """Be a member of an enum that this side does not have.

    Attributes:
        type_name: Qualified name of the enum.
        name: Name of the member; None for a combination of flags without one.
        value: Its value.
    """

    type_name: str
    name: str | None
    value: Any

    def __hash__(self) -> int:
        """Hash by value, and by name if the value has no hash."""
        try:
            return hash((self.type_name, self.value))
        except TypeError:
            return hash((self.type_name, self.name))

    def __repr__(self) -> str:
        """Show it as an enum does."""
        return f"<{self.type_name.rpartition('.')[2]}.{self.name}: {self.value!r}>"


class Derived:
    """Be a value of a subclass of a builtin type that this side does not have; also of that builtin type.

    Attributes:
        type_name: Qualified name of the class that the sender had.
    """

    type_name: str


class _DerivedMap(Derived):
    """Answer to keys as attributes, as most subclasses of dict that people write do."""

    def __getattr__(self, name: str) -> Any:
        if isinstance(self, dict) and name in self:
            return self[name]
        raise AttributeError(f"a {type(self).__name__} has no key {name!r}")


#: Builtin type → its plain value of a value of a subclass, whatever the subclass overrides.
PLAIN: Final[dict[type, Callable[[Any], Any]]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__pos__,
    str: lambda value: "".join((value,)),
    bytes: lambda value: b"".join((value,)),
    bytearray: lambda value: bytearray(memoryview(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
    OrderedDict: lambda value: OrderedDict(OrderedDict.items(value)),
    defaultdict: lambda value: defaultdict(value.default_factory, dict.items(value)),
    Counter: lambda value: Counter(dict(dict.items(value))),
    deque: lambda value: deque(deque.__iter__(value), value.maxlen),
}
_DERIVED: Final[dict[type, Any]] = {
    base: type(f"Derived{base.__name__}", (_DerivedMap if issubclass(base, dict) else Derived, base), {})
    for base in PLAIN
}


def name_class(value: Any) -> str:
    """Return the qualified name of a value's class, or of the one that it had where it came from."""
    if isinstance(value, Instance | Member | Derived):
        return value.type_name
    return f"{type(value).__module__}.{type(value).__qualname__}"


def derive(type_name: str, value: Any) -> Any:
    """Make a value of a builtin type one that knows the name of its class.

    Raises:
        DecodeError: The value is of another type.
    """
    kind = _DERIVED.get(type(value))
    if kind is None:
        raise DecodeError("a subclass of what is no builtin type")
    made = _copy(kind, value)
    made.__dict__["type_name"] = type_name
    return made


def _copy(kind: Any, value: Any) -> Any:
    if isinstance(value, defaultdict):
        return kind(value.default_factory, value)
    return kind(value, value.maxlen) if isinstance(value, deque) else kind(value)
