"""A frame whose head came before is made without reading it again, and is the same frame as if it were read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc import wire
from ksrpc.errors import DecodeError, KsrpcError
from ksrpc.wire.message import CHUNK, PRELUDE
from ksrpc.wire.table import REQUEST_ANY_TABLE


def _read(data: bytes) -> Any:
    reader = wire.Reader(wire.RESULT_TABLE)
    reader.feed(data)
    return reader.value()


READERS = [wire.parse, lambda data: wire.parse(bytearray(data)), _read]
VALUES = np.arange(600 * 3)
FRAMES = {
    "floats": pd.DataFrame(VALUES.reshape(600, 3) / 7, columns=["a", "b", "c"]),
    "by columns": pd.DataFrame(np.asfortranarray(VALUES.reshape(600, 3) / 7), columns=["a", "b", "c"]),
    "numbered columns": pd.DataFrame(VALUES.reshape(600, 3).astype("i4")),
    "names": pd.DataFrame(VALUES.reshape(600, 3), columns=pd.Index(["x", "y", "z"], name="field")),
    "range": pd.DataFrame(VALUES.reshape(600, 3), index=pd.RangeIndex(5, 1205, 2, name="row")),
    "times": pd.DataFrame(VALUES.reshape(600, 3).astype("M8[ms]"), columns=["a", "b", "c"]),
    "truths": pd.DataFrame(VALUES.reshape(600, 3) % 2 == 0, columns=["a", "b", "c"]),
    "attributes": pd.DataFrame(VALUES.reshape(600, 3)),
    "two types": pd.DataFrame({"a": VALUES, "b": VALUES / 2}),
    "column of dates": pd.DataFrame({"close": VALUES}, index=pd.date_range("2020-01-01", periods=len(VALUES))),
}
FRAMES["attributes"].attrs["source"] = ["a"]


@pytest.mark.parametrize("parse", READERS)
@pytest.mark.parametrize("name", FRAMES)
def test_the_second_frame_is_as_exact_as_the_first(name: str, parse: Callable[[bytes], Any]) -> None:
    frame = FRAMES[name]
    other = frame.copy()
    other.iloc[7] = other.iloc[9].to_numpy()
    for wanted in (frame, other, frame, other):
        made = parse(wire.pack(wanted).join())
        pd.testing.assert_frame_equal(made, wanted, check_freq=True, check_flags=True)
        assert made.attrs == wanted.attrs
        assert wire.pack(made).join() == wire.pack(wanted).join()


@pytest.mark.parametrize("parse", READERS)
def test_frames_of_one_head_share_nothing_that_can_be_changed(parse: Callable[[bytes], Any]) -> None:
    wanted = FRAMES["names"]
    data = wire.pack(wanted).join()
    for _ in range(3):
        made = parse(data)
        pd.testing.assert_frame_equal(made, wanted)
        made.iloc[0, 0] = -1
        made.columns.name = "mine"
        made.index.name = "mine too"
        made.attrs["a"] = 1
        made["new"] = 1
        made.loc[-1] = 0


def test_a_list_of_frames_is_read_each_time() -> None:
    frame = FRAMES["floats"]
    data = wire.pack([frame, frame]).join()
    for _ in range(3):
        first, second = wire.parse(data)
        assert first is second
        pd.testing.assert_frame_equal(first, frame)


def _cuts(data: bytes) -> list[bytes]:
    size = len(data)
    return [data[: size - 1], data[:-8], data + b"\0", data + data[-8:], data[: size // 2]]


@pytest.mark.parametrize("parse", [wire.parse, lambda data: wire.parse(bytearray(data))])
def test_a_damaged_message_is_refused_though_its_head_is_known(parse: Callable[[bytes], Any]) -> None:
    data = wire.pack(FRAMES["floats"]).join()
    parse(data)
    parse(data)
    for cut in _cuts(data):
        with pytest.raises(DecodeError):
            parse(cut)


def _change_length(data: bytes, by: int) -> bytes:
    at = PRELUDE.size + 8
    size = int.from_bytes(data[at : at + 8], "little") + by
    return data[:at] + size.to_bytes(8, "little") + data[at + 8 :]


@pytest.mark.parametrize("by", [-8, 8, 1 << 40, -(len(VALUES) * 8)])
def test_a_wrong_length_is_refused_though_the_head_is_known(by: int) -> None:
    data = wire.pack(FRAMES["floats"]).join()
    wire.parse(data)
    with pytest.raises(KsrpcError):
        wire.parse(_change_length(data, by))


def test_a_checksum_is_checked_though_the_head_is_known() -> None:
    data = wire.pack(FRAMES["floats"]).join()
    lead = data[: len(data) - VALUES.nbytes]
    head_chunk = CHUNK.unpack_from(data, PRELUDE.size + 16)
    at = PRELUDE.size + 16 + CHUNK.size + head_chunk[1] + head_chunk[5]
    codec, pad, kind, shuffle, raw, stored, _ = CHUNK.unpack_from(data, at)
    checked = lead[:at] + CHUNK.pack(codec, pad, kind, shuffle, raw, stored, 1) + lead[at + CHUNK.size :]
    for _ in range(2):
        wire.parse(data)
        with pytest.raises(DecodeError, match="checksum"):
            wire.parse(checked + data[len(lead) :])


def test_a_request_is_read_each_time() -> None:
    """Its table is a narrower one: what a result may hold says nothing about it."""
    data = wire.pack(FRAMES["floats"]).join()
    wire.parse(data)
    with pytest.raises(KsrpcError):
        wire.parse_arguments(data, table=REQUEST_ANY_TABLE)


def test_more_heads_than_are_remembered() -> None:
    for rows in range(300, 450):
        frame = pd.DataFrame(np.full((rows, 2), rows / 2), columns=["a", "b"])
        for _ in range(2):
            pd.testing.assert_frame_equal(wire.parse(wire.pack(frame).join()), frame)
