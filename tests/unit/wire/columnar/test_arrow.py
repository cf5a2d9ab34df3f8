"""Values of pyarrow arrive as they are; damaged ones are refused before pyarrow can trust them."""

from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
import uuid
from typing import Any

import numpy as np
import pytest

from ksrpc.errors import DecodeError, EncodeError, TooLargeError
from ksrpc.wire import REQUEST_ANY_TABLE, pack, pack_arguments, parse
from tests.helpers.feed import FEEDS, Feed
from tests.unit.wire.carry import carry, container, read

pa: Any = pytest.importorskip("pyarrow")

DAY = dt.datetime(2024, 1, 31)
ARRAYS: dict[str, Any] = {
    "int8": pa.array([1, None, -3], pa.int8()),
    "uint64": pa.array([2**64 - 1], pa.uint64()),
    "half": pa.array(np.array([1.5, np.nan], np.float16)),
    "double": pa.array([1.5, None, float("nan")]),
    "bool": pa.array([True, None, False]),
    "string": pa.array(["a", None, "中文", ""]),
    "large string": pa.array(["a", None], pa.large_string()),
    "string view": pa.array(["a", None, "longer than twelve bytes"], pa.string_view()),
    "binary": pa.array([b"a", None]),
    "fixed binary": pa.array([b"ab", None], pa.binary(2)),
    "decimal": pa.array([decimal.Decimal("1.50"), None], pa.decimal128(10, 2)),
    "decimal256": pa.array([decimal.Decimal(10**60)], pa.decimal256(70, 0)),
    "date32": pa.array([dt.date(2024, 1, 31), None]),
    "date64": pa.array([dt.date(2024, 1, 31)], pa.date64()),
    "time": pa.array([dt.time(1, 2, 3)], pa.time64("ns")),
    "naive": pa.array([DAY, None], pa.timestamp("s")),
    "zone": pa.array([DAY], pa.timestamp("us", "Asia/Shanghai")),
    "offset": pa.array([DAY], pa.timestamp("ns", "+08:00")),
    "duration": pa.array([dt.timedelta(1), None]),
    "months": pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
    "list": pa.array([[1], None, []]),
    "large list": pa.array([["a"], None], pa.large_list(pa.string())),
    "fixed list": pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
    "struct": pa.array([{"a": 1, "b": [{"c": "x"}]}, None]),
    "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int8())),
    "dictionary": pa.array(["a", None, "a"]).dictionary_encode(),
    "ordered": pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["x", "y"]), ordered=True),
    "list of dictionary": pa.array([["a"], ["b"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    "null": pa.nulls(5),
    "runs": pa.RunEndEncodedArray.from_arrays([2, 5], ["a", None]),
    "union": pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]),
    "uuid": pa.array([uuid.UUID(int=1).bytes], pa.uuid()),
    "sliced": pa.array(["a", "b", None, "d"])[1:3],
    "empty": pa.array([], pa.list_(pa.int8())),
}
TABLE = pa.table(
    {"a": pa.chunked_array([[1, None], [3]]), "t": pa.chunked_array([["x"], ["y", "z"]])}, metadata={"k": "v"}
)
VALUES: dict[str, Any] = {
    "table": TABLE,
    "without columns": pa.table({}),
    "without rows": TABLE.schema.empty_table(),
    "same names": pa.Table.from_arrays([pa.array([1]), pa.array(["a"])], names=["x", "x"]),
    "not null": pa.table(
        {"a": [1]}, schema=pa.schema([pa.field("a", pa.int64(), nullable=False, metadata={"u": "m"})])
    ),
    "batch": TABLE.to_batches()[0],
    "chunked": TABLE["t"],
    "no chunks": pa.chunked_array([], pa.decimal128(5, 1)),
    "schema": TABLE.schema,
    "no fields": pa.schema([]),
    "field": pa.field("x", pa.list_(pa.int8()), nullable=False, metadata={"unit": "m"}),
    "large": pa.table({"x": np.arange(5000.0), "t": [str(at) for at in range(5000)]}),
    **{f"array {name}": array for name, array in ARRAYS.items()},
    **{f"type {name}": array.type for name, array in ARRAYS.items()},
}
SCALARS = {name: array[0] for name, array in ARRAYS.items() if len(array) and name not in ("union", "months")}


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("name", VALUES)
def test_it_arrives(name: str, feed: Feed) -> None:
    value = VALUES[name]
    got = read(pack(value).join(), feed)
    assert type(got) is type(value)
    if isinstance(value, pa.Table | pa.RecordBatch | pa.Schema | pa.Field):
        assert got.equals(value, check_metadata=True)
    elif name.endswith(("half", "double")):
        assert str(got) == str(value)  # NaN equals nothing
    else:
        assert got.equals(value)
    assert getattr(got, "type", None) == getattr(value, "type", None)
    if isinstance(got, pa.Array | pa.Table):
        got.validate(full=True)


