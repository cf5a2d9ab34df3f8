"""Which proxy leads to which host, and what is never shown of it."""

from __future__ import annotations

import pytest

from ksrpc.errors import ConnectError
from ksrpc.transport.proxy import Proxy, Tunnel, find_proxy, is_spared, parse_proxy

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def found(host: str = "gw.example.com", port: int = 8000, *, is_tls: bool = False) -> str:
    return str(find_proxy(host, port, is_tls=is_tls))


def test_each_scheme_has_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found() == "None"
    monkeypatch.setenv("ALL_PROXY", "http://all:1")
    assert (found(), found(is_tls=True)) == ("all:1", "all:1")
    monkeypatch.setenv("HTTP_PROXY", "plain:2")
    monkeypatch.setenv("HTTPS_PROXY", "http://[::2]:3/")
    assert (found(), found(is_tls=True)) == ("plain:2", "[::2]:3")


def test_lower_case_goes_first_also_where_it_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://upper:1")
    monkeypatch.setenv("http_proxy", "http://lower:2")
    assert found() == "lower:2"
    monkeypatch.setenv("http_proxy", "")
    assert found() == "None"


def test_a_program_behind_a_web_server_does_not_believe_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    monkeypatch.setenv("HTTP_PROXY", "http://evil:1")
    assert found() == "None"
    monkeypatch.setenv("http_proxy", "http://ours:1")
    assert found() == "ours:1"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_reached_directly(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://p:1")
    assert found(host) == "None"
    assert found("::ffff:127.0.0.1") == "None"
    assert found("::ffff:10.0.0.1") == "p:1"


@pytest.mark.parametrize(
    ("no_proxy", "host", "expected"),
    [
        ("*", "gw.example.com", True),
        ("", "gw.example.com", False),
        ("example.com", "gw.example.com", True),
        (".example.com", "gw.example.com", True),
        (".example.com", "example.com", True),
        ("Example.COM.", "GW.example.com", True),
        ("ample.com", "gw.example.com", False),
        ("gw.example.com", "example.com", False),
        ("a.test, example.com", "gw.example.com", True),
        ("a.test example.com", "gw.example.com", True),
        ("example.com:8000", "gw.example.com", True),
        ("example.com:8001", "gw.example.com", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("2.3", "10.1.2.3", False),
        ("fd00::/8", "fd00::5", True),
        ("[fd00::5]", "fd00::5", True),
        ("[fd00::5]:8000", "fd00::5", True),
        ("[fd00::5]:8001", "fd00::5", False),
        (",, ,", "gw.example.com", False),
    ],
)
def test_whom_no_proxy_names(no_proxy: str, host: str, expected: bool) -> None:
    assert is_spared(host, 8000, no_proxy) is expected


def test_credentials_are_shown_nowhere() -> None:
    proxy = parse_proxy("http://us%40er:p%3Ass@proxy.test:3128", origin="proxy")
    assert proxy.authorization == "Basic dXNAZXI6cDpzcw=="
    assert "proxy.test:3128" in repr(proxy) + str(proxy) or "3128" in repr(proxy)
    assert "dXNA" not in repr(proxy) + str(proxy)


def test_an_answer_that_comes_in_crumbs() -> None:
    tunnel = Tunnel(Proxy("p", 1), "fd00::5", 8000)
    assert tunnel.request.startswith(b"CONNECT [fd00::5]:8000 HTTP/1.1\r\nHost: [fd00::5]:8000\r\n")
    answer = b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n"
    assert [tunnel.feed(bytes([byte])) for byte in answer] == [False] * (len(answer) - 1) + [True]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 xyz\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"S", b"HTTP/1.1 200 " + b"x" * 70_000]
)
def test_answers_that_are_none(answer: bytes) -> None:
    with pytest.raises(ConnectError):
        Tunnel(Proxy("p", 1), "h", 1).feed(answer)
