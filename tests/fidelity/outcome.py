"""What a way does with a case: "" if it is right, else what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ksrpc.errors import DecodeError, EncodeError, KsrpcError
from ksrpc.wire import REQUEST_ANY_TABLE, REQUEST_TABLE, pack, pack_arguments, parse, parse_arguments
from tests.fidelity.case import Case
from tests.integration.sameness import assert_same

Call = Callable[..., Any]


def difference(case: Case, got: Any, expected: Any) -> str:
    """Return how two values of a case differ."""
    facts = case.row.facts or _itself
    try:
        assert_same(facts(got), facts(expected))
    except AssertionError as error:
        return f"differs: {error}"
    return ""


def _itself(value: Any) -> Any:
    return value


def through_codec(case: Case) -> str:
    """Pack and parse, as a result and as arguments of both kinds of functions."""
    if case.row.scope in ("never", "sent"):
        wrong = _refused(lambda: pack(case.make()), EncodeError, f"result{case.path}", case.row.refusal)
        if case.row.scope == "never":
            return wrong
    else:
        wrong = _compared(case, lambda: parse(pack(case.make()).join()), case.as_result)
    if case.row.scope == "request":
        wrong = wrong or _compared(case, lambda: _parsed(case, REQUEST_TABLE), case.as_argument)
    elif case.row.scope in ("any", "sent"):
        wrong = wrong or _refused(lambda: _parsed(case, REQUEST_TABLE), DecodeError, "", "is not accepted in arguments")
        wrong = wrong or _compared(case, lambda: _parsed(case, REQUEST_ANY_TABLE), case.as_argument)
    else:
        wrong = wrong or _refused(
            lambda: _parsed(case, REQUEST_ANY_TABLE), EncodeError, f"args[0]{case.path}", case.row.refusal
        )
    return wrong


def _parsed(case: Case, table: Any) -> Any:
    return parse_arguments(pack_arguments((case.make(),), {}).join(), table=table)[0][0]


def as_result(case: Case, call: Call) -> str:
    """Let the server make it."""
    if case.row.scope in ("never", "sent"):
        return _refused(lambda: call("there.make", case.name), KsrpcError, f"result{case.path}", case.row.refusal)
    return _compared(case, lambda: call("there.make", case.name), case.as_result)


def as_argument(case: Case, call: Call, *, looked_at: bool) -> str:
    """Send it to `demo.echo`, or to where its look is told beside it, and see what comes back."""
    if case.row.scope in ("never", "result"):
        return _refused(lambda: call("demo.echo", case.make()), EncodeError, f"args[0]{case.path}", case.row.refusal)
    if case.row.scope == "sent":
        return _text(lambda: str(call("there.judge", case.name, case.make())))
    if not looked_at:
        return _compared(case, lambda: call("demo.echo", case.make()), case.as_argument)
    return _text(lambda: _looked_at(case, call))


def _looked_at(case: Case, call: Call) -> str:
    told, back = call("there.look", case.name, case.make())
    return str(told) or difference(case, back, case.as_argument())


def _text(told: Callable[[], str]) -> str:
    try:
        return told()
    except Exception as error:
        return _failed(error)


def _compared(case: Case, get: Call, expect: Call) -> str:
    return _text(lambda: difference(case, get(), expect()))


def _refused(action: Call, kind: type[Exception], path: str, text: str) -> str:
    """Tell whether an action fails with an error of this kind that names path and reason."""
    try:
        action()
    except kind as error:
        told = str(error)
        return "" if path in told and text in told else f"the refusal lacks {path!r} or {text!r}: {told}"
    except Exception as error:
        return _failed(error)
    return "was not refused"


def _failed(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
