"""Tell data from everything else by exact type, without running code of the value and without importing a library.

A type is looked up by its own claim of package and name, and the claim is believed only if the package really offers
that very type under that name: `__module__` is writable, an identity is not.

Source: docs/spec/policy.md "Data".
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from types import EllipsisType, NoneType
from typing import Any

__all__ = ["class_dict", "class_module", "class_mro", "is_data", "is_data_class", "is_data_type"]

_NODES = 200_000
_DEPTH = 50
_ATOMS: frozenset[type] = frozenset({NoneType, EllipsisType, bool, int, float, complex, str, bytes, bytearray, range})
_BUILTINS: frozenset[type] = _ATOMS | {list, tuple, dict, set, frozenset, slice}
_NAMES = {
    "datetime": "date time datetime timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID",
    "zoneinfo": "ZoneInfo",
    "collections": "OrderedDict defaultdict Counter deque",
    "numpy": """ndarray bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 longlong ulonglong intc uintc
        float16 float32 float64 longdouble complex64 complex128 clongdouble str_ bytes_ datetime64 timedelta64""",
    "pandas": """DataFrame Series Index RangeIndex MultiIndex DatetimeIndex TimedeltaIndex PeriodIndex IntervalIndex
        CategoricalIndex Timestamp Timedelta Period Interval Categorical""",
    "pandas.api.typing": "NaTType NAType",
    "pandas._libs.tslibs.nattype": "NaTType",
    "pandas._libs.missing": "NAType",
}
_TABLE = {module: frozenset(names.split()) for module, names in _NAMES.items()}
#: Root package → modules of the table below it; where a version of a library says that its class lives is all one.
_HOMES = {root: [m for m in _TABLE if m.partition(".")[0] == root] for root in (m.partition(".")[0] for m in _TABLE)}
#: Types of the table that were found in their place; at most as many as the table has names.
_proven: set[type] = set()
_SERVER_PATH = re.compile(r"/[^/\s]|[A-Za-z]:[\\/]|\\\\|~[/\\]")
_TYPE_DICT = type.__dict__["__dict__"]
_TYPE_MRO = type.__dict__["__mro__"]
_TYPE_MODULE = type.__dict__["__module__"]


def class_dict(cls: type) -> Mapping[str, Any]:
    """Read a class's own attributes past whatever its metaclass defines."""
    names: Mapping[str, Any] = _TYPE_DICT.__get__(cls)
    return names


def class_mro(cls: type) -> tuple[type, ...]:
    """Read a class's resolution order past whatever its metaclass defines."""
    mro: tuple[type, ...] = _TYPE_MRO.__get__(cls)
    return mro


def class_module(cls: type) -> str:
    """Read the module that a class claims, "" if that is no text."""
    try:
        name = _TYPE_MODULE.__get__(cls)
    except AttributeError:
        return ""
    return name if type(name) is str else ""


def is_data_type(cls: type) -> bool:
    """Tell whether instances of exactly this type are data."""
    if cls in _BUILTINS or cls in _proven:
        return True
    module, name = class_module(cls), type.__dict__["__name__"].__get__(cls)
    for home in _HOMES.get(module.partition(".")[0], ()):
        if name in _TABLE[home] and _module_dict(home).get(name) is cls:
            _proven.add(cls)
            return True
    return module == "numpy.dtypes" and _module_dict("numpy").get("dtype") in class_mro(cls)


def is_data_class(cls: type) -> bool:
    """Tell whether a class is a data type or is derived from one."""
    return any(is_data_type(base) for base in class_mro(cls))


def is_data(value: Any) -> bool:
    """Tell whether a value is data through and through, and holds no path of this machine.

    Values of a library's own types (arrays, frames) are taken as they are; the encoder judges their content.
    """
    budget = _NODES
    stack: list[Iterator[Any]] = [iter((value,))]
    while stack:
        for item in stack[-1]:
            budget -= 1
            kind = type(item)
            if budget < 0 or not is_data_type(kind) or (kind is str and _SERVER_PATH.match(item)):
                return False
            parts = _parts(item, kind)
            if parts is not None:
                stack.append(parts)
                break
        else:
            stack.pop()
        if len(stack) > _DEPTH:
            return False
    return True


def _parts(item: Any, kind: type) -> Iterator[Any] | None:
    if kind in (list, tuple, set, frozenset):
        items: Iterator[Any] = iter(item)
        return items
    if kind is dict:
        return (part for pair in item.items() for part in pair)
    return None


def _module_dict(name: str) -> dict[str, Any]:
    module = sys.modules.get(name)
    return {} if module is None else vars(module)
