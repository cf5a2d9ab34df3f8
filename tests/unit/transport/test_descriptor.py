"""Regions: what a worker may do to memory that the gateway reads, and when it is used again."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator

import pytest

from ksrpc.errors import ProtocolError
from ksrpc.transport.descriptor import Region, Regions, receive_descriptor, send_descriptor, write_descriptor


@pytest.fixture
def region() -> Iterator[Region]:
    made = Region(10_000)
    yield made
    made.close()


@pytest.fixture
def channel() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_what_is_written_is_what_is_seen(region: Region) -> None:
    pieces: list[bytes | memoryview] = [b"abc", b"", memoryview(bytearray(b"defg")), b"h"]
    write_descriptor(region.fd, pieces)
    assert bytes(region.view(8)) == b"abcdefgh"


def test_many_pieces_and_more_than_one_system_call(region: Region) -> None:
    pieces = [bytes([number % 256]) * 3 for number in range(3000)]
    write_descriptor(region.fd, pieces)
    assert bytes(region.view(9000)) == b"".join(pieces)


@pytest.mark.parametrize("size", [0, -1, 2**40])
def test_more_than_the_region_holds_is_refused(region: Region, size: int) -> None:
    with pytest.raises(ProtocolError, match="more than its region holds"):
        region.view(size)


@pytest.mark.parametrize("size", [0, 100, 1 << 30])
def test_the_worker_cannot_change_the_size(region: Region, size: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(region.fd, size)
    with pytest.raises(OSError):  # noqa: PT011 - EPERM or EFBIG, as the kernel likes
        write_descriptor(region.fd, [bytes(region.size + 1)])
    assert os.fstat(region.fd).st_size == region.size
    assert len(region.view(region.size)) == region.size


def test_a_view_cannot_be_written_through(region: Region) -> None:
    assert region.view(5).readonly


def test_a_region_is_used_again_once_nobody_looks_at_it() -> None:
    regions = Regions()
    first = regions.take(1000)
    write_descriptor(first.fd, [b"first"])
    view = first.view(5)[1:3]
    regions.give_back(first)
    second = regions.take(1000)
    assert second is not first
    write_descriptor(second.fd, [b"other"])
    assert bytes(view) == b"ir"
    regions.give_back(second)
    del view
    gc.collect()
    assert regions.take(1000) is first
    regions.close()
    first.close()


def test_a_region_that_is_closed_stays_as_long_as_it_is_looked_at() -> None:
    region = Region(100)
    write_descriptor(region.fd, [b"value"])
    view = region.view(5)
    region.close()
    region.close()
    assert bytes(view) == b"value"


def test_few_regions_are_kept_and_none_that_is_huge() -> None:
    regions = Regions()
    taken = [regions.take(1000) for _ in range(5)]
    for one in taken:
        regions.give_back(one)
    assert [one.fd >= 0 for one in taken] == [False, False, False, True, True]
    huge = regions.take(300 << 20)
    regions.give_back(huge)
    assert huge.fd == -1
    regions.close()


def test_a_descriptor_passes_with_its_call(channel: tuple[socket.socket, socket.socket], region: Region) -> None:
    send_descriptor(channel[0], 7, region.fd)
    call, fd = receive_descriptor(channel[1])
    assert call == 7
    assert fd is not None
    write_descriptor(fd, [b"through the other one"])
    os.close(fd)
    assert bytes(region.view(7)) == b"through"


def test_a_refusal_passes_with_its_call(channel: tuple[socket.socket, socket.socket]) -> None:
    send_descriptor(channel[0], 2**32 - 1, None)
    assert receive_descriptor(channel[1]) == (2**32 - 1, None)


def test_the_gateway_is_gone(channel: tuple[socket.socket, socket.socket]) -> None:
    channel[0].close()
    with pytest.raises(EOFError):
        receive_descriptor(channel[1])
