"""Arguments of one request: how they are laid out, and what is told while they go out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h11
import numpy as np
import pytest

from ksrpc import wire
from ksrpc.transport.upload import compact, pack_body, pack_chunk, read_codecs, recompact, send_chunks
from ksrpc.transport.watch import Sight, State, Trails, Watch, Watched

LARGE = np.arange(1_000_000)
SMALL = np.arange(10_000)


def read(data: bytes) -> Any:
    return wire.parse_arguments(data, table=wire.REQUEST_ANY_TABLE)


def test_large_arguments_go_in_chunks() -> None:
    message = wire.pack_arguments((LARGE,), {})
    headers, pieces, codecs = pack_body(message, ("zstd",))
    assert (headers, codecs) == ({"Transfer-Encoding": "chunked"}, ("zstd",))
    for _ in range(2):  # a request that is sent again begins anew
        body = b"".join(recompact(pieces, codecs))
        assert len(body) < message.nbytes / 2
        assert (read(body)[0][0] == LARGE).all()


def test_small_ones_go_whole() -> None:
    message = wire.pack_arguments((SMALL,), {})
    headers, (body,), codecs = pack_body(message, ("lz4",))
    assert (headers, codecs) == ({"Content-Length": str(len(body))}, ())
    assert len(body) < message.nbytes / 2
    assert (read(bytes(body))[0][0] == SMALL).all()


@pytest.mark.parametrize("value", [1, np.random.default_rng(1).integers(0, 256, 3_000_000, dtype="u1")])
def test_what_would_not_shrink_goes_as_it_lies(value: Any) -> None:
    message = wire.pack_arguments((value,), {})
    headers, pieces, codecs = pack_body(message, ("zstd",))
    assert (headers, codecs) == ({"Content-Length": str(message.nbytes)}, ())
    assert b"".join(pieces) == message.join()
    assert compact(message.segments, ()) is None


@pytest.mark.parametrize(
    ("told", "codecs"),
    [
        (None, ()),
        ("", ()),
        ("application/vnd.ksrpc.v1", ()),
        ('application/vnd.ksrpc.v1;codecs="lz4,zstd";features="arrow"', ("lz4", "zstd")),
        ('application/vnd.ksrpc.v1;codecs="none,brotli,lz4"', ("lz4",)),
        ('application/vnd.ksrpc.v9;codecs="zstd"', ()),
        ("text/turtle", ()),
        (wire.accept_text(), wire.INFLATED),
    ],
)
def test_a_server_says_what_it_inflates(told: str | None, codecs: tuple[str, ...]) -> None:
    assert read_codecs(told) == codecs


def test_chunks_are_those_of_http() -> None:
    peer = h11.Connection(h11.SERVER)
    peer.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.receive_data(pack_chunk(b"ab") + pack_chunk(memoryview(b"cde")) + b"0\r\n\r\n")
    found = b""
    while not isinstance(event := peer.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Request | h11.Data)
        found += bytes(event.data) if isinstance(event, h11.Data) else b""
    assert found == b"abcde"


class Onlooker(Watch):
    """Look when asked to."""

    def __init__(self) -> None:
        self.watched: list[Watched] = []

    def add(self, watched: Watched) -> None:
        self.watched.append(watched)

    def wake(self) -> None:
        pass

    def settle(self, key: object) -> None:
        pass

    def look(self) -> Iterable[Sight]:
        return [sight for watched in self.watched for sight in watched.look()]


class Line:
    """Look each time something is sent, before it is gone."""

    def __init__(self, watch: Onlooker) -> None:
        self.trail = Trails(watch).open("/api/file?func=made.sizes", State.CONNECTING)
        self.watch = watch
        self.sights: list[Sight] = []
        self.sent = b""

    def send(self, data: bytes) -> None:
        self.sights += self.watch.look()
        self.sent += data


def test_sizes_are_told_as_they_are_here_and_as_they_travel() -> None:
    watch = Onlooker()
    line = Line(watch)
    message = wire.pack_arguments((LARGE,), {})
    send_chunks(line.send, line.trail, recompact(message.segments, ("zstd",)))
    assert {sight.total_bytes for sight in line.sights} == {line.sights[-1].done_bytes}
    assert [sight.done_bytes for sight in line.sights] == sorted(sight.done_bytes for sight in line.sights)
    assert line.sights[0][2:5] == (State.SENDING, 0, 0)
    assert line.sights[0].wire_bytes == 0
    assert line.sights[-1].wire_bytes < len(line.sent) < line.sights[-1].done_bytes / 2
