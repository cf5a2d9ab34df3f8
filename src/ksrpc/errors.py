"""Every error of ksrpc, in one tree; each class carries its wire code, HTTP status and whether a retry can help.

The first split answers the caller's question *"did my call run?"*:

    KsrpcError
    ├── RefusedError            it never reached the library
    │   ├── AuthError           401  no, unknown or expired token
    │   ├── AddressError        403  the address rule says no
    │   ├── ForbiddenError      403  a gate of the policy says no; names gate and rule
    │   ├── NotFoundError       404  nothing here for this caller (constant text, also for what may not be known)
    │   ├── DecodeError         400  bytes that are not a value
    │   ├── ArgumentError       422  arguments that do not fit the signature
    │   ├── NotAcceptableError  406  the result has no such representation
    │   ├── TooLargeError       413  a bound of `limits` was passed
    │   ├── UnsupportedError    415  a body in a format this server does not speak
    │   ├── QuotaError          429  the caller's quota is used up
    │   └── BusyError           503  no worker, draining, queue full
    ├── RemoteError             500  the library raised; also an instance of the builtin it raised
    ├── LostError               502  the answer did not arrive; `maybe_ran` says whether the call may have run
    │   ├── DeadlineError       504  the call's time was over
    │   └── CancelledError      499  the caller gave up
    └── LocalError              —    raised on this side, before or after the wire
        ├── EncodeError              a value that cannot travel; names its path inside the whole
        ├── ProtocolError            the peer broke a rule of the protocol; names the rule
        ├── ConnectError             no connection
        ├── ConfigError              a setting that cannot be; names file, line and key
        └── MissingExtraError        an optional package is not installed; names the cure

Source: docs/reference/errors.md.
"""

from __future__ import annotations

import builtins
from typing import Any, ClassVar

__all__ = [
    "BY_CODE",
    "AddressError",
    "ArgumentError",
    "AuthError",
    "BusyError",
    "CancelledError",
    "ConfigError",
    "ConnectError",
    "DeadlineError",
    "DecodeError",
    "EncodeError",
    "ForbiddenError",
    "KsrpcError",
    "LocalError",
    "LostError",
    "MissingExtraError",
    "NotAcceptableError",
    "NotFoundError",
    "ProtocolError",
    "QuotaError",
    "RefusedError",
    "RemoteError",
    "TooLargeError",
    "UnsupportedError",
    "make_remote",
]


class KsrpcError(Exception):
    """Be the base of every error that ksrpc itself raises."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    #: Whether the library may have been called. None where the question makes no sense.
    maybe_ran: bool | None = None


class RefusedError(KsrpcError):
    """Say that the call never reached the library."""

    code = "refused"
    status = 400
    maybe_ran = False


class AuthError(RefusedError, PermissionError):
    """Say that the token is missing, unknown, revoked or expired."""

    code = "unauthorized"
    status = 401


class AddressError(RefusedError, PermissionError):
    """Say that the address rule does not admit this peer or this kind of request."""

    code = "address"
    status = 403


class ForbiddenError(RefusedError, PermissionError):
    """Say which gate of the policy refused, and by which rule.

    Attributes:
        gate: "A" (surface), "B" (owner), "C" (arguments) or "D" (place).
        rule: The rule's id as in docs/spec/policy.md, "A1" for example.
    """

    code = "forbidden"
    status = 403

    def __init__(self, text: str, *, gate: str = "", rule: str = "") -> None:
        super().__init__(text)
        self.gate = gate
        self.rule = rule


class NotFoundError(RefusedError, LookupError):
    """Say that there is nothing at this path for this caller, whatever the reason."""

    code = "not_found"
    status = 404
    #: The one text for unknown, not installed and not allowed: a caller cannot tell them apart.
    TEXT: ClassVar[str] = "no such module here, or not for you; ask the administrator of this server to allow it"

    def __init__(self, text: str = "") -> None:
        super().__init__(text or self.TEXT)


class DecodeError(RefusedError, ValueError):
    """Say that bytes are not a value of the wire format, or one that this side does not accept."""

    code = "decode"
    status = 400


class ArgumentError(RefusedError, TypeError):
    """Say that the arguments do not fit the function's signature."""

    code = "argument"
    status = 422


class NotAcceptableError(RefusedError, ValueError):
    """Say that the result cannot be represented in the format that was asked for."""

    code = "not_acceptable"
    status = 406


class TooLargeError(RefusedError, ValueError):
    """Say which bound was passed."""

    code = "too_large"
    status = 413


class UnsupportedError(RefusedError, ValueError):
    """Say that the body's format is not spoken here."""

    code = "unsupported"
    status = 415


