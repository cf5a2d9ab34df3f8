"""The feeds every byte reader must survive: whole, byte by byte, in odd pieces, and with trailing data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

#: Cuts one byte string into the pieces that a reader is given, one after the other.
Feed = Callable[[bytes], Iterator[bytes]]


def whole(data: bytes) -> Iterator[bytes]:
    """Yield all bytes at once."""
    yield data


def single(data: bytes) -> Iterator[bytes]:
    """Yield one byte at a time."""
    for at in range(len(data)):
        yield data[at : at + 1]


def ragged(data: bytes) -> Iterator[bytes]:
    """Yield pieces of 1, 2, 3, 5, 8 … bytes, so that cuts fall inside headers and at odd offsets."""
    at, size, grown = 0, 1, 2
    while at < len(data):
        yield data[at : at + size]
        at, size, grown = at + size, grown, size + grown


#: For `@pytest.mark.parametrize("feed", FEEDS)`. All cut the same bytes: the results must be equal.
FEEDS = [pytest.param(feed, id=feed.__name__) for feed in (whole, single, ragged)]

#: What may follow a complete message: a reader must take none of it, or refuse it, never mix it in.
TRAILERS = [pytest.param(tail, id=name) for name, tail in (("one-byte", b"\x00"), ("text", b"KSW1 and more"))]
