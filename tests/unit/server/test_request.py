"""A head that came before is not read again; another one is never taken for it."""

from __future__ import annotations

from typing import Any

import pytest

from ksrpc import wire
from ksrpc.errors import DecodeError, KsrpcError
from ksrpc.server.request import Options, parse_seconds, read_request

TOKEN = (b"authorization", b"Bearer ksr_a")


def scope(**changes: Any) -> dict[str, Any]:
    """Make what uvicorn tells of a request."""
    told = {
        "client": ("10.0.0.1", 4711),
        "method": "POST",
        "path": "/api/file",
        "query_string": b"func=a.b&cache_expire=60",
        "headers": [(b"host", b"h"), (b"accept", wire.MEDIA_TYPE.encode()), TOKEN],
    }
    return told | changes


def test_the_same_head_is_the_same_request_from_any_port() -> None:
    first = read_request(scope())
    assert read_request(scope(client=("10.0.0.1", 4712))) is first
    assert first.query == {"func": "a.b", "cache_expire": "60"}
    assert first.media_type == wire.MEDIA_TYPE
    assert first.options == Options(False, True, 60.0, None)
    assert (first.visitor.peer, first.visitor.headers["authorization"]) == ("10.0.0.1", "Bearer ksr_a")


@pytest.mark.parametrize(
    "changes",
    [
        {"client": ("10.0.0.2", 4711)},
        {"client": None},
        {"method": "GET"},
        {"path": "/v1/call/a.b"},
        {"query_string": b"func=a.b&cache_expire=61"},
        {"headers": [(b"host", b"h"), (b"accept", wire.MEDIA_TYPE.encode()), (b"authorization", b"Bearer ksr_b")]},
        {"headers": [(b"host", b"h"), (b"accept", wire.MEDIA_TYPE.encode())]},
        {"headers": [(b"host", b"h"), (b"accept", wire.MEDIA_TYPE.encode()), TOKEN, (b"x-forwarded-for", b"1.1.1.1")]},
    ],
)
def test_whatever_differs_makes_another_request(changes: dict[str, Any]) -> None:
    first, other = read_request(scope()), read_request(scope(**changes))
    assert other is not first
    assert (other.method, other.path) == (scope(**changes)["method"], scope(**changes)["path"])
    assert (
        other.visitor != first.visitor or other.query != first.query or other.path != first.path or "method" in changes
    )


def test_a_unix_socket_is_not_an_address() -> None:
    assert read_request(scope(client=None)).visitor.is_unix
    assert not read_request(scope(client=("", 0))).visitor.is_unix


def test_long_heads_are_not_kept() -> None:
    long = scope(headers=[TOKEN, (b"x-much", b"m" * 3000)])
    assert read_request(long) is not read_request(long)
    assert read_request(long).headers["x-much"] == "m" * 3000


def test_more_heads_than_are_kept() -> None:
    for number in range(1200):
        assert read_request(scope(query_string=b"func=a.f%d" % number)).query["func"] == f"a.f{number}"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"query_string": b"cache_expire=x"}, "cache_expire"),
        ({"query_string": b"cache_expire=-1"}, "cache_expire"),
        ({"query_string": b"&".join(b"a%d=1" % n for n in range(300))}, "query"),
        ({"headers": [(b"x-ksrpc-timeout", b"soon")]}, "X-Ksrpc-Timeout"),
        ({"headers": [(b"x-ksrpc-timeout", b"0")]}, "X-Ksrpc-Timeout"),
    ],
)
def test_an_option_that_cannot_be_is_refused_each_time(changes: dict[str, Any], word: str) -> None:
    for _ in range(2):
        with pytest.raises(DecodeError, match=word):
            _ = read_request(scope(**changes)).options


def test_what_is_not_offered_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(KsrpcError, match="not to be had"):
            _ = read_request(scope(headers=[(b"accept", b"image/png")])).media_type


def test_seconds() -> None:
    assert (parse_seconds("30"), parse_seconds(2)) == (30.0, 2.0)
    wrongs: list[object] = ["inf", "nan", None, [], "-1"]
    for wrong in wrongs:
        with pytest.raises(DecodeError):
            parse_seconds(wrong)
