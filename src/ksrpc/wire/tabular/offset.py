"""Frequencies of pandas.

Rules: a frequency that its own text reproduces travels as that text; others as a class out of a fixed table with
named parts out of a fixed list. A text must match a pattern before pandas parses it.

Source: docs/spec/wire.md "Frequencies".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder, register_base
from ksrpc.wire.registry import READERS, Refusal
from ksrpc.wire.tabular.library import pd

__all__ = ["expect_offset", "step_cost"]

#: Names of today → those that pandas before 2.2 takes.
_FORMER: Final = {
    "ME": "M", "BME": "BM", "CBME": "CBM", "SME": "SM", "QE": "Q", "BQE": "BQ", "YE": "A", "BYE": "BA", "YS": "AS",
    "BYS": "BAS", "h": "H", "bh": "BH", "cbh": "CBH", "ns": "N",
}  # fmt: skip
_PARTED: Final = re.compile(r"(-?[0-9]*)([A-Za-z]+)(.*)")
_TEXT: Final = re.compile(r"-?[0-9]{0,18}[A-Za-z]{1,6}(-[0-9A-Z]{1,4}){0,3}")
_N: Final = 10**6
_STEP: Final = 64
_SLOW_STEP: Final = 1024
#: So many holidays make a step of a custom month as much slower as one more item.
_HOLIDAYS: Final = 8
#: What Easter says of itself since pandas 3; pandas 2 does not take it.
_NEW_DEFAULT: Final = ("method", 3)
_BASE: Final = pd.tseries.offsets.BaseOffset
_SLOW: Final = (
    pd.tseries.offsets.CustomBusinessHour,
    pd.tseries.offsets.CustomBusinessMonthBegin,
    pd.tseries.offsets.CustomBusinessMonthEnd,
    pd.tseries.offsets.FY5253Quarter,
)
_CLASSES: Final[dict[str, Any]] = {
    name: kind
    for name, kind in vars(pd.tseries.offsets).items()
    if isinstance(kind, type) and issubclass(kind, _BASE) and name not in ("BaseOffset", "Tick")
}
_PARTS: Final = frozenset({
    "years", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds",
    "year", "month", "day", "weekday", "hour", "minute", "second", "microsecond", "nanosecond",
    "weekmask", "holidays", "offset", "week", "startingMonth", "variation", "start", "end",
    "qtr_with_extra_week", "method",
})  # fmt: skip


@lru_cache(maxsize=256)
def _is_told_by_text(offset: Any) -> bool:
    text = offset.freqstr
    if offset.normalize or not _TEXT.fullmatch(text):
        return False
    try:
        return bool(pd.tseries.frequencies.to_offset(text) == offset)
    except ValueError:
        return False


def _write(encoder: Encoder, offset: Any) -> Any:
    mark = encoder.mark(tag.OFFSET)
    if _is_told_by_text(offset):
        return [mark, offset.freqstr]
    kind: type = type(offset)
    name = kind.__name__
    parts = {part: value for part, value in offset.kwds.items() if part != "calendar" and (part, value) != _NEW_DEFAULT}
    if _CLASSES.get(name) is not kind or not _PARTS.issuperset(parts) or abs(offset.n) > _N:
        raise Refusal(f"the frequency {name} cannot travel")
    return [mark, name, offset.n, bool(offset.normalize), encoder.entries(parts)]


def _read(decoder: Decoder, name: Any, *parts: Any) -> Any:
    decoder.expect(name, str)
    offset = _read_class(decoder, name, *parts) if parts else _read_text(name)
    if abs(offset.n) > _N and not isinstance(offset, pd.tseries.offsets.Tick):
        raise TooLargeError("a frequency that is too coarse")
    return offset


def _read_text(text: str) -> Any:
    if not _TEXT.fullmatch(text):
        raise DecodeError("a frequency that cannot be")
    try:
        return pd.tseries.frequencies.to_offset(text)
    except ValueError:
        return pd.tseries.frequencies.to_offset(_PARTED.sub(_former, text))


def _former(told: re.Match[str]) -> str:
    count, name, rest = told.groups()
    return count + _FORMER.get(name, name) + rest


def _read_class(decoder: Decoder, name: str, n: Any, normalize: Any, parts: Any) -> Any:
    kind = _CLASSES.get(name)
    if kind is None or not _PARTS.issuperset(decoder.expect(parts, dict)):
        raise DecodeError("a frequency that is not known here")
    for value in parts.values():
        if type(value) is int and abs(value) > _N:
            raise TooLargeError("a frequency that is too coarse")
    return kind(n=decoder.integer(n, -_N, _N), normalize=decoder.expect(normalize, bool), **parts)


def step_cost(offset: Any) -> int:
    """Return what checking one item against a frequency costs: most of them walk in Python."""
    if isinstance(offset, _SLOW):
        return _SLOW_STEP + len(offset.kwds.get("holidays", ())) // _HOLIDAYS
    return 0 if isinstance(offset, (pd.tseries.offsets.Tick, pd.tseries.offsets.Day)) else _STEP


def expect_offset(node: Any) -> Any:
    """Check that a part is a decoded frequency."""
    if not isinstance(node, _BASE):
        raise DecodeError("a frequency of the wrong type")
    return node


register_base(_BASE, _write)
READERS[tag.OFFSET] = _read
