"""Errors of ksrpc itself as the meta of a RAISE frame, and back. What a library raised travels as a value (wire).

Source: docs/spec/protocol.md "RAISE".
"""

from __future__ import annotations

from ksrpc.errors import BY_CODE, ForbiddenError, KsrpcError, LostError, QuotaError, RefusedError
from ksrpc.protocol.frame import Meta

#: The code under which a library's own exception travels; its body is a value.
RAISED = "raised"
_TEXT_CHARS = 4000
_NUMBER = (int, float)
#: What is told of a quota → its types.
_QUOTA = {"scope": (str,), "limit_rows": (int,), "used_rows": (int,), "resets_in_s": _NUMBER, "retry_after_s": _NUMBER}


def pack_fault(error: BaseException) -> Meta:
    """Pack an error of ksrpc; any other becomes a bare "internal", since its text may hold what must not leave."""
    if not isinstance(error, KsrpcError):
        return {"code": "internal", "text": "internal error; see the server's log", "maybe_ran": True}
    meta: Meta = {"code": error.code, "text": str(error)[:_TEXT_CHARS]}
    if error.maybe_ran is not None:
        meta["maybe_ran"] = error.maybe_ran
    if isinstance(error, ForbiddenError):
        meta["gate"], meta["rule"] = error.gate, error.rule
    if isinstance(error, QuotaError) and error.scope:
        meta |= pack_quota(error)
    return meta


def pack_quota(error: QuotaError) -> Meta:
    """Tell which quota is used up, for programs; what is not known is left out."""
    return {name: value for name in _QUOTA if (value := getattr(error, name)) is not None}


def parse_fault(meta: Meta) -> KsrpcError:
    """Make the error that the meta tells of; an unknown code becomes the base class with its text."""
    code, text = str(meta.get("code", "")), str(meta.get("text", ""))
    cls = BY_CODE.get(code, KsrpcError)
    if cls is ForbiddenError:
        return ForbiddenError(text, gate=str(meta.get("gate", "")), rule=str(meta.get("rule", "")))
    if issubclass(cls, LostError):
        return cls(text, maybe_ran=meta.get("maybe_ran") is not False)
    if cls is QuotaError:
        return QuotaError(text, **_parse_quota(meta))
    error = cls(text)
    if not isinstance(error, RefusedError) and isinstance(meta.get("maybe_ran"), bool):
        error.maybe_ran = meta["maybe_ran"]
    return error


def _parse_quota(meta: Meta) -> Meta:
    """Return what is told of a quota, as far as it is of the right types."""
    return {name: meta[name] for name, kinds in _QUOTA.items() if type(meta.get(name)) in kinds}
