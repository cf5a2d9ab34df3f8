"""URLs and connecting."""

from __future__ import annotations

import socket

import pytest

from ksrpc.errors import ConfigError, ConnectError
from ksrpc.transport.dial import Address, dial, hang_up, parse_url

HTTP = ("http", "https")


@pytest.mark.parametrize(
    ("url", "address", "netloc"),
    [
        ("http://h", Address("h", 80, is_tls=False, target="/"), "h"),
        ("http://h:8000/api/file?a=b", Address("h", 8000, is_tls=False, target="/api/file?a=b"), "h:8000"),
        ("https://h", Address("h", 443, is_tls=True, target="/"), "h"),
        ("https://h:80", Address("h", 80, is_tls=True, target="/"), "h:80"),
        ("http://[::1]:8000/", Address("::1", 8000, is_tls=False, target="/"), "[::1]:8000"),
        ("http://[::1]", Address("::1", 80, is_tls=False, target="/"), "[::1]"),
    ],
)
def test_parse_url(url: str, address: Address, netloc: str) -> None:
    parsed = parse_url(url, HTTP)
    assert parsed == address
    assert parsed.netloc == netloc


@pytest.mark.parametrize(
    "url",
    ["", "h:8000", "ws://h", "ftp://h", "http://", "http:///x", "http://h:99999", "http://h:x", "http://[::1",
     "http://h/a b", "http://h/\r\nX: y", "http://h/#part", "http://主机/"],
)  # fmt: skip
def test_what_is_not_a_url_of_a_server(url: str) -> None:
    with pytest.raises(ConfigError):
        parse_url(url, HTTP)


def test_a_password_in_the_url_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError, match="token=") as caught:
        parse_url("http://user:hunter2@h", HTTP)
    assert "hunter2" not in str(caught.value)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectError, match=rf"no connection to 127\.0\.0\.1:{port}: .*is the server running") as caught:
        dial(Address("127.0.0.1", port, is_tls=False, target="/"), 5)
    assert caught.value.maybe_ran is False
    assert caught.value.retryable


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid"])
def test_a_host_that_is_not_there(host: str) -> None:
    with pytest.raises(ConnectError, match="no connection to"):
        dial(Address(host, 80, is_tls=False, target="/"), 5)


def test_a_server_without_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ConnectError, match="no connection"):
        dial(Address("127.0.0.1", listener.getsockname()[1], is_tls=True, target="/"), 0.2)


def test_hanging_up_twice_does_no_harm() -> None:
    ours, theirs = socket.socketpair()
    hang_up(ours)
    hang_up(ours)
    assert theirs.recv(1) == b""
    theirs.close()
