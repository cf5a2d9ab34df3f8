"""Frames cut out of a byte stream, however it arrives."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from ksrpc.errors import ProtocolError
from ksrpc.limits import SESSION
from ksrpc.protocol import Framer, pack_length
from tests.helpers.feed import FEEDS, TRAILERS, Feed

FRAMES = [b"0123456789abcdef", b"x" * 16, bytes(range(256)) * 5, b""]
MOST = 16 + SESSION.meta_bytes + SESSION.frame_bytes


def _stream(frames: list[bytes]) -> bytes:
    return b"".join(pack_length(frame[:4], frame[4:]) + frame[4:] for frame in frames)


@pytest.mark.parametrize("feed", FEEDS)
def test_frames_come_out_whole(feed: Feed) -> None:
    framer = Framer()
    assert [frame for piece in feed(_stream(FRAMES)) for frame in framer.feed(piece)] == FRAMES


@pytest.mark.parametrize("size", range(1, 12))
def test_reads_of_any_size_that_cut_the_length(size: int) -> None:
    framer, stream = Framer(), _stream([b"ab", b"", b"cde"])
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [frame for piece in pieces for frame in framer.feed(piece)] == [b"ab", b"", b"cde"]


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("feed", FEEDS)
def test_the_beginning_of_the_next_frame_waits(feed: Feed, trailer: bytes) -> None:
    framer = Framer()
    tail = struct.pack("<I", len(trailer) + 3) + trailer
    assert [frame for piece in feed(_stream(FRAMES) + tail) for frame in framer.feed(piece)] == FRAMES
    assert list(framer.feed(b"end")) == [trailer + b"end"]


@pytest.mark.parametrize("size", [MOST + 1, 2**32 - 1])
@pytest.mark.parametrize("feed", FEEDS)
def test_a_length_over_the_limit_is_refused_with_its_fourth_byte(feed: Feed, size: int) -> None:
    framer = Framer()
    pieces = list(feed(struct.pack("<I", size)))
    for piece in pieces[:-1]:
        assert list(framer.feed(piece)) == []
    with pytest.raises(ProtocolError, match=f"frame of {size} bytes is over {MOST}"):
        list(framer.feed(pieces[-1]))


def test_the_limit_itself_is_taken() -> None:
    limits = replace(SESSION, meta_bytes=10, frame_bytes=20)
    frame = bytes(16 + 10 + 20)
    assert list(Framer(limits).feed(_stream([frame]))) == [frame]
    with pytest.raises(ProtocolError):
        list(Framer(limits).feed(_stream([frame + b"x"])))


def test_an_over_long_frame_behind_a_good_one() -> None:
    framer = Framer()
    frames = framer.feed(_stream([b"good"]) + struct.pack("<I", MOST + 1))
    assert next(frames) == b"good"
    with pytest.raises(ProtocolError):
        next(frames)
