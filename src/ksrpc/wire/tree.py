"""Tell quickly whether a value is what a JSON document holds, so that it need not be walked item by item.

A level at a time: the types of thousands of items are gathered by one call.

Source: docs/spec/wire.md "Head".
"""

from __future__ import annotations

from itertools import chain
from types import NoneType
from typing import Any, Final

from ksrpc.limits import WireLimits

__all__ = ["ATOMS", "is_plain"]

#: Types that MessagePack holds exactly, whatever their value (save for what strict mode is there for).
ATOMS: Final = frozenset({NoneType, bool, int, float, str})
_TEXT: Final = frozenset({str})
#: A level is held in memory as a whole: a tree of more is walked.
_MOST_ITEMS: Final = 1 << 20


def is_plain(value: Any, limits: WireLimits) -> bool:
    """Tell whether a list or dict holds nothing but atoms, lists, and dicts with str keys, within the limits.

    False says nothing: the walk then finds what there is. What holds itself is never plain.
    """
    lists, dicts = ([value], []) if type(value) is list else ([], [value])
    left = min(_MOST_ITEMS, limits.head_bytes)
    for _ in range(limits.depth):
        left -= sum(map(len, lists)) + sum(map(len, dicts))
        if left < 0 or not _TEXT.issuperset(map(type, chain.from_iterable(dicts))):
            return False
        items = [*chain.from_iterable(lists), *chain.from_iterable(map(dict.values, dicts))]
        inner = set(map(type, items)) - ATOMS
        if not inner:
            return True
        if not inner <= {list, dict}:
            return False
        lists = [item for item in items if type(item) is list] if list in inner else []
        dicts = [item for item in items if type(item) is dict] if dict in inner else []
    return False
