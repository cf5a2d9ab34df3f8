"""Exceptions as values: what stands in a result."""

from __future__ import annotations

import json
from typing import Any

from ksrpc.errors import RemoteError
from tests.fidelity.case import Row


def _noted() -> BaseException:
    error = ValueError("x", 1)
    if hasattr(error, "add_note"):
        error.add_note("first note")
    return error


def _caused() -> BaseException:
    error = KeyError("missing")
    error.__cause__ = ZeroDivisionError("division by zero")
    return error


def _named() -> BaseException:
    return ModuleNotFoundError("No module named 'x'", name="x")


def facts_of(value: Any) -> Any:
    """Return what an exception tells, of the one that was raised there or its stand-in here."""
    if isinstance(value, list):
        return [facts_of(item) for item in value]
    if isinstance(value, dict):
        return {key: facts_of(item) for key, item in value.items()}
    if not isinstance(value, BaseException):
        return value
    name = getattr(value, "type_name", "") or f"{type(value).__module__}.{type(value).__qualname__}"
    told = [name.removeprefix("builtins."), list(value.args), str(value), list(getattr(value, "__notes__", ()))]
    extra = {part: getattr(value, part, None) for part in ("errno", "strerror", "filename", "filename2", "name")}
    return [told, facts_of(value.__cause__), {part: found for part, found in extra.items() if found is not None}]


def _as_base(error: BaseException) -> BaseException:
    """Give the builtin that stands for a library's exception: with its text, and a note that names its class."""
    base = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
    made: Any = base(*error.args)
    made.type_name = f"{type(error).__module__}.{type(error).__qualname__}"
    if hasattr(made, "add_note"):
        made.add_note(f"raised on the server as {made.type_name}")
    return made  # type: ignore[no-any-return]


def _as_remote(error: BaseException) -> BaseException:
    """Give what stands for an exception that would mean something else if it were raised here."""
    made = RemoteError(f"{type(error).__name__}: {error}")
    made.type_name = f"builtins.{type(error).__name__}"
    return made


ROWS = [
    Row(
        "builtin exceptions",
        "result",
        {
            "value error": lambda: ValueError("wrong"),
            "no text": ValueError,
            "key error": lambda: KeyError("a"),
            "key error of a tuple": lambda: KeyError(("a", 1)),
            "several args": lambda: TypeError("a", 2, [3.5, None]),
            "os error": lambda: FileNotFoundError(2, "No such file or directory", "bars.csv"),
            "os error of two files": lambda: OSError(18, "Invalid cross-device link", "a", None, "b"),
            "import error": _named,
            "overflow": lambda: OverflowError(34, "Numerical result out of range"),
            "noted": _noted,
            "caused": _caused,
            "unicode text": lambda: RuntimeError("行情\ud800"),
            "in a list": lambda: [LookupError("a"), {"b": ArithmeticError(1)}],
        },
        facts=facts_of,
        refusal="exception",
    ),
    Row(
        "exceptions of libraries",
        "result",
        {"json error": lambda: json.JSONDecodeError("Expecting value", "[1,", 3)},
        stand_in=_as_base,
        facts=facts_of,
        refusal="exception",
    ),
    Row(
        "`StopIteration`, `SystemExit`, `KeyboardInterrupt`, `GeneratorExit`",
        "result",
        {"stop iteration": lambda: StopIteration(5), "system exit": lambda: SystemExit(2)},
        stand_in=_as_remote,
        facts=facts_of,
        refusal="exception",
    ),
]
