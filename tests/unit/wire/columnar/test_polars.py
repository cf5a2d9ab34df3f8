"""Values of polars arrive with their types."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import pytest

from ksrpc.errors import DecodeError, EncodeError
from ksrpc.wire import REQUEST_ANY_TABLE, pack, pack_arguments, parse
from tests.unit.wire.carry import carry, container

pa: Any = pytest.importorskip("pyarrow")
pl: Any = pytest.importorskip("polars")

DAY = dt.datetime(2024, 1, 31)
FRAME = pl.DataFrame(
    [
        pl.Series("i8", [1, None], dtype=pl.Int8),
        pl.Series("u64", [2**64 - 1, None], dtype=pl.UInt64),
        pl.Series("f32", [1.5, float("nan")], dtype=pl.Float32),
        pl.Series("bool", [True, None]),
        pl.Series("text", ["中文", None]),
        pl.Series("bytes", [b"\xff", None]),
        pl.Series("enum", ["b", None], dtype=pl.Enum(["a", "b", "unused"])),
        pl.Series("category", ["x", "y"], dtype=pl.Categorical),
        pl.Series("array", [[1, 2], None], dtype=pl.Array(pl.Int16, 2)),
        pl.Series("list", [["a"], []], dtype=pl.List(pl.String)),
        pl.Series("enums", [["a"], None], dtype=pl.List(pl.Enum(["a"]))),
        pl.Series("struct", [{"a": 1, "b": "x"}, {"a": None, "b": None}]),
        pl.Series("decimal", [decimal.Decimal("1.50"), None], dtype=pl.Decimal(10, 2)),
        pl.Series("null", [None, None], dtype=pl.Null),
        pl.Series("zone", [DAY, None]).dt.replace_time_zone("Asia/Shanghai"),
        pl.Series("ms", [DAY, None], dtype=pl.Datetime("ms")),
        pl.Series("ns", [DAY, None], dtype=pl.Datetime("ns")),
        pl.Series("date", [DAY.date(), None]),
        pl.Series("time", [dt.time(1, 2, 3), None]),
        pl.Series("duration", [dt.timedelta(1), None], dtype=pl.Duration("ms")),
    ]
)
FRAMES: dict[str, Any] = {
    "all types": FRAME,
    "no rows": FRAME.clear(),
    "no columns": pl.DataFrame(),
    "chunks": pl.concat([FRAME, FRAME], rechunk=False),
    "slice": pl.concat([FRAME] * 5).slice(3, 4),
    "large": pl.DataFrame({"x": range(5000), "t": [str(at) for at in range(5000)]}),
}


def assert_same(got: Any, value: Any) -> None:
    """Compare types, names and items; NaN equals NaN."""
    assert type(got) is type(value)
    if isinstance(value, pl.DataFrame):
        assert got.schema == value.schema
        assert got.shape == value.shape
        assert got.equals(value)
    else:
        assert (got.name, got.dtype, len(got)) == (value.name, value.dtype, len(value))
        assert got.equals(value, check_names=True)


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_arrives(name: str) -> None:
    assert_same(carry(FRAMES[name]), FRAMES[name])


@pytest.mark.parametrize("name", FRAME.columns)
def test_a_series_arrives(name: str) -> None:
    for series in (FRAME[name], FRAME[name].alias(""), FRAME[name].clear()):
        assert_same(carry(series), series)


def test_an_enum_keeps_what_is_not_used() -> None:
    assert carry(FRAME)["enum"].dtype.categories.to_list() == ["a", "b", "unused"]


def test_a_lazy_frame_is_collected() -> None:
    assert_same(carry(FRAME.lazy().select("text").filter(pl.col("text").is_not_null())), FRAME.select("text").head(1))


UNSENDABLE = {
    "object": pl.Series("x", [object()]),
    "int128": pl.Series("x", [2**100], dtype=pl.Int128),
    "inside": pl.Series("x", [[1]], dtype=pl.List(pl.Int128)),
    "struct": pl.Series("x", [{"a": 1}], dtype=pl.Struct({"a": pl.Int128})),
}


@pytest.mark.parametrize("series", UNSENDABLE.values(), ids=UNSENDABLE.keys())
def test_a_type_that_arrow_lacks_is_named_with_what_helps(series: Any) -> None:
    with pytest.raises(EncodeError, match=r"^result\[0\]\['x'\]: .*cast\(\) it"):
        pack([series.to_frame()])


def test_arguments_have_none() -> None:
    for value in (FRAME, FRAME.lazy(), FRAME["i8"]):
        with pytest.raises(EncodeError, match=r"args\[0\]: a value of polars cannot travel in arguments"):
            pack_arguments((value,), {})
    with pytest.raises(DecodeError, match="a value of polars is not accepted in arguments"):
        parse(pack(FRAME).join(), table=REQUEST_ANY_TABLE)


def _message(kind: str, table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    return container(b"\x93\xd4\x01\x71" + bytes([0xA0 + len(kind)]) + kind.encode() + b"\x01", bytes(sink.getvalue()))


def test_what_is_no_frame_or_series_is_refused() -> None:
    table = FRAME.select("i8", "u64").to_arrow()
    assert parse(_message("frame", table)).equals(FRAME.select("i8", "u64"))
    for kind in ("series", "lazy", ""):
        with pytest.raises(DecodeError):
            parse(_message(kind, table))


@pytest.mark.parametrize("told", ["1", "9;a", "-1;a", "99999999999999999999;a", "\xff"])
def test_a_panic_is_an_error(told: str) -> None:
    kind = pa.dictionary(pa.uint8(), pa.large_string())
    field = pa.field("e", kind, metadata={"_PL_ENUM_VALUES2": told})
    table = pa.table([pa.array(["a"], kind)], schema=pa.schema([field]))
    with pytest.raises(DecodeError, match="a polars value that cannot be"):
        parse(_message("frame", table))
