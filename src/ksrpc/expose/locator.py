"""Gate C for texts that name a file or an address on purpose: let those pass that the administrator listed.

Rules:
* What passes is handed to the function as it was judged: a resolved path, an address written in one way. Two readers of
  one text could disagree about where it leads.
* A refusal says what to write, and tells nothing of the server.

Source: docs/spec/policy.md "Paths and addresses".
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from ksrpc.errors import ForbiddenError
from ksrpc.expose.rule import forbid
from ksrpc.host import Hosts, is_name
from ksrpc.model import Reach

__all__ = ["Locator", "make_locator"]

#: Judges one argument and returns what the function gets in its place.
Locator = Callable[[str, Any], Any]

_CHARS = 4096
_ITEMS = 10_000
_PORTS = {"http": 80, "https": 443}
#: A scheme or a drive, a chain of schemes, a share; a step up, a home; a variable.
_LEADS_AWAY = re.compile(r"\A[A-Za-z][A-Za-z0-9+.\-]*:|://|::|\\|\A//|(?:\A|/)(?:\.\.(?:/|\Z)|~)|\$")
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_PLACE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@%]+)(?::(?P<port>[0-9]{1,5}))?")


def make_locator(kind: str, reach: Reach) -> Locator | None:
    """Return what judges a parameter of a class; None if the class is about values alone.

    Args:
        kind: The class, with its options.
        reach: What the module's arguments may name.
    """
    if kind == "path:read":
        read = _Ground("folder for data (data_roots)", reach.roots, reach.closed)
        return _each(lambda name, text: _locate(name, text, read))
    if kind == "path:write":
        write = _Ground("folder to write to", (reach.scratch,) if reach.scratch else ())
        return _each(lambda name, text: _locate(name, text, write))
    name, _, options = kind.partition(":")
    if name != "url":
        return None
    hosts = Hosts(options.split("|") if options else reach.hosts)
    return _each(lambda name, text: _address(name, text, hosts))


def _each(locate: Callable[[str, str], str]) -> Locator:
    """Take one text, a list of them, or None for none."""

    def judge(name: str, value: Any) -> Any:
        if value is None:
            return None
        if type(value) is list and len(value) <= _ITEMS and all(type(item) is str for item in value):
            return [locate(name, item) for item in value]
        if type(value) is not str:
            raise forbid("C1", f"parameter {name!r} takes a text or a list of texts")
        return locate(name, value)

    return judge


def _is_clean(text: str) -> bool:
    """Tell whether a text is short, can be written down, and holds nothing that cannot be seen."""
    if not 0 < len(text) <= _CHARS or any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in text):
        return False
    return not any(char.isspace() and char != " " for char in text)


# paths


class _Ground(NamedTuple):
    """Hold the folders and files that a path may lead into, and what is closed in them."""

    what: str
    roots: tuple[str, ...]
    closed: tuple[str, ...] = ()


def _locate(name: str, text: str, ground: _Ground) -> str:
    """Resolve a path in one of some folders.

    Raises:
        ForbiddenError: By rule C3, with a text that is the same wherever the path leads.
    """
    if not ground.roots:
        raise forbid("C2", f"parameter {name!r} names a file, and this module has no {ground.what}")
    if not _is_clean(text) or any(map(_LEADS_AWAY.search, (text, unicodedata.normalize("NFKC", text)))):
        raise _no_path(name, ground)
    if os.path.isabs(text):
        whole = text if _is_inside(text, map(os.path.abspath, ground.roots)) else ""
    elif len(ground.roots) == 1:
        whole = os.path.join(ground.roots[0], text)
    else:
        raise forbid("C2", f"parameter {name!r}: this module has several data_roots: write the whole path")
    found = os.path.realpath(whole) if whole else ""
    if not _is_inside(found, map(os.path.realpath, ground.roots)):
        raise _no_path(name, ground)
    if _is_inside(found, map(os.path.realpath, ground.closed)):
        raise _no_path(name, ground)
    return found


def _is_inside(path: str, folders: Iterable[str]) -> bool:
    return any(PurePath(path).is_relative_to(folder) for folder in folders)


def _no_path(name: str, ground: _Ground) -> ForbiddenError:
    return forbid("C3", f"parameter {name!r} takes the path of a file in this module's {ground.what}: 'day/a.csv'")


# addresses


def _address(name: str, text: str, hosts: Hosts) -> str:
    """Read an address of a listed host, and write it in the one way.

    Raises:
        ForbiddenError: By rule C3; it is none, or its host is not listed.
    """
    try:
        if not _is_clean(text) or "\\" in text or " " in text:
            raise ValueError("not an address")
        parts = urlsplit(text)
        place = _PLACE.fullmatch(parts.netloc)
        if parts.scheme not in _PORTS or place is None:
            raise ValueError("not an address of the web")
        host = _host(place["host"])
        port = int(place["port"] or _PORTS[parts.scheme])
    except ValueError:
        raise forbid("C3", f"parameter {name!r} takes an address such as 'https://host.example/path'") from None
    if not hosts.admit(host, port):
        raise forbid("C3", f"parameter {name!r}: this host and port are not open to the module (hosts)")
    netloc = host if port == _PORTS[parts.scheme] else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, parts.fragment))


def _host(text: str) -> str:
    """Return a host in small letters and ASCII.

    Raises:
        ValueError: It is none, or another name than the one that it is taken for.
    """
    plain = text.lower().removesuffix(".")
    if plain.startswith("[") or _IPV4.fullmatch(plain):
        return plain  # which addresses these are is read by whoever looks them up in the list
    name = plain.encode("idna").decode("ascii") if not plain.isascii() else plain
    if not is_name(name) or (name != plain and name.encode("ascii").decode("idna") != plain):
        raise ValueError("no name, or another one than it looks")
    return name
