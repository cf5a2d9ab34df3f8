"""Which pages may open a WebSocket, and what browsers tell of them."""

from __future__ import annotations

import pytest

from ksrpc.errors import AddressError
from ksrpc.gateway.origin import is_own_page, origin_of, refuse_foreign

LISTED = frozenset({"https://page.example", "http://page.example:8080"})


@pytest.mark.parametrize(
    ("host", "origin", "is_own"),
    [
        ("gw.example", None, True),
        ("gw.example", "https://gw.example", True),
        ("GW.example:443", "https://gw.example", True),
        ("gw.example", "http://gw.example:80", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("[::1]:8000", "http://[::1]:8000", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8001", False),
        ("127.0.0.1:8000", "http://127.0.0.1", False),
        ("gw.example", "https://page.example", True),
        ("gw.example", "HTTPS://Page.Example", True),
        ("gw.example", "http://page.example", False),
        ("gw.example", "http://page.example:8080", True),
        ("gw.example", "https://evil.example", False),
        ("gw.example", "https://gw.example.evil.example", False),
        ("gw.example", "null", False),
        ("gw.example", "", False),
        ("", "https://", False),
        ("", "file://", False),
        ("gw.example", "ftp://gw.example", False),
        ("gw.example", "gw.example", False),
    ],
)
def test_whose_page_it_is(host: str, origin: str | None, is_own: bool) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    assert is_own_page(headers, LISTED) is is_own


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_does_not_call(site: str) -> None:
    with pytest.raises(AddressError, match="need a token"):
        refuse_foreign({"sec-fetch-site": site})
    refuse_foreign({"sec-fetch-site": site, "x-ksrpc": "1"})
    for other in ({}, {"sec-fetch-site": "none"}, {"sec-fetch-site": "same-origin"}):
        refuse_foreign(other)


@pytest.mark.parametrize(
    ("url", "origin"),
    [("", ""), ("https://GW.example/data", "https://gw.example"), ("http://gw.example:80", "http://gw.example")],
)
def test_the_origin_of_an_address(url: str, origin: str) -> None:
    assert origin_of(url) == origin
