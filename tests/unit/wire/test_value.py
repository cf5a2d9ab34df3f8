"""The front door: pack and parse, arguments, the short way for scalars."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pytest

from ksrpc.errors import DecodeError, EncodeError, TooLargeError
from ksrpc.wire import REQUEST_ANY_TABLE, RESULT_TABLE, Message, pack, pack_arguments, parse, parse_arguments
from tests.helpers.feed import FEEDS, TRAILERS, Feed
from tests.unit.wire.carry import carry, container, read

SCALARS = [
    None,
    True,
    False,
    0,
    -1,
    2**64 - 1,
    -(2**63),
    1.5,
    -0.0,
    float("inf"),
    "",
    "中文 \N{SNAKE}",
    b"",
    b"\x00\xff",
]


@pytest.mark.parametrize("value", SCALARS, ids=repr)
@pytest.mark.parametrize("feed", FEEDS)
def test_a_scalar_arrives_with_its_type(value: Any, feed: Feed) -> None:
    data = pack(value).join()
    for got in (parse(data), read(data, feed)):
        assert type(got) is type(value)
        assert repr(got) == repr(value)


def test_the_bits_of_a_nan_are_kept() -> None:
    odd = np.array([0x7FF8_0000_DEAD_BEEF], np.uint64).view(np.float64)[0].item()
    assert np.float64(carry(odd)).tobytes() == np.float64(odd).tobytes()


@pytest.mark.parametrize("tail", TRAILERS)
@pytest.mark.parametrize("value", [1, "x" * 5000, np.arange(1000)], ids=["short", "long", "array"])
def test_bytes_after_the_end_are_refused(value: Any, tail: bytes) -> None:
    with pytest.raises(DecodeError):
        parse(pack(value).join() + tail)


@pytest.mark.parametrize("value", [7, [1, "x" * 5000], np.arange(1000)], ids=["short", "long", "array"])
def test_a_message_that_ends_anywhere_too_early_is_refused(value: Any) -> None:
    data = pack(value).join()
    for size in [*range(min(len(data), 300)), *range(300, len(data), 97)]:
        with pytest.raises(DecodeError):
            parse(data[:size])


def test_a_large_array_goes_out_as_it_lies_in_memory() -> None:
    array = np.arange(100_000.0)
    message = pack(array)
    array[0] = 42.0
    assert any(isinstance(piece, memoryview) and piece.nbytes == array.nbytes for piece in message.segments)
    assert parse(message.join())[0] == 42.0
    assert message.nbytes == len(message.join()) == sum(len(piece) for piece in message.segments)


def test_a_message_cannot_be_changed() -> None:
    message = Message((b"x",), 1)
    with pytest.raises(AttributeError):
        message.nbytes = 2  # type: ignore[misc]


def test_arrays_of_immutable_bytes_can_be_written_to() -> None:
    data = pack([np.arange(10), np.arange(1000)]).join()
    for array in parse(data):
        array[0] = 7
    assert parse(data)[1][0] == 0


def test_arrays_of_writeable_bytes_are_views_of_them() -> None:
    array = np.arange(1000, dtype="<i8")
    data = bytearray(pack(array).join())
    got = parse(data)
    assert np.shares_memory(got, np.frombuffer(data, np.uint8))
    assert (got == array).all()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like_is_parsed(kind: Any) -> None:
    assert parse(kind(pack({"a": [1, (2, 3)]}).join())) == {"a": [1, (2, 3)]}


def test_what_cannot_travel_is_named_with_its_path() -> None:
    with pytest.raises(EncodeError, match=r"^result\[1\]\['model'\]: object cannot travel$"):
        pack([1, {"model": object()}])
    with pytest.raises(EncodeError, match=r"^answer\[0\]\[2\]: [a-z._]*\.Odd cannot travel$"):
        pack(((1, 2, Odd()),), root="answer")
    with pytest.raises(EncodeError, match=r"^args\[1\]: type cannot travel$"):
        pack_arguments((1, float), {})
    with pytest.raises(EncodeError, match=r"^kwargs\['f'\]\[0\]: function cannot travel$"):
        pack_arguments((), {"f": [lambda: None]})


class Odd:
    """A class that lists no fields."""


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((2, 3), {}), (("000001.SZ",), {"start": "20180701"}), ((None, [1]), {"a": {"b": (1, 2)}})],
)
def test_arguments_arrive(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert parse_arguments(pack_arguments(args, kwargs).join()) == (args, kwargs)


def test_large_arguments_arrive() -> None:
    array = np.arange(5000.0)
    args, kwargs = parse_arguments(pack_arguments(("y" * 200_000,), {"data": array}).join())
    assert args == ("y" * 200_000,)
    assert (kwargs["data"] == array).all()


@pytest.mark.parametrize("value", [None, 1, [], [[]], [[], {}, 1], [{}, []], [(), {}], ([], {}), {"args": []}])
def test_what_has_not_the_shape_of_arguments_is_refused(value: Any) -> None:
    with pytest.raises(DecodeError, match="arguments are a list of two"):
        parse_arguments(pack(value).join(), table=RESULT_TABLE)


@pytest.mark.parametrize("value", [ValueError("x"), np.dtype(object)], ids=["exception", "dtype"])
def test_a_value_of_results_is_refused_in_arguments(value: Any) -> None:
    data = pack([[value], {}]).join()
    for keyword in ({}, {"table": REQUEST_ANY_TABLE}):
        with pytest.raises(DecodeError):
            parse_arguments(data, **keyword)


def test_a_wider_table_lets_more_types_in() -> None:
    data = pack_arguments((2**80,), {}).join()
    with pytest.raises(DecodeError, match="a bigint is not accepted in arguments"):
        parse_arguments(data)
    assert parse_arguments(data, table=REQUEST_ANY_TABLE) == ((2**80,), {})


def test_a_head_over_the_limit_is_refused_before_it_is_read() -> None:
    head = msgpack.packb([[0] * (5 << 20), {}])
    with pytest.raises(TooLargeError, match="head"):
        parse_arguments(container(head))


def test_what_the_fast_encoder_cannot_take_arrives_too() -> None:
    value = [["\ud800", {"\udfff": 2**70}], -(2**63) - 1, "ok"]
    assert carry(value) == value
    assert carry("\ud800") == "\ud800"
    assert carry(2**64) == 2**64


def test_a_tag_in_a_short_message_is_found() -> None:
    with pytest.raises(DecodeError):
        parse(container(b"\xd4\x01\x01"))
    with pytest.raises(DecodeError):
        parse(container(b"\xd4\x05\x01"))
    with pytest.raises(DecodeError):
        parse(container(b"\x91\xc7\x01\x01\x01\x01"))


@pytest.mark.parametrize("head", [b"\x82\xa1a\x01\xa1a\x02", b"\x81\xc4\x01a\x01", b"\x81\x01\x02"])
def test_keys_are_distinct_texts(head: bytes) -> None:
    for data in (container(head), container(b"\x92\xd4\x01\x01" + head)):
        with pytest.raises(DecodeError):
            parse(data)
