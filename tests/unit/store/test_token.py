"""Tokens: recognised, never readable, shared between processes."""

from __future__ import annotations

import gc
import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ksrpc.errors import AuthError, BusyError, ConfigError
from ksrpc.limits import OUTAGE_GRACE_S
from ksrpc.store import TokenStore
from ksrpc.store.adoption import Scale
from ksrpc.store.token import _LOOKS, _LOOKS_PER_SECOND, _checksum, looks_right


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


# tokens that were not made here

OLD = "her-own-word"


def test_an_old_token_goes_on_for_a_month(store: TokenStore) -> None:
    assert store.adopt(OLD, "susan")
    record = store.identify(OLD)
    assert (record.user, record.scopes, record.is_adopted) == ("susan", frozenset({"call"}), True)
    assert record.expires_at == pytest.approx(record.created_at + 30 * 86_400)
    assert store.is_id_valid(record.id)
    assert store.records() == [record]
    assert not store.identify(store.create("li")).is_adopted


def test_an_old_token_is_not_kept_in_a_form_that_can_be_tried_out(store: TokenStore, tmp_path: Path) -> None:
    store.adopt(OLD, "susan")
    store.close()
    held = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert b"susan" in held
    assert OLD.encode() not in held
    assert hashlib.sha256(OLD.encode()).digest() not in held
    other = TokenStore(tmp_path / "other" / "store.sqlite3")
    other.adopt(OLD, "susan")
    assert other.records()[0].digest not in held  # each store has a salt of its own
    other.close()


def test_an_old_token_is_taken_over_once(store: TokenStore) -> None:
    assert store.adopt(OLD, "susan")
    assert not store.adopt(OLD, "susan")
    record = store.identify(OLD)
    assert store.revoke(record.id)
    assert not store.revoke(record.id)
    assert not store.adopt(OLD, "susan")  # what was revoked stays so
    with pytest.raises(AuthError, match=r"^unknown or expired token$"):
        store.identify(OLD)


def test_an_old_token_ends(store: TokenStore) -> None:
    store.adopt(OLD, "susan", lifetime_s=0)
    assert not store.is_slow(OLD)  # nothing is weighed for what has ended
    with pytest.raises(AuthError, match=r"^unknown or expired token$"):
        store.identify(OLD)


@pytest.mark.parametrize("token", ["", "abc", "k" * 257, "a b", "令牌令牌", "a\nbcd", "ksr_abcdefgh"])
def test_what_cannot_be_an_old_token(store: TokenStore, token: str) -> None:
    with pytest.raises(ConfigError, match=r"`ksrpc token create susan`") as caught:
        store.adopt(token, "susan")
    assert not token or token not in str(caught.value)
    with pytest.raises(ConfigError, match="is no user name"):
        store.adopt(OLD, "a b")


def test_another_process_sees_an_old_token(store: TokenStore, tmp_path: Path) -> None:
    other = TokenStore(tmp_path / "data" / "store.sqlite3")
    with pytest.raises(AuthError):
        other.identify(OLD)
    store.adopt(OLD, "susan")
    assert other.refresh()
    assert other.identify(OLD).user == "susan"
    other.close()


def test_wrong_tokens_cost_nothing_where_none_was_taken_over(store: TokenStore) -> None:
    store.create("li")
    for number in range(10_000):
        assert not store.is_slow(f"wrong-{number}")
        with pytest.raises(AuthError):
            store.identify(f"wrong-{number}")


def test_each_token_is_weighed_once(store: TokenStore) -> None:
    store.adopt(OLD, "susan")
    for token in (OLD, "wrong-word"):
        assert store.is_slow(token)
        store.weigh(token)
        assert not store.is_slow(token)
    for _ in range(10_000):  # would take minutes
        assert store.identify(OLD)
        with pytest.raises(AuthError):
            store.identify("wrong-word")
    assert not store.is_slow(store.create("li"))


def test_a_flood_of_wrong_tokens_is_told_to_wait() -> None:
    now = 0.0
    scale = Scale(b"salt" * 4, lambda: now)
    for number in range(64):
        scale.weigh(f"wrong-{number}")
    with pytest.raises(BusyError, match="try again in a second"):
        scale.weigh("one-more")
    assert scale.weigh("wrong-0")  # what was weighed is known still
    now += 0.5
    scale.weigh("one-more")
    scale.weigh("two-more")
    with pytest.raises(BusyError):
        scale.weigh("three-more")


