"""Views for other languages: what each value looks like as JSON, CSV, NDJSON and text."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import fractions
import ipaddress
import json
import uuid
from pathlib import PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc.errors import DecodeError, NotAcceptableError, TooLargeError
from ksrpc.wire import pack, parse
from ksrpc.wire.instance import Instance, Member
from ksrpc.wire.view import available, read_json, render
from tests.unit.wire.tabular.case import frames, indexes, scalars, series

JSON, CSV, NDJSON, TEXT = "application/json", "text/csv", "application/x-ndjson", "text/plain"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


class Word(str):
    __slots__ = ()


class Count(int):
    pass


PLAIN: list[tuple[Any, str]] = [
    (None, "null"),
    (True, "true"),
    (2**53 + 1, "9007199254740993"),
    (2**70, "1180591620717411303424"),
    (1.5, "1.5"),
    (float("nan"), "null"),
    (float("-inf"), "null"),
    ("000001", '"000001"'),
    ("中文", '"中文"'),
    (b"ab", '"YWI="'),
    (decimal.Decimal("1.10"), '"1.10"'),
    (fractions.Fraction(1, 3), '"1/3"'),
    (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (dt.date(2024, 1, 31), '"2024-01-31"'),
    (dt.datetime(2024, 1, 31, 9, 30, tzinfo=dt.UTC), '"2024-01-31T09:30:00+00:00"'),
    (dt.timedelta(days=1, seconds=2, microseconds=5), '"P1DT2.000005S"'),
    (dt.timedelta(-1), '"-P1DT0S"'),
    (1 + 2j, '"(1+2j)"'),
    ((1, {2}, frozenset()), "[1,[2],[]]"),
    (range(3), "[0,1,2]"),
    ({"a": 1, 1: 2, None: 3, dt.date(2024, 1, 1): 4}, '{"a":1,"1":2,"null":3,"2024-01-01":4}'),
    (np.float64("nan"), "null"),
    (np.int8(5), "5"),
    (np.longdouble(0.5), "0.5"),
    (np.datetime64("2024-01-31"), '"2024-01-31"'),
    (np.array([[1, 2], [3, 4]]), "[[1,2],[3,4]]"),
    (np.array([1.5, np.nan, np.inf]), "[1.5,null,null]"),
    (np.array(["2024", "NaT"], "M8[D]"), '["2024-01-01",null]'),
    (np.array([1, "a", None], dtype=object), '[1,"a",null]'),
    (np.array([1j], "c8"), '["1j"]'),
    (pd.Timestamp("2024-01-31", tz="Asia/Shanghai"), '"2024-01-31T00:00:00+08:00"'),
    (pd.NaT, "null"),
    (pd.NA, "null"),
    (pd.Period("2024-01", "M"), '"2024-01"'),
    (pd.Interval(0, 1), '"(0, 1]"'),
    (pd.Index(["a", None], dtype=object), '["a",null]'),
    (pd.MultiIndex.from_tuples([("a", 1)]), '[["a",1]]'),
    (pd.array([1, None], dtype="Int64"), "[1,null]"),
    ({"frame": pd.DataFrame({"a": [1]})}, '{"frame":[{"a":1}]}'),
    (collections.deque([1, (2,)]), "[1,[2]]"),
    (SimpleNamespace(a=1, b={2}), '{"a":1,"b":[2]}'),
    (PurePosixPath("/a/b"), '"/a/b"'),
    ({PureWindowsPath("C:/a"): 1}, '{"C:\\\\a":1}'),
    (ipaddress.ip_address("192.0.2.1"), '"192.0.2.1"'),
    (ipaddress.ip_network("2001:db8::/32"), '"2001:db8::/32"'),
    (ipaddress.ip_interface("192.0.2.5/24"), '"192.0.2.5/24"'),
    (Instance("vendor.Bar", {"code": "a", "x": float("nan")}, is_dataclass=True), '{"code":"a","x":null}'),
    (Member("vendor.Side", "BUY", "b"), '"b"'),
    (parse(pack(Word("a")).join()), '"a"'),
    (parse(pack(Count(5)).join()), "5"),
    (np.ma.MaskedArray([1.5, 2.5], [True, False]), "[null,2.5]"),
    (np.array([[1, 2]]).view(np.matrix), "[[1,2]]"),
]


@pytest.mark.parametrize(("value", "text"), PLAIN, ids=[text for _, text in PLAIN])
def test_json(value: Any, text: str) -> None:
    assert render(value, media_type=JSON).decode() == text


FRAME = pd.DataFrame(
    {
        "代码": np.array(["000001", None], dtype=object),
        "x": [1.5, np.nan],
        "t": np.array(["2024-01-01", "NaT"], "M8[s]"),
        "b": [True, False],
    },
    index=pd.Index(["r", "s"], name="k"),
)


def test_a_table_as_records() -> None:
    rows = json.loads(render(FRAME, media_type=JSON))
    first = {"k": "r", "代码": "000001", "x": 1.5, "t": "2024-01-01T00:00:00", "b": True}
    assert rows == [first, {"k": "s", "代码": None, "x": None, "t": None, "b": False}]
    lines = render(FRAME, media_type=NDJSON).decode().splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_a_table_as_split_and_columns() -> None:
    split = json.loads(render(FRAME, media_type=JSON, options={"orient": "split"}))
    assert split["columns"] == ["代码", "x", "t", "b"]
    assert split["index"] == ["r", "s"]
    assert split["data"][0] == ["000001", 1.5, "2024-01-01T00:00:00", True]
    columns = json.loads(render(FRAME, media_type=JSON, options={"orient": "columns"}))
    assert columns["x"] == [1.5, None]
    assert columns["k"] == ["r", "s"]


def test_a_table_as_csv() -> None:
    assert render(FRAME, media_type=CSV).decode() == (
        "k,代码,x,t,b\nr,000001,1.5,2024-01-01T00:00:00,true\ns,,,,false\n"
    )
    rows = [{"a": 1, "b": 'x,"y"\n'}, {"c": None}]
    assert render(rows, media_type=CSV).decode() == 'a,b,c\n1,"x,""y""\n",\n,,\n'
    assert render(np.arange(4).reshape(2, 2), media_type=CSV) == b"0,1\n0,1\n2,3\n"
    assert render(np.arange(2), media_type=CSV) == b"0\n0\n1\n"


def test_an_index_that_says_nothing_is_left_out() -> None:
    assert render(pd.DataFrame({"a": [1]}), media_type=CSV) == b"a\n1\n"
    assert render(pd.DataFrame({"a": [1]}, index=[7]), media_type=CSV) == b"index,a\n7,1\n"
    assert render(pd.Series([1.5], name="p", index=[3]), media_type=CSV) == b"index,p\n3,1.5\n"
    pairs = pd.MultiIndex.from_tuples([("a", 1)], names=["k", None])
    assert render(pd.DataFrame({"x": [1]}, index=pairs), media_type=CSV) == b"k,level_1,x\na,1,1\n"


def test_no_column_hides_another() -> None:
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["a", "a", "a.1", "a"])
    (row,) = json.loads(render(frame, media_type=JSON))
    assert sorted(row.values()) == [1, 2, 3, 4]
    assert row["a"] == 1
    assert row["a.1"] == 3


def test_text() -> None:
    assert render("000001", media_type=TEXT) == b"000001"
    assert render(None, media_type=TEXT) == b""
    assert render(1.5, media_type=TEXT) == b"1.5"
    assert render(dt.date(2024, 1, 31), media_type=TEXT) == b"2024-01-31"
    assert render("a\ud800", media_type=TEXT) == b"a?"


def test_a_list_line_by_line() -> None:
    assert render([1, "a", [None]], media_type=NDJSON) == b'1\n"a"\n[null]\n'


def test_options() -> None:
    assert render([float("nan"), 1.0], media_type=JSON, options={"nan": "str"}) == b'["nan",1.0]'
    assert render([2**53 + 1, 5], media_type=JSON, options={"int64": "str"}) == b'["9007199254740993",5]'
    wide = render(np.array([2**60]), media_type=JSON, options={"int64": "str"})
    assert json.loads(wide) == [str(2**60)]


@pytest.mark.parametrize("options", [{"orient": "table"}, {"nan": "x"}, {"color": "red"}])
def test_unknown_options_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(NotAcceptableError, match="no option"):
        render(1, media_type=JSON, options=options)


@pytest.mark.parametrize(
    ("value", "media_type"),
    [
        (1, CSV),
        ({"a": 1}, CSV),
        ([1], TEXT),
        (FRAME, TEXT),
        (FRAME, "text/html"),
        (b"x", "image/png"),
        (np.zeros((1, 1, 1)), CSV),
    ],
)
def test_what_there_is_not_says_what_there_is(value: Any, media_type: str) -> None:
    with pytest.raises(NotAcceptableError, match="there is application/json"):
        render(value, media_type=media_type)


REFUSED: list[Any] = [object(), [len], {"a": object()}, range(10**18), 10**5000]


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_what_is_no_data_is_refused(value: Any) -> None:
    with pytest.raises(NotAcceptableError):
        render(value, media_type=JSON)


@pytest.mark.parametrize("value", [*frames().values(), *series().values(), *indexes().values(), *scalars()])
def test_every_value_of_pandas_has_its_views(value: Any) -> None:
    for media_type in available(value):
        try:
            body = render(value, media_type=media_type)
        except NotAcceptableError as error:
            if media_type in (ARROW, PARQUET) and f"no {media_type} of this result: column " in str(error):
                continue
            raise
        assert isinstance(body, bytes)
        if media_type == JSON:
            json.loads(body, parse_constant=pytest.fail)


BODIES: list[tuple[bytes, tuple[tuple[Any, ...], dict[str, Any]]]] = [
    (b"", ((), {})),
    (b" \n", ((), {})),
    (b"{}", ((), {})),
    (b'{"args":[1,"a"],"kwargs":{"x":null}}', ((1, "a"), {"x": None})),
    (b'{"args":[],"kwargs":[]}', ((), {})),
    (b'{"args":null,"kwargs":null}', ((), {})),
    (b'{"args":5}', ((5,), {})),
    (b'{"args":"000001"}', (("000001",), {})),
    (b'{"args":[[1],{"a":1.5}]}', (([1], {"a": 1.5}), {})),
    ('{"args":["中文"]}'.encode(), (("中文",), {})),
]


@pytest.mark.parametrize(("body", "told"), BODIES)
def test_arguments_as_json(body: bytes, told: Any) -> None:
    assert read_json(body) == told
    assert read_json(memoryview(bytearray(body))) == told


@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b"5",
        b"null",
        b'{"args":{"a":1}}',
        b'{"kwargs":[1]}',
        b'{"kwargs":"a"}',
        b'{"arg":[1]}',
        b'{"args":[NaN]}',
        b'{"args":[1]',
        b'{"args":[1]}x',
        b'{"args":[1],"args":[2]}',
        b'{"kwargs":{"a":1,"a":2}}',
        b'{"args":["\\ud800"]}',
        b'{"args":[99999999999999999999]}',
        b'{"args":[' + b"9" * 5000 + b"]}",
        b"\xff",
        b"[" * 100_000,
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
def test_a_body_that_cannot_be_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        read_json(body)


def test_a_body_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        read_json(b" " * (5 << 20))


TIGHT = [
    pd.DataFrame({"a": [1, 2], "b": ["x", "000001"]}),
    pd.DataFrame({1: [1.5]}, index=pd.Index(["r"], name="who")),
    pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("p", 1), ("q", 2)], names=["s", None])),
    pd.DataFrame({"v": [1]}, index=pd.MultiIndex.from_tuples([("a", 1)], names=["i", "j"])),
    pd.DataFrame({"v": []}, dtype="float64"),
    pd.DataFrame(index=range(3)),
]


@pytest.mark.parametrize("frame", TIGHT, ids=range(len(TIGHT)))
def test_a_tight_table_is_what_pandas_makes_and_takes(frame: pd.DataFrame) -> None:
    told = json.loads(render(frame, media_type=JSON, options={"orient": "tight"}))
    assert told == json.loads(json.dumps(frame.to_dict(orient="tight")))
    again = pd.DataFrame.from_dict(told, orient="tight")
    pd.testing.assert_frame_equal(again, frame, check_dtype=False, check_index_type=False, check_column_type=False)


def test_a_tight_series_is_a_table_of_one_column() -> None:
    told = json.loads(render(pd.Series([1, 2], name="n"), media_type=JSON, options={"orient": "tight"}))
    assert (told["columns"], told["data"], told["column_names"]) == (["n"], [[1], [2]], [None])
