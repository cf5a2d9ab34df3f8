"""Named tuples arrive as records; no class is made of a name."""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import msgpack
import pytest

from ksrpc.errors import DecodeError, EncodeError
from ksrpc.wire import pack, pack_arguments, parse, parse_arguments, tag
from ksrpc.wire.record import Record
from tests.unit.wire.carry import carry, container


class Point(NamedTuple):
    """A named tuple of the tests."""

    x: int
    y: list[int]


def test_a_named_tuple_arrives_as_a_record() -> None:
    got: Any = carry([Point(1, [2])])[0]
    assert got.__class__ is Record
    assert list(got) == [1, [2]]
    assert (got.x, got.y, got[1]) == (1, [2], [2])
    assert got.fields == ("x", "y")
    assert got.type_name.endswith("test_record.Point")
    assert repr(got) == "Point(x=1, y=[2])"
    x, y = got
    assert (x, y) == (1, [2])
    with pytest.raises(AttributeError, match="no field 'z'"):
        _ = got.z


def test_a_record_travels_on() -> None:
    got = carry(carry(Point(1, [])))
    assert (got.x, got.type_name) == (1, f"{Point.__module__}.Point")


def test_a_named_tuple_is_a_tuple_among_arguments() -> None:
    args, _ = parse_arguments(pack_arguments((Point(1, []),), {}).join())
    assert type(args[0]) is tuple
    assert args == ((1, []),)
    with pytest.raises(DecodeError, match="a namedtuple is not accepted in arguments"):
        parse_arguments(pack([[Point(1, [])], {}]).join())


def test_fields_may_be_called_anything_that_is_a_name() -> None:
    odd = collections.namedtuple("odd", "count index type_name")
    got = carry(odd(1, 2, 3))
    assert tuple(got) == (1, 2, 3)
    assert (got.count, got.index) == (1, 2)
    plain = carry(Point(1, [1, 1]))
    assert (plain.count(1), plain.index([1, 1])) == (1, 1)


def test_what_a_result_tells_by_name_only_is_kept() -> None:
    """A test of scipy's is a pair; its degrees of freedom are not in the pair."""
    stats: Any = pytest.importorskip("scipy.stats")
    result = stats.ttest_1samp([1.0, 2.0, 4.0], 2.0)
    got = carry(carry(result))
    assert tuple(got) == tuple(result)
    assert (got.statistic, got.pvalue, got.df) == (result.statistic, result.pvalue, 2)
    assert dict(got.more) == {"df": 2}
    assert repr(got).endswith(", df=np.int64(2))")
    line = carry(stats.linregress([1.0, 2.0, 3.0], [2.0, 4.0, 7.0]))
    assert line.intercept_stderr > 0


def test_what_cannot_travel_is_named() -> None:
    class Pair(Point):
        """Has a dict."""

    pair = Pair(1, [])
    pair.note = object()  # type: ignore[attr-defined]
    with pytest.raises(EncodeError, match=r"result\.note: object cannot travel"):
        pack(pair)


BAD: dict[str, tuple[Any, ...]] = {
    "count": ("a.B", ["x"], [1, 2]),
    "dunder": ("a.B", ["__class__"], [1]),
    "private": ("a.B", ["_x"], [1]),
    "no name": ("a.B", ["a b"], [1]),
    "twice": ("a.B", ["x", "x"], [1, 2]),
    "number": ("a.B", [1], [1]),
    "class": (5, ["x"], [1]),
    "map": ("a.B", {"x": 1}, [1]),
    "empty": ("a.B", [""], [1]),
    "more: twice": ("a.B", ["x"], [1], {"x": 2}),
    "more: private": ("a.B", ["x"], [1], {"_y": 2}),
    "more: no map": ("a.B", ["x"], [1], [2]),
    "five": ("a.B", ["x"], [1], {}, 1),
}


@pytest.mark.parametrize("parts", BAD.values(), ids=BAD.keys())
def test_a_record_that_cannot_be_is_refused(parts: tuple[Any, ...]) -> None:
    with pytest.raises(DecodeError):
        parse(container(msgpack.packb([msgpack.ExtType(1, bytes([tag.NAMEDTUPLE])), *parts])))