@pytest.mark.parametrize("name", SCALARS)
def test_a_scalar_arrives(name: str) -> None:
    got = carry(SCALARS[name])
    assert type(got) is type(SCALARS[name])
    assert got.type == SCALARS[name].type
    assert str(got) == str(SCALARS[name])


def test_chunks_stay_where_both_columns_have_them() -> None:
    table = pa.Table.from_batches(TABLE.combine_chunks().to_batches() * 3)
    assert [len(chunk) for chunk in carry(table)["a"].chunks] == [3, 3, 3]


def test_several_values_and_several_dictionaries() -> None:
    words = pa.chunked_array([pa.array(["a", "b"]).dictionary_encode(), pa.array(["c"]).dictionary_encode()])
    got = carry({"t": TABLE, "w": words, "n": [pa.int8(), 1]})
    assert got["t"].equals(TABLE)
    assert got["w"].equals(words)
    assert got["n"] == [pa.int8(), 1]


def test_memory_is_read_where_it_lies() -> None:
    data = bytearray(pack(pa.array(np.arange(100_000.0))).join())
    whole = np.frombuffer(data, np.uint8).ctypes.data
    assert whole <= parse(data).buffers()[1].address < whole + len(data)


@pytest.mark.parametrize("value", [TABLE, TABLE["a"], pa.int8()], ids=["table", "chunked", "type"])
def test_arguments_have_none(value: Any) -> None:
    with pytest.raises(EncodeError, match=r"args\[0\]: a value of pyarrow cannot travel in arguments"):
        pack_arguments((value,), {})
    with pytest.raises(DecodeError, match="a value of pyarrow is not accepted in arguments"):
        parse(pack(value).join(), table=REQUEST_ANY_TABLE)


class _Odd(pa.ExtensionType):  # type: ignore[misc]
    """Have a name that nobody knows, and code that must not run."""

    seen: int = 0

    def __init__(self) -> None:
        super().__init__(pa.int8(), "tests.odd")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage: Any, _told: bytes) -> _Odd:
        _Odd.seen += 1
        return cls()


