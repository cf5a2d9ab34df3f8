"""Objects of classes: by their fields, never by their code; as the own class only if this side said so."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgpack
import msgspec
import pytest

from ksrpc import wire
from ksrpc.errors import DecodeError, EncodeError
from ksrpc.wire import pack_arguments, parse, tag
from ksrpc.wire.instance import Derived, Instance, Member
from ksrpc.wire.registry import CLASSES, register_class
from tests.unit.wire.carry import carry, container


@dataclasses.dataclass(frozen=True)
class Bar:
    code: str
    price: float
    lots: int = dataclasses.field(default=100, init=False)


@dataclasses.dataclass(slots=True)
class Slotted:
    code: str


class Side(enum.Enum):
    BUY = "b"
    SELL = "s"


class Level(enum.IntEnum):
    LOW = 1


class Tick(msgspec.Struct):
    code: str
    price: float = 1.5


class Pair(NamedTuple):
    left: int
    right: int


class Row(dict[str, int]):
    def items(self) -> Any:
        raise ValueError("code of the class ran")


@pytest.fixture(autouse=True)
def _classes() -> Iterator[None]:
    yield
    CLASSES.clear()


def sent(value: Any) -> Any:
    """Return what a receiver that has none of the classes gets from a sender that lets them leave."""
    for kind in (Bar, Slotted, Side, Level):
        register_class(kind)
    message = wire.pack(value).join()
    CLASSES.clear()
    return parse(message)


@pytest.mark.parametrize("value", [Bar("a", 1.0), Slotted("a"), Side.BUY, Level.LOW, {"k": [Bar("a", 1.0)]}], ids=repr)
def test_what_nobody_registered_does_not_leave(value: Any) -> None:
    with pytest.raises(EncodeError, match="cannot travel: return"):
        wire.pack(value)
    assert sent(value) is not None


def test_a_dataclass_that_is_not_here_answers_to_its_fields() -> None:
    got: Any = sent(Bar("000001", 1.5))
    kind: Any = Instance
    assert type(got) is kind
    assert got.type_name == f"{__name__}.Bar"
    assert (got.code, got["price"], got.lots, list(got), len(got)) == ("000001", 1.5, 100, ["code", "price", "lots"], 3)
    assert got == carry(got)
    assert repr(got) == "Bar(code='000001', price=1.5, lots=100)"
    assert len(sent({Bar("a", 1.0), Bar("b", 1.0)})) == 2


def test_fields_in_slots_travel() -> None:
    assert sent(Slotted("a")).code == "a"


def test_instances_that_differ_in_names_alone_do_not_collide() -> None:
    made = {hash(Instance("a.B", {f"f{number}": 1}, is_dataclass=True)) for number in range(100)}
    assert len(made) > 90


def test_registered_classes_arrive_as_themselves() -> None:
    for kind in (Bar, Slotted, Side, Level, Pair):
        register_class(kind)
    for value in (Bar("a", 1.0), Slotted("x"), Side.SELL, Level.LOW, Pair(1, 2)):
        got = carry(value)
        assert type(got) is type(value)
        assert got == value


def test_a_member_of_an_enum_that_is_not_here() -> None:
    got = sent(Side.BUY)
    assert got == Member(f"{__name__}.Side", "BUY", "b") == carry(got)
    assert hash(got) == hash(carry(got))
    assert repr(got) == "<Side.BUY: 'b'>"
    level: Any = sent(Level.LOW)
    assert issubclass(type(level), Derived)
    assert level == 1
    assert (level.name, level.value) == ("LOW", 1)


def test_a_subclass_is_also_its_builtin_type_and_its_code_does_not_run() -> None:
    got = carry(Row(a=1))
    assert issubclass(type(got), dict)
    assert issubclass(type(got), Derived)
    assert got == {"a": 1}
    assert got.a == 1
    assert got.type_name == f"{__name__}.Row"


def test_a_namespace_arrives_as_one() -> None:
    assert carry(SimpleNamespace(a=1, b=[2])) == SimpleNamespace(a=1, b=[2])


def test_a_field_that_code_computes_is_refused_by_its_path() -> None:
    class Sly:
        __struct_fields__ = ("secret",)

        @property
        def secret(self) -> int:
            raise KeyboardInterrupt

    register_class(Sly)
    with pytest.raises(EncodeError, match=r"\.secret: a field that code computes"):
        carry(Sly())


def test_a_structure_of_msgspec_leaves_once_its_class_is_registered() -> None:
    with pytest.raises(EncodeError, match="Tick cannot travel: return a dict"):
        carry(Tick("a"))
    register_class(Tick)
    got = carry(Tick("a"))
    assert (got.type_name, dict(zip(got, vars(got).values(), strict=True))) == (
        f"{__name__}.Tick",
        {"code": "a", "price": 1.5},
    )


def test_any_other_object_is_refused() -> None:
    with pytest.raises(EncodeError, match="cannot travel"):
        sent(Bar("a", object()))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [Bar("a", 1.0), Side.BUY, Level.LOW, Row(a=1)], ids=repr)
def test_objects_of_classes_are_no_arguments(value: Any) -> None:
    register_class(type(value))
    with pytest.raises(EncodeError, match="pass"):
        pack_arguments((value,), {})


@pytest.mark.parametrize(
    "parts",
    [
        (tag.DATACLASS,),
        (tag.DATACLASS, 1, {}),
        (tag.DATACLASS, "a.B", []),
        (tag.DATACLASS, "a.B", {"a b": 1}),
        (tag.RECORD, "a.B", 1),
        (tag.ENUM, "a.B", 1, 1, None),
        (tag.ENUM, "a.B", "A", 1, True),
        (tag.SUBCLASS, "a.B", None),
        (tag.SUBCLASS, 1, 1),
        (tag.NAMESPACE, []),
    ],
    ids=repr,
)
def test_what_cannot_be_is_refused(parts: tuple[Any, ...]) -> None:
    with pytest.raises(DecodeError):
        parse(container(msgpack.packb([msgpack.ExtType(1, bytes([parts[0]])), *parts[1:]])))


def test_a_field_that_a_registered_class_lacks_is_refused() -> None:
    register_class(Bar, type_name="a.Bar")
    head = [msgpack.ExtType(1, bytes([tag.DATACLASS])), "a.Bar", {"other": 1}]
    with pytest.raises(DecodeError, match="does not have"):
        parse(container(msgpack.packb(head)))