def test_a_store_that_cannot_be_opened_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.write_bytes(b"not a database, certainly not one of ours" * 100)
    with pytest.raises(ConfigError):
        TokenStore(path)
    gc.collect()  # a connection left open would warn here
    assert str(path) not in {os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")}


def test_a_flood_of_wrong_tokens_reads_nothing(store: TokenStore, tmp_path: Path) -> None:
    made = store.create("li")
    other = TokenStore(tmp_path / "data" / "store.sqlite3")
    other.create("wang")  # a change that the flood could find out about
    right_form = [f"ksr_{number:08}_" + "a" * 43 for number in range(5000)]
    wrong = [body + _checksum(body) for body in right_form]
    assert all(map(looks_right, wrong))
    read: list[str] = []
    store._db.set_trace_callback(read.append)
    began = time.monotonic()
    for token in wrong:
        with pytest.raises(AuthError):
            store.identify(token)
    looks = sum("data_version" in text for text in read)
    store._db.set_trace_callback(None)
    assert looks <= _LOOKS + (time.monotonic() - began) * _LOOKS_PER_SECOND, "by time, not by attempts"
    assert looks < len(wrong) / 20
    assert store.identify(made).user == "li"
    other.close()


def test_a_token_that_begins_later(store: TokenStore) -> None:
    now = time.time()
    early = store.create("li", starts_at=now + 1000, lifetime_s=10)
    with pytest.raises(AuthError, match=r"^unknown or expired token$"):
        store.identify(early)
    record = store.records()[0]
    assert record.expires_at is not None
    assert record.expires_at > now + 1000, "its life begins with it"
    assert store.identify(store.create("li", starts_at=now - 5)).starts_at == now - 5


def test_rotation(store: TokenStore) -> None:
    old = store.create("li", scopes=frozenset({"call", "metrics"}), lifetime_s=1000)
    before = store.identify(old)
    new = store.rotate(before.id, grace_s=60)
    assert new is not None
    after = store.identify(new)
    assert (after.user, after.scopes) == (before.user, before.scopes)
    assert after.id != before.id
    assert before.expires_at is not None
    assert after.expires_at == pytest.approx(before.expires_at, abs=60)
    kept = store.identify(old).expires_at
    assert kept is not None
    assert kept <= time.time() + 60
    assert store.rotate(after.id, grace_s=0) is not None
    with pytest.raises(AuthError):
        store.identify(new)
    assert store.rotate(after.id, grace_s=0) is None, "it has ended"
    assert store.rotate("unknown", grace_s=0) is None


def test_grace_does_not_lengthen_a_life(store: TokenStore) -> None:
    record = store.identify(store.create("li", lifetime_s=100))
    assert store.rotate(record.id, grace_s=1e6)
    assert store.find(record.id) == record


def test_a_store_of_an_older_version_is_widened(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TABLE token (id TEXT PRIMARY KEY, user TEXT NOT NULL, digest BLOB NOT NULL UNIQUE, "
            "scopes TEXT NOT NULL, created_at REAL NOT NULL, expires_at REAL, revoked_at REAL) STRICT"
        )
        digest = hashlib.sha256(b"old").digest()
        db.execute("INSERT INTO token VALUES ('aaaaaaaa', 'li', ?, 'call', 1.0, NULL, NULL)", (digest,))
        db.commit()
    for _ in range(2):
        with closing(TokenStore(path)) as store:
            assert store.is_id_valid("aaaaaaaa")
            assert store.identify(store.create("wang")).user == "wang"


def test_a_store_that_cannot_be_read_is_nobody_s_wrong_token(tmp_path: Path) -> None:
    now = [0.0]
    store = TokenStore(tmp_path / "store.sqlite3", clock=lambda: now[0])
    made = store.create("li")
    unknown = store.create("wang")
    store.revoke(store.identify(unknown).id)
    token_id = store.identify(made).id
    body = "ksr_00000000_" + "a" * 43
    store.close()
    assert not store.refresh()
    now[0] = OUTAGE_GRACE_S
    assert store.identify(made).user == "li", "who is known goes on for a while"
    assert store.is_id_valid(token_id)
    with pytest.raises(BusyError, match="cannot be read"):
        store.identify(body + _checksum(body))
    with pytest.raises(AuthError):
        store.identify("mistyped")
    now[0] = OUTAGE_GRACE_S + 1
    with pytest.raises(BusyError, match="cannot be read"):
        store.identify(made)
    assert not store.is_id_valid(token_id)
    with pytest.raises(BusyError):
        store.expect_recent()
