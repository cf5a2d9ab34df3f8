"""Read a problem document, or any other body of an answer that is not 200, into our error.

Source: RFC 9457; docs/reference/http.md "Errors".
"""

from __future__ import annotations

from typing import NoReturn

import msgspec

from ksrpc.errors import BY_CODE, AuthError, ConnectError, DeadlineError, KsrpcError, LostError, TooLargeError
from ksrpc.protocol.fault import parse_fault

_BAD_REQUEST = 400
_GATEWAY_TIMEOUT = 504
_TEXT_CHARS = 4000
_BY_STATUS: dict[int, type[KsrpcError]] = {401: AuthError, 413: TooLargeError}


def parse_problem(status: int, body: bytes) -> KsrpcError:
    """Make the error that an answer tells of.

    A failure without our code comes from something in between, which may have passed the call on: it is lost.
    A bare 400 also comes from a gateway that read more than a request; the request itself may run by then.
    """
    try:
        fields = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.MsgspecError:
        fields = {}
    code, text = fields.get("code"), str(fields.get("detail", ""))[:_TEXT_CHARS]
    if isinstance(code, str) and code in BY_CODE:
        return parse_fault({**fields, "text": text})
    if status in _BY_STATUS:
        return _BY_STATUS[status](text or f"the server answered {status}")
    if status >= 500:
        cls = DeadlineError if status == _GATEWAY_TIMEOUT else LostError
        return cls(f"something between here and the gateway answered {status}")
    error = ConnectError(f"the server answered {status}: is this the address of a ksrpc gateway?")
    error.maybe_ran = status == _BAD_REQUEST
    return error


def throw(error: BaseException) -> NoReturn:
    """Raise an error of which nobody else knows any more.

    Its traceback holds the frames that it passes, and these what they know: an error that one of them still held would
    keep itself, the connection and its socket until the collector of garbage comes.
    """
    try:
        raise error
    finally:
        del error


def lost_answer(exc: Exception) -> LostError:
    """Say that an answer's bytes are no value, or over a bound of this side: the call itself may well have run."""
    return LostError(f"the answer cannot be read: {exc}")
