"""Errors as problem documents, one table for all: the classes of `ksrpc.errors` carry their status.

Source: RFC 9457; docs/reference/errors.md.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from ksrpc import wire
from ksrpc.errors import BY_CODE, ForbiddenError, KsrpcError, QuotaError, RemoteError
from ksrpc.protocol.fault import pack_quota
from ksrpc.transport.link import RaisedError

_TITLES = {
    "unauthorized": "A token is needed",
    "forbidden": "The policy refuses this",
    "not_found": "Not found",
    "raised": "The function raised an exception",
    "deadline": "The call took too long",
    "lost": "The worker was lost during the call",
    "busy": "Nothing can run the call now",
    "quota": "The quota is used up",
}
_UNTOLD = "The call may have run; its answer cannot be told"
_QUOTA_TYPE = "https://iana.org/assignments/http-problem-types#quota-exceeded"
_DAY_S = 86_400
#: What a text in a structured field cannot hold (RFC 9651).
_NOT_IN_FIELDS = re.compile(r'[^ -~]|["\\]')


class Problem(NamedTuple):
    """Hold a problem document with its status and extra headers."""

    status: int
    fields: dict[str, Any]
    headers: list[tuple[bytes, bytes]]
    raised: RaisedError | None = None


def pack_problem(error: KsrpcError) -> Problem:
    """Make the problem document of an error."""
    if isinstance(error, RaisedError):
        return _pack_raised(error)
    title = _UNTOLD if error.status == 409 else _TITLES.get(error.code, error.code.replace("_", " ").capitalize())
    fields: dict[str, Any] = {"type": "about:blank", "title": title, "status": error.status, "detail": str(error),
                              "code": error.code}  # fmt: skip
    if error.maybe_ran is not None:
        fields["maybe_ran"] = error.maybe_ran
    if isinstance(error, ForbiddenError):
        fields |= {"gate": error.gate, "rule": error.rule}
    headers = []
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="ksrpc"'))
    if error.status == 503:
        headers.append((b"retry-after", b"1"))
    if isinstance(error, QuotaError) and error.scope:
        fields |= {"type": _QUOTA_TYPE, "violated-policies": [error.scope], **pack_quota(error)}
        headers += _quota_headers(error)
    return Problem(error.status, fields, headers)


def _quota_headers(error: QuotaError) -> list[tuple[bytes, bytes]]:
    """Tell the quota as the draft of the IETF does: what it is, what is left, and when it opens again.

    Source: draft-ietf-httpapi-ratelimit-headers.
    """
    name = _NOT_IN_FIELDS.sub("?", error.scope)
    left, resets_in_s = max(0, error.limit_rows - error.used_rows), math.ceil(error.resets_in_s)
    headers = [
        (b"ratelimit-policy", f'"{name}";q={error.limit_rows};qu="rows";w={_DAY_S}'.encode()),
        (b"ratelimit", f'"{name}";r={left};t={resets_in_s}'.encode()),
    ]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode()))
    return headers


def pack_method_problem(method: str, allowed: str) -> Problem:
    """Make the problem document for a method that an address does not take."""
    fields = {"type": "about:blank", "title": "Method not allowed", "status": 405,
              "detail": f"{method[:20]} is not for this address; use {allowed}", "code": "method",
              "maybe_ran": False}  # fmt: skip
    return Problem(405, fields, [(b"allow", allowed.encode())])


def _pack_raised(error: RaisedError) -> Problem:
    """Show what the library raised; only its text and builtin class are read, nothing of it is constructed."""
    remote = wire.parse_error(error.body)
    type_name = str(error.meta.get("type", "")).rpartition(".")[2]
    fields = {"type": "about:blank", "title": _TITLES["raised"], "status": RemoteError.status,
              "detail": str(remote), "code": "raised", "exception": type_name, "maybe_ran": True}  # fmt: skip
    return Problem(BY_CODE["raised"].status, fields, [], error)