def _stream(value: Any, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, value.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write(value)
    return bytes(sink.getvalue())


def _message(stream: bytes, kind: str = "table") -> bytes:
    head = b"\x93\xd4\x01\x70" + bytes([0xA0 + len(kind)]) + kind.encode()
    return container(head + b"\x01", stream)


def test_an_extension_type_that_nobody_knows_is_refused_before_its_code_runs() -> None:
    table = pa.table({"x": pa.ExtensionArray.from_storage(_Odd(), pa.array([1], pa.int8()))})
    with pytest.raises(EncodeError, match=r"tests\.odd"):
        pack(table)
    nested = pa.table({"x": pa.StructArray.from_arrays([table["x"].chunk(0)], names=["inner"])})
    messages = [_message(_stream(value)) for value in (table, nested)]
    pa.register_extension_type(_Odd())
    _Odd.seen = 0
    try:
        for message in messages:
            with pytest.raises(DecodeError, match=r"tests\.odd"):
                parse(message)
    finally:
        pa.unregister_extension_type("tests.odd")
    assert _Odd.seen == 0


def test_a_zone_that_could_be_a_file_is_refused() -> None:
    table = pa.table({"t": pa.array([0], pa.timestamp("s", "/etc/passwd"))})
    with pytest.raises(EncodeError, match="time zone"):
        pack(table)
    with pytest.raises(DecodeError, match="time zone"):
        parse(_message(_stream(table)))


def test_a_compressed_batch_is_refused() -> None:
    table = pa.table({"x": np.zeros(100_000)})
    assert parse(_message(_stream(table))).equals(table)
    for codec in ("lz4", "zstd"):
        with pytest.raises(DecodeError, match="compressed"):
            parse(_message(_stream(table, compression=codec)))


def test_rows_that_cost_nothing_are_counted() -> None:
    for array in (pa.nulls(2**30), pa.RunEndEncodedArray.from_arrays(pa.array([2**30], pa.int64()), pa.array([1]))):
        table = pa.table({"x": array})
        with pytest.raises(TooLargeError, match="items to unfold"):
            parse(_message(_stream(table)))
    hidden = pa.table({"x": pa.ListArray.from_arrays(pa.array([0, 2**30], pa.int32()), pa.nulls(2**30))})
    with pytest.raises(TooLargeError, match="items to unfold"):
        parse(_message(_stream(hidden)))


STREAM = _stream(TABLE)
DAMAGED: dict[str, bytes] = {
    "bytes after it": STREAM + bytes(8),
    "no end": STREAM[:-8],
    "cut": STREAM[:-100],
    "only an end": STREAM[-8:],
    "two schemas": STREAM[:-8] + STREAM,
    "no schema": STREAM[STREAM.index(b"\xff" * 4, 8) :],
    "old format": _stream(TABLE, use_legacy_format=True),
    "old version": _stream(TABLE, metadata_version=pa.ipc.MetadataVersion.V4),
    "text": b"ARROW1\0\0" * 8,
}


@pytest.mark.parametrize("stream", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_stream_of_another_form_is_refused(stream: bytes) -> None:
    with pytest.raises(DecodeError):
        parse(_message(stream))


@pytest.mark.parametrize("kind", ["batch", "array", "chunked", "scalar", "schema", "field", "type", "tables", ""])
def test_a_kind_that_does_not_fit_is_refused(kind: str) -> None:
    with pytest.raises(DecodeError):
        parse(_message(STREAM, kind))


def test_a_name_that_is_no_text_is_refused() -> None:
    for value in (pa.table({"name": [1]}), pa.table({"x": [{"name": 1}]})):
        with pytest.raises(DecodeError, match="name is no text"):
            parse(_message(_stream(value).replace(b"name", b"\xff\x80me")))


def test_wrong_offsets_and_texts_are_refused() -> None:
    table = pa.table({"x": ["abcdefgh"] * 3})
    stream = _stream(table)
    offsets = np.array([0, 8, 16, 24], "<i4").tobytes()
    for other in ([0, 8, 4, 24], [0, 8, 16, 2**30], [-4, 8, 16, 24]):
        with pytest.raises(DecodeError):
            parse(_message(stream.replace(offsets, np.array(other, "<i4").tobytes())))
    with pytest.raises(DecodeError):
        parse(_message(stream.replace(b"abcdefghabc", b"abcdefgh\xff\xff\xff")))


_MUTATE = """
import random, sys
from ksrpc.errors import KsrpcError
from ksrpc.wire import pack, parse
from tests.unit.wire.columnar.test_arrow import VALUES
try:
    from tests.unit.wire.columnar.test_polars import FRAME
except BaseException:
    FRAME = None
picked = random.Random(int(sys.argv[1]))
messages = [bytearray(pack(value).join()) for value in (*VALUES.values(), FRAME)]
refused = read = 0
for _ in range(int(sys.argv[2])):
    data = bytearray(picked.choice(messages))
    for _ in range(picked.choice((1, 1, 2, 8))):
        data[picked.randrange(40, len(data))] = picked.choice((0, 1, 127, 128, 255, picked.randrange(256)))
    try:
        value = parse(data)
    except KsrpcError:
        refused += 1
    else:
        str(value)[:100]
        read += 1
print(refused, read)
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_bytes_do_not_end_the_process(seed: int) -> None:
    command = [sys.executable, "-W", "ignore", "-c", _MUTATE, str(seed), "1500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    refused, read = map(int, done.stdout.split())
    assert refused > 300
    assert read > 100
