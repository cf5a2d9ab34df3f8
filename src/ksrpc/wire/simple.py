"""Any value as what JSON has: null, truth, numbers, texts, lists, maps with text keys.

Source: docs/spec/wire.md "Views".
"""

from __future__ import annotations

import base64
import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np

from ksrpc.errors import EncodeError
from ksrpc.wire.instance import Instance, Member

__all__ = ["Options", "encode_json", "simplify", "unique_names"]

_EXACT: Final = 1 << 53
_ADDRESSES: Final = (IPv4Address, IPv6Address, IPv4Network, IPv6Network)
_RANGE_ITEMS: Final = 10**6
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Options:
    """Say how a view is to look."""

    orient: str = "records"
    nan_text: bool = False
    int64_text: bool = False
    excel: bool = False


def encode_json(plain: Any) -> bytes:
    """Encode what `simplify` made."""
    try:
        return _encode(plain)
    except (OverflowError, ValueError):  # an integer over 64 bits, or a lone surrogate
        return _encode_slowly(plain)


def _encode_slowly(plain: Any) -> bytes:
    try:
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:
        raise EncodeError("an integer of too many digits") from error
    return text.encode("utf-8", "replace")


def simplify(value: Any, options: Options) -> Any:
    """Return the plain form of a value.

    Raises:
        EncodeError: Something in it has none.
    """
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value) if options.nan_text else None
    if kind is int:
        return str(value) if options.int64_text and abs(value) > _EXACT else value
    for base, writer in _BY_BASE:
        if isinstance(value, base):
            return writer(value, options)
    if kind.__module__.partition(".")[0] == "pandas":
        from ksrpc.wire.tabular.rows import simplify_pandas  # noqa: PLC0415  # pandas is already in use

        return simplify_pandas(value, options)
    if kind.__module__.partition(".")[0] in ("pyarrow", "polars"):
        from ksrpc.wire.columnar.rows import simplify_columnar  # noqa: PLC0415  # the library is already in use

        return simplify_columnar(value, options)
    if is_dataclass(kind):
        return _map({field.name: getattr(value, field.name) for field in fields(kind)}, options)
    raise EncodeError(f"{kind.__module__}.{kind.__qualname__} has no plain form")


def unique_names(names: list[str]) -> list[str]:
    """Number repeated names, so that no column hides another: a, a.1, a.2."""
    seen: dict[str, int] = {}
    taken = set(names)
    made = []
    for name in names:
        fresh = name
        while fresh in seen or (fresh != name and fresh in taken):
            seen[name] += 1
            fresh = f"{name}.{seen[name]}"
        seen.setdefault(fresh, 0)
        made.append(fresh)
    return made


def _items(value: Any, options: Options) -> list[Any]:
    return [simplify(item, options) for item in value]


def _map(value: dict[Any, Any], options: Options) -> dict[str, Any]:
    return {_key(key, options): simplify(item, options) for key, item in value.items()}


def _key(key: Any, options: Options) -> str:
    plain = simplify(key, options)
    return plain if isinstance(plain, str) else encode_json(plain).decode()


def _range(value: range, _options: Options) -> list[int]:
    if (value.stop - value.start) // value.step > _RANGE_ITEMS:
        raise EncodeError("a range of too many items")
    return list(value)


def _base64(value: Any, _options: Options) -> str:
    return base64.b64encode(bytes(value)).decode("ascii")


def _iso(value: Any, _options: Options) -> str | None:
    try:
        return str(value.isoformat())
    except ValueError:  # NaT of pandas is a datetime that has no form
        return None


def _is_missing(value: Any) -> bool:
    return bool(value != value)  # noqa: PLR0124  # NaN and NaT alone differ from themselves


def _datetime(value: datetime, options: Options) -> str | None:
    return None if _is_missing(value) else _iso(value, options)


def _duration(value: timedelta, _options: Options) -> str:
    sign, rest = ("-", -value) if value < timedelta() else ("", value)
    part = f".{rest.microseconds:06d}" if rest.microseconds else ""
    return f"{sign}P{rest.days}DT{rest.seconds}{part}S"


def _text(value: Any, _options: Options) -> str:
    return str(value)


def _array(value: np.ndarray[Any, Any], options: Options) -> Any:
    if value.dtype.kind in "mM":
        texts = value.astype(str).astype(object)
        texts[np.isnat(value)] = None
        return texts.tolist()
    if value.dtype.kind in "biu" and not options.int64_text:
        return value.tolist()
    listed = value.astype(np.complex128).tolist() if value.dtype.kind == "c" else value.tolist()
    return simplify(listed, options)


def _scalar(value: np.generic, options: Options) -> Any:
    if value.dtype.kind in "mM":
        return _array(np.asarray(value), options)
    plain = value.item()
    return simplify(float(plain) if isinstance(plain, np.longdouble) else plain, options)


def _fields(value: Any, options: Options) -> dict[str, Any]:
    return _map(vars(value), options)


def _member(value: Member | Enum, options: Options) -> Any:
    return simplify(value.value, options)


def _number(value: Any, options: Options) -> Any:
    """Show a value of a subclass as its number."""
    return simplify(int.__int__(value) if isinstance(value, int) else float.__float__(value), options)


def _letters(value: str, _options: Options) -> str:
    """Show a value of a subclass as its text."""
    return "".join((value,))


def _error(value: BaseException, _options: Options) -> str:
    return f"{type(value).__name__}: {value}"


#: In this order: numpy's scalars include Python floats, texts and bytes, datetimes are dates.
_BY_BASE: Final[tuple[tuple[Any, Callable[[Any, Options], Any]], ...]] = (
    (np.ndarray, _array),
    (np.generic, _scalar),
    (dict, _map),
    ((list, tuple, set, frozenset, deque), _items),
    (range, _range),
    ((bytes, bytearray, memoryview), _base64),
    (datetime, _datetime),
    ((date, time), _iso),
    (timedelta, _duration),
    ((Decimal, Fraction, UUID, complex, tzinfo, slice, np.dtype, PurePath, *_ADDRESSES), _text),
    ((SimpleNamespace, Instance), _fields),
    ((Member, Enum), _member),
    (str, _letters),
    ((int, float), _number),
    (BaseException, _error),
)
