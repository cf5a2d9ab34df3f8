"""What a browser tells of the page behind a request: pages of other sites neither call nor open WebSockets.

Source: docs/reference/http.md "Browsers"; Fetch Metadata (https://www.w3.org/TR/fetch-metadata/); RFC 6454.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ksrpc.errors import AddressError

_FOREIGN = ("cross-site", "same-site")
_PORTS = {"http": ":80", "https": ":443"}


def refuse_pages(headers: Mapping[str, str]) -> None:
    """Keep web pages from calling in the name of whoever sits at this machine (H13).

    Raises:
        AddressError: A page of another site asks, or one that does not say where it is from.
    """
    if headers.get("x-ksrpc") == "1":  # no page can send that without asking first
        return
    site = headers.get("sec-fetch-site")
    is_page = site is None and headers.get("user-agent", "").startswith("Mozilla/")  # a browser too old to tell
    if is_page or site not in (None, "none", "same-origin") or ("origin" in headers and site != "same-origin"):
        raise AddressError("calls from web pages of other sites need a token")


def refuse_foreign(headers: Mapping[str, str]) -> None:
    """Refuse what a browser says is asked by a page of another site, whoever may call.

    Raises:
        AddressError: It is.
    """
    if headers.get("sec-fetch-site") in _FOREIGN and headers.get("x-ksrpc") != "1":
        raise AddressError("calls from web pages of other sites need a token")


def origin_of(url: str) -> str:
    """Return the origin of an address, as browsers write it; empty for none."""
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc.removesuffix(_PORTS.get(parts.scheme, ''))}" if url else ""


def is_own_page(headers: Mapping[str, str], origins: frozenset[str]) -> bool:
    """Tell whether no page, one that this server was asked for by the same name, or a listed one opens a WebSocket."""
    origin = headers.get("origin")
    if origin is None:
        return True
    name = origin.lower()
    scheme, _, place = name.partition("://")
    host = headers.get("host", "").lower()
    default = _PORTS.get(scheme)
    if default is None or not place:
        return False
    return name in origins or place.removesuffix(default) == host.removesuffix(default)
