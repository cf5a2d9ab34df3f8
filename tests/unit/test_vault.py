"""A secret shows, copies, compares and travels as nothing."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

import ksrpc
from ksrpc import vault, wire
from ksrpc.errors import ConfigError, EncodeError
from ksrpc.expose import Veil
from ksrpc.vault import Secret

TEXT = "k-93ab/do not+tell"


@pytest.fixture
def key() -> Secret:
    return Secret(TEXT)


def test_it_shows_nothing(key: Secret) -> None:
    shown = [repr(key), str(key), f"{key}", f"{key:>40}", f"{key!r}", "%s" % key, repr([key]), repr({"k": key})]  # noqa: UP031
    assert not any(TEXT in text or "k-93" in text for text in shown)
    assert shown[0] == "<secret>"
    assert key.reveal() == TEXT
    assert not hasattr(key, "__dict__")


def test_it_is_written_nowhere(key: Secret) -> None:
    for write in (pickle.dumps, json.dumps, lambda item: copy.copy(item).__reduce__()):
        with pytest.raises(TypeError):
            write(key)
    with pytest.raises(EncodeError, match=r"result\['a'\]\[1\]: ksrpc\.vault\.Secret cannot travel") as caught:
        wire.pack({"a": [1, key]})
    assert TEXT not in str(caught.value)


def test_it_compares_with_its_like_only(key: Secret) -> None:
    other: Any = TEXT
    assert key == Secret(TEXT)
    assert key != Secret("other")
    assert key != other
    assert copy.deepcopy(key) is key
    with pytest.raises(TypeError, match="unhashable"):
        hash(key)
    with pytest.raises(AttributeError):
        setattr(key, "_text", "x")  # noqa: B010


def test_what_was_not_handed_over_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_handed", {})
    with pytest.raises(ConfigError, match=r"no secret 'QUOTES_KEY': list it in module\.NAME\.secrets"):
        ksrpc.secret("QUOTES_KEY")
    vault.hand_over({"QUOTES_KEY": TEXT})
    assert ksrpc.secret("QUOTES_KEY").reveal() == TEXT


FORMS = [
    TEXT,
    "k-93ab%2Fdo%20not%2Btell",
    "k-93ab%2Fdo+not%2Btell",
    "ay05M2FiL2RvIG5vdCt0ZWxs",
]


@pytest.mark.parametrize("form", FORMS)
def test_it_is_covered_in_every_form(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """In errors, even if the caller sent it; in results by refusal."""
    monkeypatch.setattr(vault, "_handed", {"K": TEXT})
    veil = Veil()
    covered = veil.over(ValueError(form), (TEXT,))(f"GET /?key={form}&x=1")
    assert covered == "GET /?key=<secret>&x=1"
    for result in (form, f"a {form} b", [1, {"x": (form,)}], {form: 1}, form.encode(), {1, form}):
        assert veil.finds(result)
    assert not veil.finds([1, "k-93", {"x": None}])


def test_without_secrets_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_handed", {"SHORT": "abc"})
    assert not Veil().finds("abc")
