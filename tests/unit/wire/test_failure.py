"""What a library raised arrives with its type, args, text, notes and causes; telling it never fails."""

from __future__ import annotations

import importlib
from typing import Any

import msgpack
import numpy as np
import pytest

from ksrpc.errors import DecodeError, RemoteError
from ksrpc.wire import pack, pack_error, parse, parse_error, tag
from tests.unit.wire.carry import container


def told(error: BaseException, **options: Any) -> RemoteError:
    """Return what arrives for an exception."""
    return parse_error(pack_error(error, **options).join())


ERRORS: list[Exception] = [
    ValueError("bad", 1, None),
    ZeroDivisionError("division by zero"),
    KeyError("k"),
    KeyError(("a", 1)),
    TypeError(),
    IndexError(2**80),
    FileNotFoundError(2, "No such file", "data.csv"),
    OSError("text only"),
    OSError(5, "I/O"),
    PermissionError(13, "no", "a", None, "b"),
    TimeoutError("late"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    AttributeError("no x"),
    StopAsyncIteration("end"),
    RuntimeError(np.arange(3)),
    UserWarning("careful"),
]


@pytest.mark.parametrize("error", ERRORS[:13] + ERRORS[15:], ids=repr)
def test_a_builtin_arrives_as_that_builtin(error: Exception) -> None:
    got = told(error)
    assert isinstance(got, type(error))
    assert type(got).__name__ == type(error).__name__
    assert got.args == error.args
    assert str(got) == str(error)
    assert got.type_name == f"builtins.{type(error).__name__}"


def test_parts_of_os_errors_arrive() -> None:
    got: Any = told(FileNotFoundError(2, "No such file", "data.csv"))
    assert (got.errno, got.strerror, got.filename, got.filename2) == (2, "No such file", "data.csv", None)
    two: Any = told(PermissionError(13, "no", "a", None, "b"))
    assert (two.filename, two.filename2) == ("a", "b")


def test_the_missing_name_arrives() -> None:
    try:
        importlib.import_module("ksrpc.no_such_module")
    except ImportError as error:
        got: Any = told(error)
    assert got.name == "ksrpc.no_such_module"


class VendorError(Exception):
    """An exception that the caller does not have."""


class RudeError(Exception):
    """An exception that does not want to be told."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    @property
    def __notes__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no")


def test_another_class_arrives_as_its_text() -> None:
    got = told(VendorError("quota used up", 40203))
    assert type(got) is RemoteError
    assert str(got) == "VendorError: quota used up" or "40203" in str(got)
    assert got.type_name.endswith("test_failure.VendorError")


class LimitError(VendorError, ValueError):
    """An exception of a class that the caller does not have, on top of one that it has."""


@pytest.mark.parametrize("text", ["too many rows", "", "42"])
def test_a_class_on_top_of_a_builtin_arrives_as_that_builtin(text: str) -> None:
    got = told(LimitError(text))
    assert isinstance(got, ValueError)
    assert str(got) == text
    assert got.type_name.endswith("test_failure.LimitError")
    assert got.__notes__ == [f"raised on the server as {got.type_name}"]


def test_a_class_on_top_of_key_error_keeps_its_text() -> None:
    class MissingKeyError(KeyError):
        pass

    got = told(MissingKeyError("close"))
    assert isinstance(got, KeyError)
    assert str(got) == "'close'"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration(5)], ids=repr)
def test_what_would_end_the_program_is_wrapped(error: BaseException) -> None:
    got = told(error)
    assert type(got) is RemoteError
    assert not isinstance(got, SystemExit | KeyboardInterrupt | GeneratorExit | StopIteration)
    assert type(error).__name__ in str(got)


def test_notes_causes_and_traceback_arrive() -> None:
    error = ValueError("outer")
    error.add_note("try again")
    error.__cause__ = KeyError("inner")
    error.__cause__.__cause__ = VendorError("first")
    got = told(error, traceback_text="Traceback: here")
    assert got.__notes__ == ["try again"]
    assert got.remote_traceback == "Traceback: here"
    assert isinstance(got.__cause__, KeyError)
    assert str(got.__cause__.__cause__).startswith("VendorError")


def test_a_context_is_not_told() -> None:
    error = ValueError("outer")
    error.__context__ = KeyError("password")
    assert b"password" not in pack_error(error).join()


def test_a_chain_without_end_is_cut() -> None:
    error = ValueError("loop")
    other = ValueError("other")
    error.__cause__, other.__cause__ = other, error
    depth, at = 0, told(error).__cause__
    while at is not None:
        depth, at = depth + 1, at.__cause__
    assert depth == 7


def test_an_argument_that_cannot_travel_becomes_its_text() -> None:
    got = told(ValueError(object, {"f": len}, "ok", [1]))
    assert got.args == ("<class 'object'>", str({"f": len}), "ok", [1])
    assert len(told(ValueError(np.zeros(100_000))).args[0]) < 1000


@pytest.mark.parametrize(
    "error",
    [
        RudeError("x"),
        VendorError("\ud800"),
        ValueError("\ud800" * 10),
        ValueError("x" * 10**6),
        VendorError(*range(500)),
    ],
)
def test_telling_never_fails(error: Exception) -> None:
    message = pack_error(error, traceback_text="\ud800")
    assert message.nbytes < 1 << 20
    assert type(error).__name__ in parse_error(message.join()).type_name


def test_an_exception_is_a_value_too() -> None:
    got = parse(pack({"errors": [ValueError("a"), None]}).join())
    assert isinstance(got["errors"][0], ValueError)


@pytest.mark.parametrize("value", [None, 1, [ValueError("x")], "ValueError"])
def test_what_is_no_exception_is_refused(value: Any) -> None:
    with pytest.raises(DecodeError, match="not an exception"):
        parse_error(pack(value).join())


GOOD: tuple[Any, ...] = ("builtins.ValueError", [], "", [], None, {}, "")
BAD = {f"{at} {value!r}": (*GOOD[:at], value, *GOOD[at + 1 :]) for at in range(7) for value in (5, b"x")}


@pytest.mark.parametrize("parts", [*BAD.values(), GOOD[:6], (*GOOD, 1), (*GOOD[:3], [1], *GOOD[4:])], ids=str)
def test_an_exception_that_cannot_be_is_refused(parts: tuple[Any, ...]) -> None:
    with pytest.raises(DecodeError):
        parse_error(container(msgpack.packb([msgpack.ExtType(1, bytes([tag.EXCEPTION])), *parts])))
