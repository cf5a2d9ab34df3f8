"""Containers of Python."""

from __future__ import annotations

import collections
import datetime as dt
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from tests.fidelity.case import Row


class Quote(NamedTuple):
    """Be a tuple with names."""

    code: str
    price: float


def _deep(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


def _bars() -> dict[str, Any]:
    return {"code": 0, "data": {"items": [["000001.SZ", 1.5, None], ["600000.SH", -0.0, True]], "fields": ["a", "b"]}}


ROWS = [
    Row(
        "`list`",
        "request",
        {
            "empty list": lambda: [],
            "list of ints": lambda: list(range(300)),
            "list of floats": lambda: [0.1, -0.0, float("nan")],
            "list of texts": lambda: ["a", "行情", ""],
            "mixed list": lambda: [1, 1.0, True, "1", b"1", None, (1,)],
            "deep list": lambda: _deep(150),
            "list of lists": lambda: [[1, 2], [], [[3]]],
        },
    ),
    Row(
        "`tuple`",
        "request",
        {
            "empty tuple": lambda: (),
            "tuple": lambda: (1, "a", None),
            "tuple of one": lambda: ([1],),
            "nested tuples": lambda: ((1, (2,)), [(3,)]),
        },
    ),
    Row(
        "`set`, `frozenset`",
        "request",
        {
            "empty set": set,
            "set": lambda: {1, "a", (2, 3)},
            "frozenset": lambda: frozenset({1.5, None}),
            "set of frozensets": lambda: {frozenset({1}), frozenset()},
        },
    ),
    Row(
        "`dict`",
        "request",
        {
            "empty dict": lambda: {},
            "dict in its order": lambda: {"z": 1, "a": 2, "m": 3},
            "dict with empty key": lambda: {"": None},
            "dict of lists": lambda: {"a": [1, {"b": (2,)}]},
            "nested like json": _bars,
            "dict of many": lambda: {f"k{at}": at for at in range(2000)},
        },
    ),
    Row(
        "`dict` with other keys",
        "request",
        {
            "dict of ints": lambda: {1: "a", -1: "b", 2**63: "c"},
            "dict of all keys": lambda: {
                None: 1,
                2.5: 2,
                (1, "a"): 3,
                b"x": 4,
                "t": 5,
                dt.date(2024, 1, 2): 6,
                Decimal("1.10"): 7,
                frozenset({1}): 8,
                False: 9,
            },
            "dict of numpy keys": lambda: {np.int64(1): "a", np.str_("b"): "c"},
        },
    ),
    Row("`OrderedDict`", "any", {"ordered dict": lambda: collections.OrderedDict([("b", 1), ("a", [2]), (3, None)])}),
    Row(
        "`defaultdict`",
        "any",
        {
            "default dict of lists": lambda: collections.defaultdict(list, {"a": [1], 2: []}),
            "default dict of none": lambda: collections.defaultdict(None, a=1),
            "default dict of ints": lambda: collections.defaultdict(int, {("a", 1): 5}),
        },
    ),
    Row("`Counter`", "any", {"counter": lambda: collections.Counter("abca"), "no counter": collections.Counter}),
    Row(
        "`deque`",
        "any",
        {
            "deque": lambda: collections.deque([1, [2], None]),
            "bounded deque": lambda: collections.deque([1, 2], 5),
            "deque of nothing": lambda: collections.deque(maxlen=0),
        },
    ),
    Row(
        "named tuples",
        "request",
        {"named tuple": lambda: Quote("000001.SZ", 9.21), "named tuple in a list": lambda: [Quote("", -0.0)]},
        argument=lambda value: tuple(value) if isinstance(value, tuple) else [tuple(item) for item in value],
    ),
]
