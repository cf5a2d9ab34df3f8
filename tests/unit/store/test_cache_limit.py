"""The cache keeps its bounds: bytes of all, of one, of the disk; what was used least goes first."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ksrpc.errors import LocalError
from ksrpc.store import CacheStore, Entry, Stored
from ksrpc.store.entry import reason_of
from ksrpc.store.hot import Hot
from tests.helpers.cache import LARGE, SMALL, Cache, content

ROW = 512


def make(folder: Path, max_bytes: int, max_object_bytes: int = 1 << 30) -> Cache:
    return Cache(folder / "cache", max_bytes=max_bytes, max_object_bytes=max_object_bytes)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_bytes_of_all_stay_within_their_bound(tmp_path: Path, size: int) -> None:
    cache = make(tmp_path, 10 * (size + ROW))
    for number in range(30):
        assert cache.put(f"{number}", size) is Stored.STORED
        assert cache.store.stats().entries <= 10
    assert [cache.has(f"{number}", size) for number in range(30)] == [False] * 20 + [True] * 10
    assert cache.store.stats().evictions == 20
    assert len(cache.blobs()) == (10 if size == LARGE else 0)
    cache.store.close()


@pytest.mark.parametrize("is_reopened", [False, True])
def test_what_was_used_least_recently_goes_first(tmp_path: Path, is_reopened: bool) -> None:
    cache = make(tmp_path, 4 * (LARGE + ROW))
    for name in "abcd":
        cache.clock.now += 1
        cache.put(name, LARGE)
    for name in "ca":
        cache.clock.now += 1
        assert cache.has(name, LARGE)
    if is_reopened:
        cache.reopen()
    cache.clock.now += 1
    for name in "xyz":
        cache.put(name, LARGE)
    assert {name for name in "abcdxyz" if cache.has(name, LARGE)} == set("axyz")
    cache.store.close()


def test_what_is_over_goes_before_what_is_not(tmp_path: Path) -> None:
    cache = make(tmp_path, 3 * (LARGE + ROW))
    cache.put("a", LARGE, lifetime_s=100)
    cache.put("b", LARGE, lifetime_s=10)
    cache.put("c", LARGE, lifetime_s=100)
    cache.clock.now += 50
    cache.put("d", LARGE)
    assert [cache.has(name, LARGE) for name in "abcd"] == [True, False, True, True]
    cache.store.close()


def test_one_large_entry_replaces_many_small_ones(tmp_path: Path) -> None:
    cache = make(tmp_path, 2000 * (100 + ROW))
    for number in range(2000):
        cache.put(f"{number}", 100)
    assert cache.put("big", 1_000_000) is Stored.STORED
    stats = cache.store.stats()
    assert stats.bytes + stats.entries * ROW <= 2000 * (100 + ROW)
    assert cache.has("big", 1_000_000)
    cache.store.close()


def test_a_smaller_bound_is_kept_from_the_next_sweep_on(tmp_path: Path) -> None:
    cache = make(tmp_path, 1 << 30)
    for number in range(3000):
        cache.put(f"{number}", 100)
    cache.max_bytes = 100 * (100 + ROW)
    cache.reopen()
    cache.store.sweep()
    assert cache.store.stats().entries == 100
    cache.store.close()


def test_an_entry_over_its_bound_is_not_stored(tmp_path: Path) -> None:
    cache = make(tmp_path, 1_000_000, 200_000)
    assert cache.put("a", 200_000) is Stored.STORED
    assert cache.put("b", 200_001) is Stored.TOO_LARGE
    assert not cache.has("b", 200_001)
    assert cache.has("a", 200_000)
    cache.store.close()


def test_an_entry_over_the_whole_bound_evicts_nothing(tmp_path: Path) -> None:
    cache = make(tmp_path, 100_000)
    cache.put("a", SMALL)
    assert cache.put("b", 100_000) is Stored.TOO_LARGE
    assert cache.has("a", SMALL)
    cache.store.close()


def test_labels_have_a_bound(tmp_path: Path) -> None:
    cache = make(tmp_path, 1_000_000)
    result = cache.store.put(b"a", [b"x"], size=1, expires_at=2e6, labels={"path": "a" * 5000})
    assert result is Stored.TOO_LARGE
    cache.store.close()


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path, size: int) -> None:
    cache = make(tmp_path, 1 << 30)
    cache.put("a", size)
    disk = os.statvfs(tmp_path)
    store = CacheStore(
        cache.folder,
        max_bytes=1 << 30,
        max_object_bytes=1 << 30,
        min_free_bytes=disk.f_blocks * disk.f_frsize,
        clock=cache.clock,
    )
    files = cache.blobs()
    assert store.put(b"b", [content("b", size)], size=size, expires_at=2e6, labels={}) is Stored.NEARLY_FULL
    assert store.get(b"b") is None
    assert (entry := store.get(b"a")) is not None
    assert store.check(entry) is not None
    assert cache.blobs() == files
    assert (store.stats().stored, store.stats().refused) == (0, 1)
    store.close()
    cache.store.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, ""), Stored.FULL),
        (OSError(errno.EDQUOT, ""), Stored.FULL),
        (OSError(errno.EROFS, ""), Stored.FAILED),
        (OSError(errno.EIO, ""), Stored.FAILED),
        (sqlite3.OperationalError("database is locked"), Stored.FAILED),
    ],
)
def test_reasons(error: Exception, reason: Stored) -> None:
    assert reason_of(error) is reason


def test_memory_has_bounds(tmp_path: Path) -> None:
    """More entries and files than are kept in memory: all are found, and few descriptors are open."""
    cache = make(tmp_path, 1 << 30)
    before = len(os.listdir("/dev/fd"))
    for number in range(200):
        cache.put(f"{number}", LARGE)
    assert all(cache.has(f"{number}", LARGE) for number in range(200))
    assert len(os.listdir("/dev/fd")) - before <= 80
    hot = cache.store._shelf.hot
    assert len(hot._warm) == 64
    cache.store.purge()
    assert len(hot._warm) == 0
    assert len(os.listdir("/dev/fd")) - before <= 1
    cache.store.close()


def test_uses_are_noted_up_to_a_bound() -> None:
    hot = Hot()
    for number in range(70_000):
        hot.touch(b"%d" % number, 1.0)
    hot.touch(b"0", 2.0)
    assert hot.take_touch(b"0") == 2.0
    assert hot.take_touch(b"69999") is None
    assert len(hot.take_touches(100_000)) == 65_535
    assert hot.take_touches(1) == []


def test_an_entry_read_before_a_removal_is_not_kept_after_it() -> None:
    hot, entry = Hot(), Entry(b"a", (b"x",), 1, 0.0, 1.0, {})
    before = hot.removals
    hot.drop([b"a"])
    hot.add(entry, before)
    assert hot.get(b"a") is None
    hot.add(entry, hot.removals)
    assert hot.get(b"a") == (entry, True)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_index_that_is_locked_for_long_refuses_and_leaves_nothing(tmp_path: Path, size: int) -> None:
    cache = make(tmp_path, 1 << 30)
    cache.put("a", size)
    files = cache.blobs()
    with closing(sqlite3.connect(cache.folder / "index.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert cache.put("b", size) is Stored.FAILED
        assert cache.has("a", size)
        with pytest.raises(LocalError, match="locked"):
            cache.store.purge()
    assert cache.blobs() == files
    assert cache.put("b", size) is Stored.STORED
    cache.store.close()
