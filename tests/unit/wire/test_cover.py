"""An exception is told without what its cover takes out, and otherwise as it is."""

from __future__ import annotations

import collections
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ksrpc.errors import RemoteError
from ksrpc.wire import pack_error, parse_error
from tests.unit.wire.test_failure import ERRORS


def cover(text: str) -> str:
    """Take out the word "hidden"."""
    return text.replace("hidden", "…")


def told(error: BaseException) -> RemoteError:
    """Return what arrives; expect nothing hidden in its bytes."""
    data = pack_error(error, cover=cover).join()
    assert b"hidden" not in data.replace(b"\0", b"")
    return parse_error(data)


@pytest.mark.parametrize("error", ERRORS[:13] + ERRORS[15:], ids=repr)
def test_without_anything_to_hide_all_is_as_it_was(error: Exception) -> None:
    got = told(error)
    assert isinstance(got, type(error))
    assert got.args == error.args
    assert str(got) == str(error)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("hidden",), ("…",)),
        ((b"a hidden", 1), ("a …".encode(), 1)),
        ((["hidden", ("hidden", 2)],), (["…", ("…", 2)],)),
        (({"hidden": {"hidden"}},), ({"…": {"…"}},)),
        ((Decimal(1), None, 2.5), (Decimal(1), None, 2.5)),
        ((Path("hidden"),), ("…",)),
        ((pd.DataFrame({"x": ["hidden"]}),), ("        x\n0  …",)),
        ((np.array(["hidden"]),), ("['…']",)),
        ((collections.OrderedDict(hidden=1),), ("OrderedDict([('…', 1)])",)),
    ],
    ids=repr,
)
def test_args_are_covered(args: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    got = told(ValueError(*args)).args
    assert [str(item).replace("OrderedDict({'…': 1})", "OrderedDict([('…', 1)])") for item in got] == [
        str(item) for item in expected
    ]


def test_a_table_without_anything_to_hide_travels() -> None:
    (table,) = told(ValueError(pd.DataFrame({"x": [1]}))).args
    assert table.equals(pd.DataFrame({"x": [1]}))


def test_notes_causes_and_members_are_covered() -> None:
    error = ValueError("x")
    error.add_note("hidden note")
    error.__cause__ = KeyError("hidden")
    got = told(error)
    assert got.__notes__ == ["… note"]
    assert str(got.__cause__) == "'…'"
    told(ExceptionGroup("hidden", [ValueError("hidden"), OSError(2, "no", "hidden")]))
    (inner,) = told(ValueError(ValueError(["hidden"]))).args
    assert (type(inner).__name__, inner.args) == ("ValueError", (["…"],))


def test_file_names_are_covered() -> None:
    got: Any = told(FileNotFoundError(2, "no", "hidden.csv", None, b"hidden"))
    assert (got.filename, got.filename2, got.errno) == ("….csv", "…".encode(), 2)


def test_of_a_syntax_error_neither_file_nor_line_is_told() -> None:
    with pytest.raises(SyntaxError) as raised:
        compile("x = 1\nhidden = = 'source'", "/srv/bars.py", "exec")
    got: Any = told(raised.value)
    assert isinstance(got, SyntaxError)
    assert str(got) == "invalid syntax (line 2)"
    assert (got.filename, got.text, got.lineno) == (None, None, 2)
    assert b"bars.py" not in pack_error(raised.value, cover=cover).join()
    assert str(told(SyntaxError("bare"))) == "bare"


@pytest.mark.parametrize("data", [b"hidden \xff source", b"hidden \xe4\xbd", "hidden é source"])
def test_of_a_codec_error_only_the_place_is_told(data: Any) -> None:
    with pytest.raises(UnicodeError) as raised:
        data.decode() if isinstance(data, bytes) else data.encode("ascii")
    got: Any = told(raised.value)
    assert type(got).__name__ == type(raised.value).__name__
    assert str(got) == str(raised.value)
    assert len(got.object) == len(data)
    assert b"source" not in pack_error(raised.value, cover=cover).join()


def test_a_foreign_class_is_covered() -> None:
    got = told(subprocess.CalledProcessError(1, ["cat", "hidden"]))
    assert "['cat', '…']" in str(got)


def test_deep_and_endless_args_are_told_somehow() -> None:
    endless: list[Any] = ["hidden"]
    endless.append(endless)
    deep: Any = "hidden"
    for _ in range(30):
        deep = [deep]
    for args in (endless, deep):
        assert "hidden" not in str(told(ValueError(args)))
