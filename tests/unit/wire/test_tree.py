"""What is a plain tree, and what is not: the short way gives what the walk gives."""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from typing import Any

import numpy as np
import pytest

from ksrpc import wire
from ksrpc.errors import EncodeError
from ksrpc.limits import RESULT
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.tree import is_plain
from tests.unit.wire.carry import carry


class Level(IntEnum):
    LOW = 1


class Text(str):
    """Be a str that is more than one."""


PLAIN: list[Any] = [
    [],
    {},
    [1, 2.5, None, True, "a"],
    [{"a": 1, "b": [1, {"c": None}]}, {"a": 2, "b": []}],
    {"x": {"y": {"z": [[[]]]}}, "": 0},
    [2**64 - 1, -(2**63), float("inf"), -0.0],
]
OTHER: list[Any] = [
    [(1, 2)],
    {1: "a"},
    {"a": {b"k": 1}},
    [b"bytes"],
    [{"a": {1, 2}}],
    [OrderedDict(a=1)],
    [[{"a": [bytearray(b"x")]}]],
    {"a": np.float64(1)},
    {"a": [1, {"b": np.str_("c")}]},
    {np.str_("a"): 1},
    {Text("a"): 1},
    [Text("a")],
    [Level.LOW],
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_a_plain_tree_is_sent_as_the_walk_would(value: Any) -> None:
    assert is_plain(value, RESULT)
    assert carry(value) == value
    assert Encoder().node(value) == value


@pytest.mark.parametrize("value", OTHER, ids=repr)
def test_anything_else_is_walked(value: Any) -> None:
    assert not is_plain(value, RESULT)


def test_what_the_short_way_cannot_take_is_walked() -> None:
    values: list[Any] = [[{"a": 1 << 80}], {"a": ["\ud800"]}, {"\ud800": 1}]
    for value in values:
        assert is_plain(value, RESULT)
        assert carry(value) == value


def test_what_holds_itself_or_swells_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    twice: list[Any] = [1]
    for _ in range(60):
        twice = [twice, twice]
    for value in (ring, twice, {"a": [ring, ring]}):
        assert not is_plain(value, RESULT)
    for value in (ring, {"a": [ring, ring]}):
        with pytest.raises(EncodeError, match="nested deeper"):
            wire.pack(value)


def test_the_depth_is_the_walk_s() -> None:
    deep: Any = 1
    for _ in range(RESULT.depth):
        deep = [deep]
    assert is_plain(deep, RESULT)
    assert carry(deep) == deep
    with pytest.raises(EncodeError, match="nested deeper"):
        wire.pack([deep])
