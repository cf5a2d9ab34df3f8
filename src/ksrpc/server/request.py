"""What the head of a request says: read once for all requests that say the same, as those of one client mostly do.

Source: docs/reference/http.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from ksrpc.errors import DecodeError
from ksrpc.gateway.identify import Visitor
from ksrpc.gateway.repeat import Key
from ksrpc.limits import REPEAT
from ksrpc.server.negotiation import choose_format, choose_media_type

_NO = ("false", "0", "no")
_KEY_NAME = "idempotency-key"
_KEY = _KEY_NAME.encode()
_ENTRIES = 512
#: Longer heads are not remembered.
_HEAD_BYTES = 2048


class Options(NamedTuple):
    """Say how a call is to be made.

    Attributes:
        timeout_s: What the client asks for; None leaves it to the server.
    """

    is_main: bool
    cache_get: bool
    cache_expire: float | None
    timeout_s: float | None


class Request:
    """Hold the head of a request.

    Attributes:
        headers: Names in lower case.
        visitor: What is known of the peer.
    """

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        client = scope.get("client")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Mapping[str, str] = headers
        self.visitor = Visitor(client[0] if client else "", self.headers, is_unix=comes_by_file(scope))
        self._query: bytes = scope["query_string"]
        self.compression: tuple[Any, Any] | None = None  # under which configuration, and what it is

    @cached_property
    def query(self) -> Mapping[str, str]:
        """Return the query's parameters; of repeated ones the last.

        Raises:
            DecodeError: It cannot be read.
        """
        try:
            found = parse_qs(self._query.decode("latin-1"), keep_blank_values=True, max_num_fields=200)
        except ValueError as exc:
            raise DecodeError("the query cannot be read") from exc
        return MappingProxyType({name: texts[-1] for name, texts in found.items()})

    @cached_property
    def media_type(self) -> str:
        """Return what the answer is to be; see `choose_media_type`.

        Raises:
            NotAcceptableError: None of what the client accepts is offered.
        """
        if "_format" in self.query:
            return choose_format(self.query["_format"])
        return choose_media_type(self.headers.get("accept", "*/*"), self.query.get("fmt"))

    @cached_property
    def content_type(self) -> str:
        """Return what the body is said to be, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def options(self) -> Options:
        """Return how the call is to be made, by query and headers.

        Raises:
            DecodeError: An option cannot be read.
        """
        query = self.query
        return Options(
            query.get("async_remote", "true").lower() in _NO,
            query.get("cache_get", "true").lower() not in _NO,
            parse_seconds(query["cache_expire"]) if "cache_expire" in query else None,
            _parse_timeout(self.headers.get("x-ksrpc-timeout")),
        )

    @cached_property
    def age_s(self) -> float | None:
        """Return how long ago the client sent this request first; None if this is the first time.

        Raises:
            DecodeError: It cannot be read.
        """
        sent = self.headers.get("x-ksrpc-retry")
        return None if sent is None else _parse_age(sent)

    @cached_property
    def announced_bytes(self) -> int:
        """Return how large the body is said to be."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


_known: dict[Any, Request] = {}


def take_key(scope: MutableMapping[str, Any]) -> bytes | None:
    """Take the key out of a head if it stands last, as our client sends it: the rest says the same each time."""
    headers = scope["headers"]
    if not headers or headers[-1][0] != _KEY:
        return None
    scope["headers"] = headers[:-1]
    key: bytes = headers[-1][1]
    return key


def read_request(scope: MutableMapping[str, Any]) -> Request:
    """Return what a request's head says; the same object for one that says the same."""
    client, headers = scope.get("client"), scope["headers"]
    peer = client[0] if client else comes_by_file(scope)
    place = (peer, scope["method"], scope["path"], scope["query_string"], *headers)
    request = _known.get(place)
    if request is not None:
        return request
    request = Request(scope)
    if sum(len(name) + len(value) for name, value in headers) + len(scope["query_string"]) <= _HEAD_BYTES:
        if len(_known) >= _ENTRIES:
            _known.clear()
        _known[place] = request
    return request


def read_key(request: Request, last: bytes | None) -> Key | None:
    """Return how a client names its call, if it does.

    Args:
        request: The head.
        last: What `take_key` took.

    Raises:
        DecodeError: It cannot be read, or is told without being there.
    """
    text = request.headers.get(_KEY_NAME) if last is None else last.decode("latin-1")
    if text is None and request.age_s is None:
        return None
    if not text or len(text) > REPEAT.key_chars:
        raise DecodeError(f"Idempotency-Key is a text of 1 to {REPEAT.key_chars} characters")
    return Key(text, request.age_s, request.announced_bytes)


def _parse_age(text: str) -> float:
    try:
        age_s = float(text)
    except ValueError:
        age_s = math.nan
    if not 0 <= age_s < math.inf:
        raise DecodeError("X-Ksrpc-Retry is how many seconds ago the request was sent first")
    return age_s


def comes_by_file(scope: MutableMapping[str, Any]) -> bool:
    """Tell whether the peer came by a Unix socket; one that hung up at once over TCP has no address either."""
    if scope.get("client"):
        return False
    server = scope.get("server")
    return server is None or server[1] is None


def parse_seconds(text: object) -> float:
    """Read for how long an answer is good.

    Raises:
        DecodeError: Not a number of seconds.
    """
    try:
        seconds = float(text) if isinstance(text, str | int | float) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise DecodeError("cache_expire is a number of seconds")
    return seconds


def _parse_timeout(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        asked = float(text)
    except ValueError as exc:
        raise DecodeError("X-Ksrpc-Timeout is a number of seconds") from exc
    if not asked > 0:
        raise DecodeError("X-Ksrpc-Timeout is a number of seconds above 0")
    return asked
