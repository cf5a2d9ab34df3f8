"""Errors of ksrpc itself as the meta of a RAISE frame, and back. What a library raised travels as a value (wire).

Source: docs/spec/protocol.md "RAISE".
"""

from __future__ import annotations

from ksrpc.errors import BY_CODE, ForbiddenError, KsrpcError, LostError, RefusedError
from ksrpc.protocol.frame import Meta

#: The code under which a library's own exception travels; its body is a value.
RAISED = "raised"
_TEXT_CHARS = 4000


def pack_fault(error: BaseException) -> Meta:
    """Pack an error of ksrpc; any other becomes a bare "internal", since its text may hold what must not leave."""
    if not isinstance(error, KsrpcError):
        return {"code": "internal", "text": "internal error; see the server's log", "maybe_ran": True}
    meta: Meta = {"code": error.code, "text": str(error)[:_TEXT_CHARS]}
    if error.maybe_ran is not None:
        meta["maybe_ran"] = error.maybe_ran
    if isinstance(error, ForbiddenError):
        meta["gate"], meta["rule"] = error.gate, error.rule
    return meta


def parse_fault(meta: Meta) -> KsrpcError:
    """Make the error that the meta tells of; an unknown code becomes the base class with its text."""
    code, text = str(meta.get("code", "")), str(meta.get("text", ""))
    cls = BY_CODE.get(code, KsrpcError)
    if cls is ForbiddenError:
        return ForbiddenError(text, gate=str(meta.get("gate", "")), rule=str(meta.get("rule", "")))
    if issubclass(cls, LostError):
        return cls(text, maybe_ran=meta.get("maybe_ran") is not False)
    error = cls(text)
    if not isinstance(error, RefusedError) and isinstance(meta.get("maybe_ran"), bool):
        error.maybe_ran = meta["maybe_ran"]
    return error
