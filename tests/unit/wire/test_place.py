"""Paths and addresses: equal and of the same kind; nothing that cannot be gets in."""

from __future__ import annotations

import ipaddress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import msgpack
import pytest

from ksrpc.errors import DecodeError, EncodeError, TooLargeError
from ksrpc.wire import REQUEST_ANY_TABLE, pack_arguments, parse, parse_arguments, tag
from tests.unit.wire.carry import carry, container

VALUES = [
    PurePosixPath("/a/../b"),
    PureWindowsPath("C:\\a\\b"),
    ipaddress.ip_address("192.0.2.1"),
    ipaddress.ip_address("2001:db8::1"),
    ipaddress.ip_address("fe80::1%eth0"),
    ipaddress.ip_network("192.0.2.0/24"),
    ipaddress.ip_network("2001:db8::/32"),
    ipaddress.ip_interface("192.0.2.5/24"),
    ipaddress.ip_interface("fe80::5%eth0/64"),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_place_arrives_as_it_is(value: Any) -> None:
    got = carry(value)
    assert type(got) is type(value)
    assert got == value
    assert str(got) == str(value)


@pytest.mark.parametrize("value", [Path("data") / "x.csv", Path()], ids=repr)
def test_a_path_of_files_travels_in_arguments_only(value: Path) -> None:
    message = pack_arguments((value,), {})
    (got,), _ = parse_arguments(message.join(), table=REQUEST_ANY_TABLE)
    assert type(got) is type(value)
    assert got == value
    with pytest.raises(EncodeError, match=r"result\['p'\]\[0\]: a path of files of this side cannot travel"):
        carry({"p": [value]})


def test_a_path_too_long_to_compare_is_refused_on_both_sides() -> None:
    with pytest.raises(EncodeError):
        carry(PurePosixPath("a/" * 40_000))
    head = [msgpack.ExtType(1, bytes([tag.PATH])), "posix", True, "a/" * 40_000]
    with pytest.raises(TooLargeError):
        parse(container(msgpack.packb(head)))


@pytest.mark.parametrize(
    "parts",
    [
        (tag.PATH,),
        (tag.PATH, "mac", True, "a"),
        (tag.PATH, "posix", 1, "a"),
        (tag.PATH, "posix", True, b"a"),
        (tag.ADDRESS, "address", b"abc", None, None),
        (tag.ADDRESS, "address", "abcd", None, None),
        (tag.ADDRESS, "address", b"abcd", None, "eth0"),
        (tag.ADDRESS, "address", b"a" * 16, None, "a%b"),
        (tag.ADDRESS, "address", b"a" * 16, None, "a/1"),
        (tag.ADDRESS, "address", b"abcd", 8, None),
        (tag.ADDRESS, "network", b"abcd", None, None),
        (tag.ADDRESS, "network", b"abcd", 33, None),
        (tag.ADDRESS, "network", b"abcd", 8, None),
        (tag.ADDRESS, [], b"abcd", 8, None),
    ],
    ids=repr,
)
def test_a_place_that_cannot_be_is_refused(parts: tuple[Any, ...]) -> None:
    head = [msgpack.ExtType(1, bytes([parts[0]])), *parts[1:]]
    with pytest.raises(DecodeError):
        parse(container(msgpack.packb(head)))
