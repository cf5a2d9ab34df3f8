"""Plain Python values, containers, times: each arrives as the same type with the same value."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import fractions
import uuid
import zoneinfo
from array import array
from typing import Any

import msgpack
import numpy as np
import pytest

from ksrpc.errors import DecodeError, EncodeError, TooLargeError
from ksrpc.wire import REQUEST_ANY_TABLE, REQUEST_TABLE, pack, pack_arguments, parse, parse_arguments, tag
from tests.helpers.feed import FEEDS, Feed
from tests.unit.wire.carry import carry, container, read

SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")

VALUES: list[Any] = [
    2**64,
    -(2**63) - 1,
    2**30_000,
    -(2**30_000),
    1j,
    complex(-0.0, float("inf")),
    b"x" * 70_000,
    "é" * 70_000,
    "\ud800 lone",
    "\udfff" * 5000,
    bytearray(b"abc"),
    bytearray(5000),
    bytearray(),
    decimal.Decimal("1.10"),
    decimal.Decimal("-0E+5"),
    decimal.Decimal("Infinity"),
    decimal.Decimal("1E+999999"),
    fractions.Fraction(-1, 3),
    fractions.Fraction(10**40, 3),
    uuid.UUID(int=5),
    dt.date.min,
    dt.date.max,
    dt.time(1, 2, 3, 4, fold=1),
    dt.time(tzinfo=dt.UTC),
    dt.datetime.max,
    dt.datetime(2024, 11, 3, 1, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("America/New_York")),
    dt.datetime(2024, 1, 1, tzinfo=SHANGHAI),
    dt.datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC),
    dt.timedelta.min,
    dt.timedelta.max,
    dt.timedelta(-1, 5, 7),
    dt.UTC,
    SHANGHAI,
    dt.timezone(dt.timedelta(hours=8)),
    dt.timezone(dt.timedelta(hours=-8, microseconds=1), "odd"),
    range(5),
    range(10, 0, -3),
    range(0),
    slice(None),
    slice(1, "a", (2,)),
    ...,
    NotImplemented,
    (),
    (1,),
    (1, (2, [3, ()])),
    [],
    [[]],
    set(),
    {1, "a", (2, None)},
    frozenset({frozenset(), 1.5}),
    {},
    {"a": {"b": [None]}},
    {1: 2, None: 3, (1, 2): 4, "a": 5, 2.5: 6, b"k": 7},
    collections.OrderedDict([("b", 1), (2, "a")]),
    collections.Counter("abca"),
    collections.defaultdict(list, {"a": [1]}),
    collections.defaultdict(None, {1: 2}),
    collections.deque([1, [2]]),
    collections.deque([1, 2], maxlen=2),
    {"\ud800": "\ud800"},
    [2**70, "a", None] * 9,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("feed", FEEDS)
def test_it_arrives(value: Any, feed: Feed) -> None:
    data = pack(value).join()
    pieces = len(data) < 20_000
    for got in (parse(data), read(data, feed) if pieces else parse(bytearray(data))):
        assert type(got) is type(value)
        assert got == value
        assert isinstance(value, int | set | frozenset) or repr(got) == repr(value)


def test_not_numbers_arrive() -> None:
    assert str(carry(decimal.Decimal("-sNaN123"))) == "-sNaN123"
    got = carry(complex(float("nan"), -0.0))
    assert got.real != got.real
    assert str(got.imag) == "-0.0"


@pytest.mark.parametrize(
    "value",
    [b"abc", array("d", [1.5, 2.5]), array("i"), np.arange(6, dtype="i2").reshape(2, 3), np.array([True]), np.array(5)],
    ids=["bytes", "double", "empty", "grid", "bool", "point"],
)
def test_a_memoryview_arrives(value: Any) -> None:
    view = memoryview(value)
    got = carry(view)
    assert type(got) is memoryview
    assert got.shape == view.shape
    assert got.tolist() == view.tolist()


def test_attributes_of_containers_arrive() -> None:
    assert carry(collections.deque([1], maxlen=3)).maxlen == 3
    assert carry(collections.defaultdict(set)).default_factory is set
    assert list(carry({"z": 1, "a": 2})) == ["z", "a"]
    assert carry(dt.datetime(2024, 1, 1, tzinfo=dt.UTC)).tzinfo is dt.UTC


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        int,
        collections,
        {"a": 1}.keys(),
        iter([]),
        collections.defaultdict(lambda: 1),
        collections.ChainMap(),
        {1, object()},
        2**40_000,
        memoryview(np.zeros(2, ">i4").data),
        decimal.Decimal("1" * 6000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_in_the_table_is_refused(value: Any) -> None:
    with pytest.raises(EncodeError):
        pack([value])


def test_a_key_that_cannot_travel_is_told_by_its_place_and_not_shown() -> None:
    with pytest.raises(EncodeError, match=r"^result\.keys\(\)\[1\]: module cannot travel$"):
        pack({1: 2, collections: 3})  # its text has the path of a file


@pytest.mark.parametrize("key", ["k" * 5000, (1, "k" * 5000)], ids=["text", "tuple"])
def test_of_a_long_key_only_the_beginning_is_told(key: Any) -> None:
    with pytest.raises(EncodeError, match=r"^result\[.{80}…\]: object cannot travel$"):
        pack({key: object()})


def test_a_cycle_is_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(EncodeError, match="a cycle"):
        pack(cycle)
    with pytest.raises(EncodeError, match="a cycle"):
        pack({"a": (cycle,)})


def test_a_value_that_unfolds_without_end_is_refused() -> None:
    double: list[Any] = [object]
    for _ in range(150):
        double = [double, double]
    with pytest.raises(EncodeError):
        pack(double)


@pytest.mark.parametrize("depth", [100, 190])
def test_nesting_up_to_the_limit_arrives(depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = (value,)
    assert carry(value) == value
    for _ in range(201 - depth):
        value = [value]
    with pytest.raises(EncodeError, match="nested deeper than 200"):
        pack(value)


def tagged(number: int, *payload: Any) -> bytes:
    """Make a message of one tag."""
    return container(msgpack.packb([msgpack.ExtType(1, bytes([number])), *payload]))


HOSTILE: dict[str, tuple[Any, ...]] = {
    "set twice": (tag.SET, 1, 1),
    "set of lists": (tag.SET, []),
    "map odd": (tag.MAP, 1),
    "map twice": (tag.MAP, 1, 2, 1, 3),
    "factory": (tag.DEFAULT_DICT, "os.system"),
    "deque": (tag.DEQUE, 1, [1, 2]),
    "deque type": (tag.DEQUE, None, "ab"),
    "deque length": (tag.DEQUE, -1, []),
    "ref": (tag.REF, 0),
    "ref below": (tag.REF, -1),
    "bigint": (tag.BIGINT, "1"),
    "bigint long": (tag.BIGINT, bytes(4097)),
    "complex": (tag.COMPLEX, 1, 2.0),
    "complex arity": (tag.COMPLEX, 1.0),
    "bytes number": (tag.BYTES, 1),
    "bytes zero": (tag.BYTES, 0),
    "text": (tag.TEXT, b"\xff"),
    "surrogate": (tag.SURROGATE, b"\xff"),
    "decimal": (tag.DECIMAL, "1_000"),
    "decimal space": (tag.DECIMAL, " 1"),
    "decimal long": (tag.DECIMAL, "1" * 5001),
    "fraction": (tag.FRACTION, 1, 0),
    "fraction text": (tag.FRACTION, "1", 2),
    "uuid": (tag.UUID, bytes(15)),
    "date": (tag.DATE, "20240101"),
    "date week": (tag.DATE, "2024-W01-1"),
    "date type": (tag.DATE, 5),
    "time": (tag.TIME, "25:00:00", 0, None),
    "time fold": (tag.TIME, "01:00:00", 2, None),
    "time zone": (tag.TIME, "01:00:00", 0, "utc"),
    "datetime": (tag.DATETIME, "2024-01-01 00:00:00", 0, None),
    "datetime zone": (tag.DATETIME, "2024-01-01T00:00:00+00:00", 0, None),
    "timedelta": (tag.TIMEDELTA, 0, 86_400, 0),
    "timedelta days": (tag.TIMEDELTA, 10**9, 0, 0),
    "zone kind": (tag.ZONE, "tzlocal"),
    "zone": (tag.ZONE, "zoneinfo", "No/Such"),
    "zone folder": (tag.ZONE, "zoneinfo", "Asia"),
    "zone path": (tag.ZONE, "zoneinfo", "../../../etc/passwd"),
    "zone root": (tag.ZONE, "dateutil", "/etc/passwd"),
    "zone pytz": (tag.ZONE, "pytz", "..\\x"),
    "zone fixed": (tag.ZONE, "fixed", 86_400_000_000, None),
    "zone file": (tag.ZONE, "dateutil", "tzlocal()"),
    "zone rule": (tag.ZONE, "dateutil", "AAA3"),
    "range": (tag.RANGE, 0, 1, 0),
    "range float": (tag.RANGE, 0.0, 1, 1),
    "slice": (tag.SLICE, 1),
    "ellipsis": (tag.ELLIPSIS, 1),
    "memoryview": (tag.MEMORYVIEW, "|O", [1], b"x"),
    "memoryview shape": (tag.MEMORYVIEW, "<i4", [2], b"xxxx"),
    "memoryview text": (tag.MEMORYVIEW, "P", [1], b"xxxxxxxx"),
    "bool number": (tag.ZONE, "fixed", True, None),
    "namespace": (tag.NAMESPACE, [1]),
    "handle": (tag.HANDLE, b"x"),
    "unknown": (0x0F, 1),
    "zero": (0x00, 1),
    "arrow": (tag.ARROW, "table", b"x"),
    "vendor": (tag.VENDOR_FIRST,),
}


@pytest.mark.parametrize("parts", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_payload_that_cannot_be_is_refused(parts: tuple[Any, ...]) -> None:
    with pytest.raises((DecodeError, TooLargeError)):
        parse(tagged(*parts))


@pytest.mark.parametrize("count", [200, 9000])
@pytest.mark.parametrize("number", [tag.SET, tag.FROZENSET])
def test_items_whose_hashes_collide_are_refused(number: int, count: int) -> None:
    prime = 2**61 - 1
    crowd = [(msgpack.ExtType(1, b"\x10"), (prime * at).to_bytes(40, "little")) for at in range(count)]
    head = msgpack.packb([msgpack.ExtType(1, bytes([number])), *map(list, crowd)])
    with pytest.raises(DecodeError, match="collide"):
        parse(container(head))


def test_a_set_over_the_limit_is_refused() -> None:
    data = pack([[set(range(10_001))], {}]).join()
    with pytest.raises(TooLargeError, match="the limit is 10000"):
        parse_arguments(data)
    assert parse(data)[0][0] == set(range(10_001))
    with pytest.raises(EncodeError, match="more than 10000"):
        pack_arguments((set(range(10_001)),), {})


def test_a_long_range_is_no_argument() -> None:
    with pytest.raises(EncodeError, match="range of more than"):
        pack_arguments((range(10**18),), {})
    data = pack([[range(10**18)], {}]).join()
    with pytest.raises(TooLargeError):
        parse_arguments(data)
    assert parse_arguments(pack_arguments((range(10**7),), {}).join())[0] == (range(10**7),)


def test_a_zone_of_dateutil_is_no_argument() -> None:
    data = tagged(tag.ZONE, "dateutil", "Europe/Paris")
    for table in (REQUEST_TABLE, REQUEST_ANY_TABLE):
        with pytest.raises(DecodeError, match="dateutil time zone is not accepted"):
            parse(data, table=table)
    assert parse(data).utcoffset(dt.datetime(2024, 7, 1)) == dt.timedelta(hours=2)


def test_zones_of_dateutil_arrive() -> None:
    from dateutil import tz  # type: ignore[import-untyped]

    for zone in (tz.UTC, tz.gettz("Europe/Paris")):
        value = dt.datetime(2024, 7, 1, tzinfo=zone)
        assert carry(value) == value
        assert type(carry(value).tzinfo) is type(zone)
    with pytest.raises(EncodeError, match="without a usual name"):
        pack(tz.tzlocal())


def test_a_zone_of_pytz_needs_no_pytz() -> None:
    zone = [msgpack.ExtType(1, bytes([tag.ZONE])), "pytz", "Asia/Shanghai"]
    got = parse(tagged(tag.DATETIME, "2024-01-01T08:00:00", 0, zone, 8 * 3_600_000_000))
    assert got == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    fixed = [msgpack.ExtType(1, bytes([tag.ZONE])), "pytz_fixed", 480]
    assert parse(tagged(tag.DATETIME, "2024-01-01T08:00:00", 0, fixed, 8 * 3_600_000_000)) == got


def test_a_timestamp_of_another_language_is_a_datetime() -> None:
    data = container(msgpack.packb([msgpack.Timestamp(1_700_000_000, 5000)]))
    assert parse(data) == [dt.datetime(2023, 11, 14, 22, 13, 20, 5, tzinfo=dt.UTC)]
    with pytest.raises(DecodeError):
        parse(container(b"\xc7\x0c\xff" + bytes(4) + b"\x7f" * 8))


@pytest.mark.parametrize(
    "head",
    [
        msgpack.packb([1, msgpack.ExtType(1, b"\x01")]),
        msgpack.packb({"a": msgpack.ExtType(1, b"\x01")}),
        msgpack.packb(msgpack.ExtType(1, b"\x01")),
        msgpack.packb([msgpack.ExtType(1, b"\x01"), msgpack.ExtType(1, b"\x01")]),
        msgpack.packb([msgpack.ExtType(1, b"\x01\x02")]),
        msgpack.packb([msgpack.ExtType(2, b"\x01")]),
        b"\x81\xd4\x01\x01\x01",
        b"\x91" * 2000 + b"\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc1",
        b"\xa1\xff",
        b"\x01\x01",
    ],
)
def test_a_head_that_breaks_a_rule_is_refused(head: bytes) -> None:
    with pytest.raises(DecodeError):
        parse(container(head))
    with pytest.raises(DecodeError):
        parse(container(b"\x93\x01" + head + b"\x92\xd4\x01\x01\x01"))
