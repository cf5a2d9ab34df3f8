"""Frames, series, indexes and scalars of pandas arrive with everything that makes them what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc.errors import DecodeError, EncodeError
from ksrpc.wire import REQUEST_TABLE, pack, pack_arguments, parse, parse_arguments
from ksrpc.wire.tabular import arrow
from tests.helpers.feed import FEEDS, Feed
from tests.unit.wire.carry import carry, read
from tests.unit.wire.tabular.case import frames, indexes, scalars, series

#: As Any: the stubs do not know all that they take.
tm: Any = pd.testing

CASES = {
    **frames(),
    **{f"series {name}": value for name, value in series().items()},
    **{f"index {name}": value for name, value in indexes().items()},
}


def assert_same(got: Any, value: Any) -> None:
    """Compare everything, frequency and unused levels too."""
    assert type(got) is type(value)
    if isinstance(value, pd.DataFrame):
        tm.assert_frame_equal(got, value, check_freq=True, check_column_type="exact", check_index_type="exact")
        assert got.dtypes.tolist() == value.dtypes.tolist()
        assert_same(got.index, value.index)
        assert_same(got.columns, value.columns)
        assert got.attrs == value.attrs
    elif isinstance(value, pd.Series):
        tm.assert_series_equal(got, value, check_freq=True)
        assert_same(got.index, value.index)
    elif isinstance(value, pd.MultiIndex):
        tm.assert_index_equal(got, value)
        for one, other in zip(got.levels, value.levels, strict=True):
            assert_same(one, other)
        assert [code.dtype for code in got.codes] == [code.dtype for code in value.codes]
        assert list(got.names) == list(value.names)
        assert got.sortorder == getattr(value, "sortorder")  # noqa: B009
    elif isinstance(value, pd.Index):
        tm.assert_index_equal(got, value, exact=True)
        assert getattr(got, "freq", None) == getattr(value, "freq", None)
    else:
        tm.assert_extension_array_equal(got, value)


@pytest.mark.parametrize("value", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("feed", FEEDS)
def test_it_arrives(value: Any, feed: Feed) -> None:
    data = pack(value).join()
    assert_same(parse(data), value)
    if len(data) < 20_000:
        assert_same(read(data, feed), value)
    got = parse(bytearray(data))
    assert_same(carry(got), value)


ARGUMENTS = {name: frame for name, frame in frames().items() if name != "object"}


@pytest.mark.parametrize("value", ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_a_frame_arrives_as_an_argument(value: Any) -> None:
    args, _ = parse_arguments(pack_arguments((value,), {}).join())
    assert_same(args[0], value)


def test_a_frame_with_values_that_are_no_arguments_is_refused() -> None:
    with pytest.raises(DecodeError, match="a bigint is not accepted"):
        parse_arguments(pack_arguments((frames()["object"],), {}).join())


@pytest.mark.parametrize("value", scalars(), ids=repr)
def test_a_scalar_arrives(value: Any) -> None:
    got = carry(value)
    assert type(got) is type(value)
    assert repr(got) == repr(value)
    assert got is value if value is pd.NA or value is pd.NaT else got == value
    assert getattr(got, "unit", None) == getattr(value, "unit", None)


@pytest.mark.parametrize("name", ["float", "mixed", "nullable", "zones", "object"])
def test_what_arrives_can_be_changed(name: str) -> None:
    for data in (pack(CASES[name]).join(), bytearray(pack(CASES[name]).join())):
        got = parse(data)
        got.iloc[0, 0] = got.iloc[1, 0]
        got["new"] = 1
        assert got.sort_values("new").reset_index()["new"].eq(1).all()


def test_a_frame_of_one_type_goes_out_as_it_lies() -> None:
    frame = pd.DataFrame(np.random.default_rng(1).random((20_000, 10)))
    pieces = [piece for piece in pack(frame).segments if isinstance(piece, memoryview)]
    assert any(np.shares_memory(np.frombuffer(piece, "u1"), frame.to_numpy()) for piece in pieces)


def test_a_column_beside_others_goes_out_as_it_lies() -> None:
    frame = pd.DataFrame(np.random.default_rng(1).random((20_000, 4))).assign(text="x")
    if int(pd.__version__.split(".")[0]) < 3:
        pytest.skip("pandas 2 copies")
    pieces = [piece for piece in pack(frame).segments if isinstance(piece, memoryview)]
    assert any(np.shares_memory(np.frombuffer(piece, "u1"), frame.iloc[:, :4].to_numpy()) for piece in pieces)


def test_one_index_in_two_places_stays_one() -> None:
    index = pd.Index([1, 2], name="i")
    one, two, third = carry([pd.Series([1, 2], index=index), pd.Series([3, 4], index=index), index])
    assert one.index.equals(third)
    frame = pd.DataFrame({"a": [1]})
    first, second = carry([frame, {"same": frame}])
    assert second["same"] is first
    assert two.name is None


def test_missing_values_stay_the_very_objects() -> None:
    got = carry(pd.Series([None, np.nan, pd.NA, pd.NaT], dtype=object)).tolist()
    assert got[0] is None
    assert isinstance(got[1], float)
    assert got[2] is pd.NA
    assert got[3] is pd.NaT


def test_values_under_a_mask_stay_here() -> None:
    array = pd.arrays.IntegerArray(np.array([7, 0x5EC2E7], "i8"), np.array([False, True]))
    assert (0x5EC2E7).to_bytes(8, "little") not in pack(array).join()
    assert carry(array).tolist() == [7, pd.NA]


def test_text_under_a_missing_value_stays_here() -> None:
    pa = pytest.importorskip("pyarrow")
    offsets = pa.py_buffer(np.array([0, 2, 8], "i8").tobytes())
    storage = pa.LargeStringArray.from_buffers(2, offsets, pa.py_buffer(b"hisecret"), pa.py_buffer(b"\x01"))
    array = getattr(pd.StringDtype("pyarrow"), "__from_arrow__")(storage)  # noqa: B009
    data = pack(array).join()
    assert b"secret" not in data
    assert parse(data).tolist() == ["hi", pd.NA]


def test_text_is_read_without_pyarrow_too(monkeypatch: pytest.MonkeyPatch) -> None:
    value = pd.Series(["a", None, "中文", ""] * 30, dtype="string")
    data = pack(value).join()
    by_hand = parse(data, table=REQUEST_TABLE)
    tm.assert_series_equal(by_hand, value)
    monkeypatch.setattr(arrow, "has_arrow", lambda: False)
    assert parse(data).dtype == pd.StringDtype("python")
    assert parse(data).tolist() == value.tolist()


REFUSED: dict[str, Any] = {
    "object": pd.DataFrame({"a": [object()]}),
    "attrs": pd.DataFrame({"a": [1]}),
    "group": pd.DataFrame({"a": [1]}).groupby("a"),
    "name": pd.Series([1], name=frozenset({len})),
}
REFUSED["attrs"].attrs = {"source": object()}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(EncodeError, match=r"^result\[0\]"):
        pack([value])


def test_the_column_that_cannot_travel_is_named() -> None:
    with pytest.raises(EncodeError, match=r"^result\['price'\]\[1\]: object cannot travel"):
        pack(pd.DataFrame({"x": [1, 2], "price": [1, object()]}))
    with pytest.raises(EncodeError, match=r"^result\.attrs\['source'\]: object cannot travel"):
        pack(REFUSED["attrs"])


def test_an_arrow_column_in_arguments_says_what_helps() -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(EncodeError, match=r"args\[0\].*convert_dtypes\(dtype_backend='numpy_nullable'\)"):
        pack_arguments((pd.Series([1], dtype="int64[pyarrow]"),), {})
