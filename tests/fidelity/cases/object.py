"""Objects of classes, and places: where something is."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import numpy as np

from ksrpc.wire.instance import Instance, Member
from ksrpc.wire.registry import register_class
from tests.fidelity.case import Row


@dataclasses.dataclass
class Lot:
    """Be an object that both sides registered."""

    code: str
    prices: list[float]


class Side(enum.Enum):
    """Be an enum that both sides registered."""

    BUY = "b"
    SELL = "s"


class Level(enum.IntEnum):
    """Be an enum of ints that both sides registered."""

    LOW = 1


class Flag(enum.Flag):
    """Be flags that both sides registered."""

    OPEN = 1
    HALTED = 2


class Basket(dict[str, float]):
    """Be a builtin type with a name of its own."""


class Code(str):
    """Be another one."""

    __slots__ = ()


class Unregistered(enum.Enum):
    """Be an enum that nobody registered."""

    ONE = 1


for _kind in (Lot, Side, Level, Flag):
    register_class(_kind)


def _told(value: Any) -> Any:
    """Give the plain value and the class that it was of."""
    base = dict if isinstance(value, dict) else str
    plain = dict(value) if base is dict else "".join((value,))
    return plain, getattr(value, "type_name", f"{type(value).__module__}.{type(value).__qualname__}")


ROWS = [
    Row(
        "`SimpleNamespace`",
        "any",
        {
            "namespace": lambda: SimpleNamespace(a=1, b=[2, (3,)], c=None),
            "empty namespace": SimpleNamespace,
            "namespaces in a list": lambda: [
                SimpleNamespace(code="000001"),
                {"n": SimpleNamespace(x=SimpleNamespace())},
            ],
        },
    ),
    Row(
        "`PurePosixPath`, `PureWindowsPath`",
        "any",
        {
            "posix path": lambda: PurePosixPath("/data/../bars/000001.csv"),
            "relative path": lambda: PurePosixPath("a") / "行情",
            "windows path": lambda: PureWindowsPath("C:\\data\\bars.csv"),
            "path as key": lambda: {PurePosixPath("a"): 1},
        },
    ),
    Row(
        "`Path`",
        "sent",
        {"path of files": lambda: Path("data") / "x.csv", "path in a list": lambda: [Path("a"), {"p": Path()}]},
        refusal="a path of files of this side cannot travel in a result",
    ),
    Row(
        "addresses, networks and interfaces of `ipaddress`",
        "any",
        {
            "ip 4": lambda: ipaddress.ip_address("192.0.2.1"),
            "ip 6": lambda: ipaddress.ip_address("2001:db8::1"),
            "ip 6 with a zone": lambda: ipaddress.ip_address("fe80::1%eth0"),
            "network": lambda: ipaddress.ip_network("192.0.2.0/24"),
            "network of 6": lambda: ipaddress.ip_network("2001:db8::/32"),
            "interface": lambda: ipaddress.ip_interface("192.0.2.5/24"),
        },
    ),
    Row(
        "dataclasses, attrs and msgspec classes, members of enums: registered ones",
        "result",
        {
            "dataclass": lambda: Lot("000001.SZ", [9.21, -0.0]),
            "dataclass in a dict": lambda: {"lots": [Lot("", []), Lot("a", [1.5])]},
            "member of an enum": lambda: Side.SELL,
            "enum as key": lambda: {Side.BUY: 1},
            "member of an int enum": lambda: [Level.LOW, 1],
            "flag": lambda: Flag.HALTED,
            "object of elsewhere": lambda: Instance("vendor.Bar", {"code": "a", "close": 1.5}, is_dataclass=True),
            "record of elsewhere": lambda: Instance("vendor.Tick", {"price": 1.5}, is_dataclass=False),
            "member of elsewhere": lambda: Member("vendor.Side", "BUY", "b"),
        },
        refusal="pass ",
    ),
    Row(
        "members of enums that nobody registered",
        "never",
        {"foreign enum": lambda: Unregistered.ONE, "foreign enum in a list": lambda: [1, Unregistered.ONE]},
        refusal="cannot travel",
    ),
    Row(
        "subclasses of builtin types",
        "result",
        {"subclass of dict": lambda: Basket(a=1.5), "subclass of str": lambda: Code("000001")},
        stand_in=lambda value: value,
        facts=_told,
        refusal="pass a plain value",
    ),
]


def _pair(count: int) -> Any:
    pairs = [(at, at / 2) for at in range(count)]
    return np.array(pairs, dtype=[("n", "<i4"), ("x", "<f8")]).view(np.recarray)


def _twice() -> list[Any]:
    masked = np.ma.MaskedArray([1.0, 2.0], [False, True])
    return [masked, masked, masked.data]


#: Arrays of numpy that are more than memory.
ARRAYS = [
    Row(
        "`numpy.ma.MaskedArray`",
        "any",
        {
            "masked": lambda: np.ma.MaskedArray([1.0, 2.0, np.nan], [False, True, False]),
            "masked, filled": lambda: np.ma.MaskedArray([1, 2], [True, False], np.int16, fill_value=7),
            "masked by nothing": lambda: np.ma.MaskedArray([1.5, 2.5]),
            "masked hard": lambda: np.ma.MaskedArray([1.5, 2.5], [True, False], hard_mask=True),
            "masked times": lambda: np.ma.MaskedArray(np.arange(3).astype("M8[s]"), [True, False, False]),
            "masked texts": lambda: np.ma.MaskedArray(np.array(["a", "bc"]), [True, False]),
            "masked 2-d": lambda: np.ma.MaskedArray(np.arange(6.0).reshape(2, 3), np.eye(2, 3, dtype=bool)),
            "masked objects": lambda: np.ma.MaskedArray(np.array([None, "x"], object), [True, False]),
            "masked, twice and its data": _twice,
            "masked constant": lambda: np.ma.masked,
        },
    ),
    Row(
        "`numpy.matrix`",
        "any",
        {"matrix": lambda: np.arange(6.0).reshape(2, 3).view(np.matrix)},
    ),
    Row(
        "`numpy.recarray`, `numpy.record`",
        "any",
        {"recarray": lambda: _pair(3), "empty recarray": lambda: _pair(0), "record": lambda: _pair(2)[1]},
    ),
    Row(
        "`numpy.ndarray` of `StringDType`",
        "any",
        {
            "strings": lambda: np.array(["a", "行情", "", "x" * 40], dtype=np.dtypes.StringDType()),
            "strings, some missing": lambda: np.array(["a", None], dtype=np.dtypes.StringDType(na_object=None)),
            "strings 2-d": lambda: np.array([["a", "b"], ["c", ""]], dtype=np.dtypes.StringDType(coerce=False)),
        },
        needs="numpy>=2",
    ),
]
