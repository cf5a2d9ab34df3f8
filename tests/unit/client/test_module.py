"""A module that is filled from a server holds names, texts and calls: nothing of the server is run here."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

import ksrpc
from ksrpc.client.module import RemoteType
from ksrpc.errors import ForbiddenError, QuotaError
from tests.unit.client.test_discovery import POW, Speaker

EVIL = {
    "kind": "module",
    "doc": "\x1b[2JHello.",
    "members": [
        "__path__",
        "__class__",
        "__getattr__",
        "__builtins__",
        "a\nb",
        "import",
        "x" * 81,
        7,
        None,
        "fine",
        "Kind",
    ],
    "version": "1\x1b[0m",
    "generation": 0,
}


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    made = Speaker(
        {"evil": EVIL, "evil.fine": POW, "evil.Kind": {**POW, "kind": "class", "members": ["make", "__new__"]}}
    )
    made.told |= {"evil.Kind.make": POW, "evil.LIMIT": {"kind": "value"}, "evil.shut": ForbiddenError("not for you")}
    ksrpc.install("evil", made)
    yield made
    ksrpc.uninstall("evil")


@pytest.fixture
def evil(speaker: Speaker) -> Any:
    return importlib.import_module("evil")


def test_only_public_names_come_from_the_server(evil: Any, speaker: Speaker) -> None:
    assert type(evil) is types.ModuleType
    assert evil.__path__ == []
    assert evil.__doc__ == "[2JHello."
    assert evil.__version__ == "1[0m"
    assert evil.__all__ == ["Kind", "fine"]
    assert {name for name in dir(evil) if not name.startswith("__")} == {"Kind", "fine"}
    assert "__builtins__" not in vars(evil)


@pytest.mark.parametrize("name", ["_private", "__file__", "__wrapped__", "a b", "class", "é" * 81, "_ipython_display_"])
def test_other_names_are_not_even_asked_for(name: str, evil: Any, speaker: Speaker) -> None:
    speaker.asked.clear()
    assert not hasattr(evil, name)
    assert speaker.asked == []


def test_a_name_is_asked_for_once(evil: Any, speaker: Speaker) -> None:
    speaker.asked.clear()
    assert evil.fine is evil.fine
    assert evil.LIMIT == evil.LIMIT == "evil.LIMIT"
    assert speaker.asked == ["evil.fine", "evil.LIMIT", "call evil.LIMIT"]


def test_a_star_asks_for_everything_at_once(evil: Any, speaker: Speaker) -> None:
    speaker.asked.clear()
    names: dict[str, Any] = {}
    exec("from evil import *", names)
    assert {"Kind", "fine"} <= set(names)
    assert speaker.asked == ["/v1/describe/evil?members=true"]


def test_a_class_is_one_and_its_methods_are_functions(evil: Any, speaker: Speaker) -> None:
    kind = evil.Kind
    assert inspect.isclass(kind)
    assert type(kind) is RemoteType
    assert kind(1) == "evil.Kind"
    assert kind.make(1) == "evil.Kind.make"
    assert str(inspect.signature(kind.make)) == "(x: float, /, y=2) -> float"
    assert "make" in dir(kind)
    assert not hasattr(kind, "__len__")
    assert repr(kind) == "<remote class evil.Kind>"


def test_what_a_gate_refuses_is_no_attribute(evil: Any) -> None:
    with pytest.raises(AttributeError, match="'evil' has no attribute 'shut': not for you"):
        evil.shut  # noqa: B018
    assert not hasattr(evil, "shut")


def test_other_failures_are_told_as_they_are(evil: Any, speaker: Speaker) -> None:
    speaker.told["evil.fine"] = QuotaError("used up")
    with pytest.raises(QuotaError, match="used up"):
        evil.fine  # noqa: B018


def test_the_code_of_a_function_has_no_source(evil: Any) -> None:
    assert evil.fine.__code__.co_filename == "<evil on the server>"
    with pytest.raises(OSError, match="source"):
        inspect.getsource(evil.fine)


def test_nothing_is_asked_before_the_import(speaker: Speaker) -> None:
    assert speaker.asked == []
    assert "evil" not in sys.modules
    assert importlib.util.find_spec("evil") is not None
    assert speaker.asked == []
