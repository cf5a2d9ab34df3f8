"""Tokens: recognised, never readable, shared between processes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ksrpc.errors import AuthError, ConfigError
from ksrpc.store import TokenStore
from ksrpc.store.token import looks_right


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TokenStore]:
    made = TokenStore(tmp_path / "data" / "store.sqlite3")
    yield made
    made.close()


def test_a_token_is_recognised(store: TokenStore) -> None:
    token = store.create("li", scopes=frozenset({"call", "admin"}))
    record = store.identify(token)
    assert (record.user, record.scopes) == ("li", frozenset({"call", "admin"}))
    assert token.startswith(f"ksr_{record.id}_")
    assert looks_right(token)
    assert store.is_id_valid(record.id)


def test_nothing_of_the_secret_is_in_any_file(store: TokenStore, tmp_path: Path) -> None:
    token = store.create("li")
    store.revoke(store.identify(store.create("wang")).id)
    secret = token.split("_")[2].encode()
    files = [path for path in (tmp_path / "data").iterdir() if path.is_file()]
    held = b"".join(path.read_bytes() for path in files)
    assert b"wang" in held
    for size in (8, 16, len(secret)):
        assert secret[:size] not in held
        assert secret[-size:] not in held


def test_files_are_their_owner_s_alone(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        store = TokenStore(tmp_path / "data" / "store.sqlite3")
        store.create("li")
    finally:
        os.umask(mask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    store.close()


@pytest.mark.parametrize(
    "token",
    ["", "x", "ksr_", "ksr_aaaaaaaa_" + "b" * 49, "k" * 300, "k" * 10_000_000, "令牌", "ksr_\udcff", "\x00" * 62, " "],
    ids=["none", "short", "prefix", "unknown", "long", "huge", "Chinese", "surrogate", "zeros", "space"],
)
def test_wrong_tokens_are_refused_in_the_same_words(store: TokenStore, token: str) -> None:
    store.create("li")
    with pytest.raises(AuthError, match=r"^unknown or expired token$"):
        store.identify(token)


def test_a_token_with_one_letter_changed(store: TokenStore) -> None:
    token = store.create("li")
    for at in range(len(token)):
        wrong = token[:at] + ("x" if token[at] != "x" else "y") + token[at + 1 :]
        assert not looks_right(wrong)
        with pytest.raises(AuthError):
            store.identify(wrong)


def test_revoked(store: TokenStore) -> None:
    token = store.create("li")
    record = store.identify(token)
    assert store.revoke(record.id)
    assert not store.revoke(record.id)
    assert not store.revoke("unknown")
    assert not store.is_id_valid(record.id)
    with pytest.raises(AuthError, match=r"^unknown or expired token$"):
        store.identify(token)


@pytest.mark.parametrize("lifetime_s", [0.0, -5.0])
def test_expired(store: TokenStore, lifetime_s: float) -> None:
    token = store.create("li", lifetime_s=lifetime_s)
    with pytest.raises(AuthError, match=r"^unknown or expired token$"):
        store.identify(token)
    assert not store.is_id_valid(store.records()[0].id)


def test_not_yet_expired(store: TokenStore) -> None:
    assert store.identify(store.create("li", lifetime_s=1000)).expires_at is not None


def test_two_processes_see_each_other_s_changes(store: TokenStore, tmp_path: Path) -> None:
    other = TokenStore(tmp_path / "data" / "store.sqlite3")
    token = store.create("li")
    with pytest.raises(AuthError):
        other.identify(token[:-1] + "!")  # not of the form of a token: no reason to look into the file
    record = other.identify(token)  # a token made a moment ago is found at once
    assert not other.refresh()
    other.revoke(record.id)
    assert store.identify(token)
    assert store.refresh()
    with pytest.raises(AuthError):
        store.identify(token)
    other.close()


def test_records_are_kept_and_sorted(store: TokenStore) -> None:
    for user in ("a", "b", "c"):
        store.create(user)
    assert [record.user for record in store.records()] == ["a", "b", "c"]


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.write_bytes(b"not a database, certainly not one of ours" * 100)
    with pytest.raises(ConfigError, match=r"store\.sqlite3 in the data folder"):
        TokenStore(path)


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be made"):
        TokenStore(tmp_path / "data" / "store.sqlite3")


def test_looks_right_knows_typing_errors() -> None:
    assert not looks_right("")
    assert not looks_right("ksr_" + "a" * 58)