class QuotaError(RefusedError):
    """Say which quota is used up and when it opens again.

    Attributes:
        scope: What the quota is of: a module or function; "*" is everything together.
        limit_rows: How much it is.
        used_rows: How much of it is used.
        resets_in_s: When it opens again [s].
        retry_after_s: When the call may be tried again [s]: earlier, if what is left is held by calls that run; None if
            no time helps.
    """

    code = "quota"
    status = 429
    retryable = True

    def __init__(
        self,
        text: str = "",
        *,
        scope: str = "",
        limit_rows: int = 0,
        used_rows: int = 0,
        resets_in_s: float = 0.0,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.scope = scope
        self.limit_rows = limit_rows
        self.used_rows = used_rows
        self.resets_in_s = resets_in_s
        self.retry_after_s = retry_after_s


class BusyError(RefusedError):
    """Say that nothing can run the call now: no worker, draining, queue full."""

    code = "busy"
    status = 503
    retryable = True


class RemoteError(KsrpcError):
    """Carry what the library raised. Instances are also instances of the builtin it raised, if it was one.

    Attributes:
        type_name: Qualified name of the original class, such as "builtins.ZeroDivisionError".
        remote_traceback: Text of the traceback on the server; empty unless the policy shows it.
    """

    code = "raised"
    status = 500
    maybe_ran = True
    type_name: str = ""
    remote_traceback: str = ""


class LostError(KsrpcError, ConnectionError):
    """Say that the answer did not arrive.

    Attributes:
        maybe_ran: False only if the library certainly was not called; then a retry is safe.
    """

    code = "lost"
    status = 502

    def __init__(self, text: str = "", *, maybe_ran: bool = True) -> None:
        super().__init__(text)
        self.maybe_ran = maybe_ran
        self.retryable = not maybe_ran  # type: ignore[misc]  # per instance here, per class elsewhere


class DeadlineError(LostError, TimeoutError):
    """Say that the call's time was over before its answer."""

    code = "deadline"
    status = 504


class CancelledError(LostError):
    """Say that the caller gave up before the answer."""

    code = "cancelled"
    status = 499


class LocalError(KsrpcError):
    """Be the base of what is wrong on this side of the wire."""

    code = "local"


class EncodeError(LocalError, TypeError):
    """Say that a value cannot travel, and where in the whole it stands: `result[1]['model']: statsmodels…`."""

    code = "encode"


class ProtocolError(LocalError):
    """Say which rule of the protocol the peer broke. The connection is over."""

    code = "protocol"
    status = 400


class ConnectError(LocalError, ConnectionError):
    """Say why no connection could be made."""

    code = "connect"
    retryable = True
    maybe_ran = False


class ConfigError(LocalError, ValueError):
    """Name file, line and key of a setting that cannot be."""

    code = "config"


class MissingExtraError(LocalError, ImportError):
    """Name the optional package that is missing and the `pip install` that cures it."""

    code = "missing_extra"


def _tree(cls: type[KsrpcError]) -> list[type[KsrpcError]]:
    return [cls, *(sub for child in cls.__subclasses__() for sub in _tree(child))]


#: Wire code → class, for whoever reads a RAISE frame or a problem document.
BY_CODE: dict[str, type[KsrpcError]] = {cls.code: cls for cls in _tree(KsrpcError)}

#: Never raised at a client as themselves, whatever the peer says: they would end the program or the task.
_ONLY_WRAPPED = {"BaseException", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseExceptionGroup",
                 "ExceptionGroup", "StopIteration", "StopAsyncIteration"}  # fmt: skip


def _remote_classes() -> dict[str, type[RemoteError]]:
    table: dict[str, type[RemoteError]] = {}
    for name, cls in vars(builtins).items():
        if isinstance(cls, type) and issubclass(cls, Exception) and cls.__name__ == name and name not in _ONLY_WRAPPED:
            bases = (RemoteError,) if cls is Exception else (RemoteError, cls)
            table[name] = type(name, bases, {"__module__": "builtins", "__doc__": cls.__doc__})
    return table


#: Builtin exception name → class that is RemoteError and that builtin. Fixed at import; never extended from the wire.
REMOTE_BUILTINS: dict[str, type[RemoteError]] = _remote_classes()


def make_remote(type_name: str, args: tuple[Any, ...], text: str, *, base: str = "") -> RemoteError:
    """Make the exception to raise for what the library raised.

    Args:
        type_name: Qualified name of the original class.
        args: The original's args.
        text: `str()` of the original, used where args cannot reproduce it.
        base: Name of the builtin that the original class derives from, if it is none itself.

    Returns:
        An instance of RemoteError and of the builtin of that name, with equal args and text. For another class one of
        its builtin base, so that `except ValueError` catches a JSONDecodeError; its text is the original's and a note
        names the class. A plain RemoteError, whose text begins with the class's name, where there is neither.
    """
    module, _, name = type_name.rpartition(".")
    if module == "builtins":
        error = _construct(REMOTE_BUILTINS.get(name), args)
    elif base != "Exception" and (error := _construct(REMOTE_BUILTINS.get(base), args, text)):
        error.add_note(f"raised on the server as {type_name}")
    else:
        error = None
    if error is None:
        error = RemoteError(f"{name}: {text}" if text else name)
    error.type_name = type_name
    return error


def _construct(cls: type[RemoteError] | None, args: tuple[Any, ...], text: str | None = None) -> RemoteError | None:
    """Make an instance of args, or of its text if that is given and args do not give it; None if neither works."""
    for attempt in (args, (text,)):
        try:
            error = cls(*attempt) if cls is not None else None
        except Exception:  # noqa: S112 - a builtin that wants other args (UnicodeDecodeError) than the peer sent
            continue
        if text is None or str(error) == text:
            return error
    return None
