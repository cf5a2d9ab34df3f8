"""The kinds of values that settings have: patterns, networks, addresses, hosts.

Source: docs/reference/config.md.
"""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from ksrpc.host import check_host
from ksrpc.limits import PATH_PART_CHARS, PATH_PARTS
from ksrpc.model import PARAMETER_CLASSES

__all__ = [
    "Host",
    "Member",
    "Network",
    "Origin",
    "ParameterClass",
    "ParameterKey",
    "Pattern",
    "Place",
    "Port",
    "PublicUrl",
    "Rows",
    "SecretName",
    "TimeZone",
    "check_pattern",
]


def _check_network(text: str) -> str:
    if text not in ("any", "loopback", "private"):
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError as exc:
            raise ValueError(f'{exc}; write "any", "loopback", "private" or a network such as "10.1.0.0/16"') from exc
    return text


Network = Annotated[str, AfterValidator(_check_network)]


def check_pattern(text: str) -> str:
    """Return a pattern of `allow` and its like as it is.

    Raises:
        ValueError: It is none.
    """
    parts = text.split(".")
    is_path = len(parts) <= PATH_PARTS and all(map(_is_public_name, parts))
    if text != "*" and not is_path:
        raise ValueError(f"{text[:100]!r} is not a dotted path of public names")
    return text


def _is_public_name(part: str) -> bool:
    return part.isidentifier() and not part.startswith("_") and len(part) <= PATH_PART_CHARS


Pattern = Annotated[str, AfterValidator(check_pattern)]


def _check_member(text: str) -> str:
    if not _is_public_name(text):
        raise ValueError(f"{text[:100]!r} is not a public name; what begins with an underscore is never reached")
    return text


Member = Annotated[str, AfterValidator(_check_member)]


def _check_parameter(text: str) -> str:
    function, dot, name = text.rpartition(".")
    is_for_all = function == "*" or not dot
    if not name.isidentifier() or not (is_for_all or check_pattern(function)):
        raise ValueError(f'{text[:100]!r} is no parameter: write "function.parameter" or "*.parameter"')
    return text


ParameterKey = Annotated[str, AfterValidator(_check_parameter)]


def _check_class(text: str) -> str:
    kind, colon, options = text.partition(":")
    if kind == "url" and colon:
        for host in options.split("|"):
            check_host(host)
    elif kind == "choice":
        if not options:
            raise ValueError('"choice" needs its texts: "choice:a|b"')
    elif text not in PARAMETER_CLASSES:
        raise ValueError(f"{text[:100]!r} is no class of parameters; there are {', '.join(PARAMETER_CLASSES)}")
    return text


ParameterClass = Annotated[str, AfterValidator(_check_class)]


def _check_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(f"there is no time zone {name!r}") from exc
    return name


TimeZone = Annotated[str, AfterValidator(_check_zone)]


def _check_url(text: str) -> str:
    parts = urlsplit(text)
    is_plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    if text and not (parts.scheme in ("http", "https") and parts.hostname and is_plain):
        raise ValueError("this is no address such as https://gateway.example:8000")
    return text.rstrip("/")


PublicUrl = Annotated[str, AfterValidator(_check_url)]


def _check_origin(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s@?#]+", text):
        raise ValueError('an origin is a scheme and a host, "https://page.example", without a path')
    return text.lower()


Origin = Annotated[str, AfterValidator(_check_origin)]


def _check_secret(name: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,79}", name):
        raise ValueError(f"{name[:100]!r} is no name of an environment variable such as TUSHARE_TOKEN")
    return name


SecretName = Annotated[str, AfterValidator(_check_secret)]

Place = Literal["strict", "network", "open"]
Port = Annotated[int, Field(ge=1, le=65_535)]
Host = Annotated[str, AfterValidator(check_host)]
Rows = Annotated[int, Field(ge=0)]
