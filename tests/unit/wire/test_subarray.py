"""Arrays of numpy that are more than memory: exactly what was sent, and nothing else off the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pandas as pd
import pytest

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import REQUEST_ANY_TABLE, RESULT_TABLE, pack, pack_arguments, parse, parse_arguments, subarray, tag
from ksrpc.wire.encoder import encode
from tests.unit.wire.carry import carry, container

_PAIR = np.dtype([("a", "<i4"), ("b", "<f8")])


def _mark(number: int) -> msgpack.ExtType:
    return msgpack.ExtType(1, bytes([number]))


def _array(count: int, letter: str = "<f8") -> list[Any]:
    node = msgpack.unpackb(encode(np.zeros(count, letter), root="", table=RESULT_TABLE)[0].data, strict_map_key=True)
    assert isinstance(node, list)
    return node


MASKED: dict[str, Callable[[], Any]] = {
    "float": lambda: np.ma.MaskedArray([1.0, 2.0, 3.0], [False, True, False]),
    "filled": lambda: np.ma.MaskedArray([1, 2], [True, False], np.int16, fill_value=7),
    "no mask": lambda: np.ma.MaskedArray([1.5, 2.5]),
    "hard": lambda: np.ma.MaskedArray([1.5, 2.5], [True, False], hard_mask=True),
    "big end": lambda: np.ma.MaskedArray(np.arange(3, dtype=">i4"), [True, False, False]),
    "time": lambda: np.ma.MaskedArray(np.arange(3).astype("M8[s]"), [True, False, False]),
    "text": lambda: np.ma.MaskedArray(np.array(["a", "bc"]), [True, False]),
    "object": lambda: np.ma.MaskedArray(np.array([None, "x"], object), [True, False]),
    "records": lambda: np.ma.MaskedArray(np.zeros(2, _PAIR), np.array([(1, 0), (0, 1)], np.ma.make_mask_descr(_PAIR))),
    "two dimensions": lambda: np.ma.MaskedArray(np.arange(6.0).reshape(2, 3), np.eye(2, 3, dtype=bool)),
}


@pytest.mark.parametrize("make", MASKED.values(), ids=MASKED)
def test_a_masked_array_arrives_with_what_its_mask_hides(make: Callable[[], Any]) -> None:
    value = make()
    got = carry(value)
    assert type(got) is np.ma.MaskedArray
    assert got.dtype == value.dtype
    assert got.shape == value.shape
    assert got.data.tolist() == value.data.tolist()
    assert (got.mask is np.ma.nomask) == (value.mask is np.ma.nomask)
    assert np.asarray(got.mask).tolist() == np.asarray(value.mask).tolist()
    same = np.array_equal(got.fill_value, value.fill_value) or (np.isnat(value.fill_value) and np.isnat(got.fill_value))
    assert same
    assert got.hardmask == value.hardmask
    assert got.data.flags.writeable


def test_the_masked_constant_is_itself() -> None:
    assert carry(np.ma.masked) is np.ma.masked


@pytest.mark.parametrize(
    "make", [lambda: np.array([[1, 2]]).view(np.matrix), lambda: np.rec.array([(1, 2.0)], dtype=_PAIR)]
)
def test_one_object_that_comes_twice_stays_one(make: Callable[[], Any]) -> None:
    value = make()
    first, second = carry([value, value])
    assert first is second
    assert type(first) is type(value)
    assert first.dtype == value.dtype
    assert first.tolist() == value.tolist()


@pytest.mark.parametrize("size", [3, 1000], ids=["in the head", "in buffers"])
def test_arrays_inside_others_count_and_every_reference_finds_its_own(size: int) -> None:
    base = np.arange(float(size))
    frame = pd.DataFrame({"a": [1.5]})
    masked = np.ma.MaskedArray(base, [True] + [False] * (size - 1), copy=False)
    holding = np.ma.MaskedArray(np.array([base, frame, None], dtype=object), [False, False, True])
    texts, records = np.array(["a"], np.dtypes.StringDType()), np.zeros(1, _PAIR).view(np.recarray)
    parts = [base, masked, base.reshape(1, -1).view(np.matrix), records, texts, holding, frame]
    got = carry([*parts, records[0], np.ma.masked, *reversed(parts), np.arange(2)])
    assert [id(value) for value in got[:7]] == [id(value) for value in got[15:8:-1]]
    assert [type(value) for value in got[:7]] == [type(value) for value in parts]
    assert got[5].data.tolist()[0] is got[0]
    assert got[5].data.tolist()[1] is got[6]
    assert got[1].data.tolist() == got[0].tolist() == base.tolist()
    assert not np.shares_memory(got[0], got[1].data), "an array and the data of a masked one are two"
    assert got[16].tolist() == [0, 1]


def test_a_record_arrives_with_its_fields_as_attributes() -> None:
    got = carry(np.rec.array([(1, 2.0)], dtype=_PAIR)[0])
    assert type(got) is np.record
    assert (got.a, got.b) == (1, 2.0)


@pytest.mark.parametrize(
    "make", [lambda: np.ma.MaskedArray([1.0]), lambda: np.array([[1]]).view(np.matrix)], ids=["masked", "matrix"]
)
def test_only_functions_that_widen_their_types_take_them(make: Callable[[], Any]) -> None:
    value = make()
    data = pack_arguments((value,), {}).join()
    assert type(parse_arguments(data, table=REQUEST_ANY_TABLE)[0][0]) is type(value)
    with pytest.raises(DecodeError, match="not accepted"):
        parse_arguments(data)


FLOAT = 1.5
HOSTILE: dict[str, Callable[[], Any]] = {
    "masked: arity": lambda: [_mark(tag.MASKED_ARRAY), 1],
    "masked: no array": lambda: [_mark(tag.MASKED_ARRAY), 1, None, 1, False],
    "masked: fill of Python": lambda: [_mark(tag.MASKED_ARRAY), _array(2), None, FLOAT, False],
    "masked: fill is a list": lambda: [_mark(tag.MASKED_ARRAY), _array(2), None, [1, 2], False],
    "masked: fill is an array": lambda: [_mark(tag.MASKED_ARRAY), _array(2), None, _array(2), False],
    "masked: mask of one": lambda: [_mark(tag.MASKED_ARRAY), _array(2), _array(1, "?"), None, False],
    "masked: mask of floats": lambda: [_mark(tag.MASKED_ARRAY), _array(2), _array(2), None, False],
    "matrix: one dimension": lambda: [_mark(tag.MATRIX), _array(2)],
    "matrix: nothing": lambda: [_mark(tag.MATRIX)],
    "recarray: no fields": lambda: [_mark(tag.RECARRAY), "recarray", _array(2)],
    "recarray: kind": lambda: [_mark(tag.RECARRAY), "other", _array(2)],
    "recarray: list as kind": lambda: [_mark(tag.RECARRAY), [], _array(2)],
    "texts: huge": lambda: [_mark(tag.STRING_ARRAY), [1 << 61, 1 << 61], [], True, b"", b""],
    "texts: negative": lambda: [_mark(tag.STRING_ARRAY), [-1], [], True, b"", b""],
    "texts: no shape": lambda: [_mark(tag.STRING_ARRAY), 3, [], True, b"", b""],
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises((DecodeError, TooLargeError)):
        parse(container(msgpack.packb(make())))


def test_without_numpy_2_texts_arrive_as_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    message = pack(np.array(["a", None], np.dtypes.StringDType(na_object=None))).join()
    monkeypatch.setattr(subarray, "_StringDType", None)
    got = parse(message)
    assert (got.dtype, got.tolist()) == (np.dtype(object), ["a", None])
