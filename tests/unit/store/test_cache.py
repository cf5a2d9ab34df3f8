"""The cache: what is put is found, until its time is over, others need the room, or somebody removes it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ksrpc.errors import ConfigError, EncodeError
from ksrpc.store import BLOB_BYTES, CacheStore, Stored
from tests.helpers.cache import BLOCK, LARGE, SMALL, Cache, content, whole

SIZES = [0, 1, BLOB_BYTES - 1, BLOB_BYTES, BLOB_BYTES + 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    made = Cache(tmp_path / "data" / "cache")
    yield made
    made.store.close()


@pytest.mark.parametrize("size", SIZES)
def test_what_is_put_is_found_now_and_by_the_next_process(cache: Cache, size: int) -> None:
    assert cache.put("a", size) is Stored.STORED
    assert len(cache.blobs()) == (size >= BLOB_BYTES)
    for _ in range(2):
        entry = cache.store.get(b"a")
        assert entry is not None
        checked = cache.store.check(entry)
        assert checked is not None
        assert whole(checked) == content("a", size)
        assert checked.is_checked
        assert (checked.key, checked.stored_at, checked.expires_at) == (b"a", 1_000_000.0, 1_000_060.0)
        assert checked.labels == {"path": "demo.f", "rows": size}
        cache.reopen()


def test_a_large_entry_has_no_bytes_before_it_is_checked_and_is_checked_once(cache: Cache) -> None:
    cache.put("a", LARGE)
    assert (seen := cache.store.get(b"a")) is not None
    assert seen.is_checked, "this process wrote it"
    cache.reopen()
    entry = cache.store.get(b"a")
    assert entry is not None
    assert (entry.is_checked, entry.pieces, entry.size) == (False, (), LARGE)
    assert cache.store.check(entry) is not None
    again = cache.store.get(b"a")
    assert again is not None
    assert again.is_checked
    assert cache.store.check(again) is again


@pytest.mark.parametrize("size", [LARGE, LARGE + 1, SMALL])
def test_an_entry_that_another_process_replaces_before_it_is_checked_gives_the_new_one(cache: Cache, size: int) -> None:
    cache.put("a", LARGE)
    with closing(cache.again()) as reader:
        entry = reader.get(b"a")
        assert entry is not None
        assert not entry.is_checked
        cache.put("a", size)
        cache.store.sweep()
        newer = reader.check(entry)
        assert newer is not None
        assert (newer.size, whole(newer)) == (size, content("a", size))
        assert (reader.stats().hits, reader.stats().misses) == (1, 0)


def test_an_entry_that_is_deleted_before_it_is_checked_is_a_miss(cache: Cache) -> None:
    cache.put("a", LARGE)
    with closing(cache.again()) as reader:
        entry = reader.get(b"a")
        assert entry is not None
        cache.store.delete(b"a")
        assert reader.check(entry) is None


def test_a_large_entry_is_a_view_that_cannot_be_written(cache: Cache) -> None:
    cache.put("a", LARGE)
    entry = cache.store.get(b"a")
    assert entry is not None
    (piece,) = entry.pieces
    assert isinstance(piece, memoryview)
    assert piece.readonly


@pytest.mark.parametrize("size", [SMALL, BLOB_BYTES, 3 * BLOCK + 5])
def test_a_stream_is_the_whole_and_checks_it(cache: Cache, size: int) -> None:
    cache.put("a", size)
    cache.reopen()
    for _ in range(2):
        entry = cache.store.get(b"a")
        assert entry is not None
        assert b"".join(cache.store.stream(entry)) == content("a", size)
    assert (entry := cache.store.get(b"a")) is not None
    assert entry.is_checked


def test_bytes_given_out_outlive_their_entry_and_the_store(cache: Cache) -> None:
    cache.put("a", LARGE)
    entry = cache.store.get(b"a")
    assert entry is not None
    cache.store.delete(b"a")
    assert cache.blobs() == []
    cache.store.close()
    assert whole(entry) == content("a", LARGE)
    cache.store = cache.again()


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_entry_is_not_found_from_its_last_moment_on(cache: Cache, size: int) -> None:
    cache.put("a", size, lifetime_s=60)
    cache.clock.now += 59.9
    assert cache.has("a", size)
    cache.clock.now += 0.1
    assert not cache.has("a", size)
    cache.reopen()
    assert not cache.has("a", size)


def test_a_sweep_removes_what_is_over_and_nothing_else(cache: Cache) -> None:
    for number in range(600):
        cache.put(f"old{number}", 10, lifetime_s=30)
    cache.put("old", LARGE, lifetime_s=30)
    cache.put("new", LARGE, lifetime_s=90)
    cache.clock.now += 30
    assert cache.store.sweep() == 601
    stats = cache.store.stats()
    assert (stats.entries, stats.bytes, stats.expired) == (1, LARGE, 601)
    assert len(cache.blobs()) == 1
    assert cache.has("new", LARGE)


@pytest.mark.parametrize(("first", "second"), [(SMALL, LARGE), (LARGE, SMALL), (LARGE, LARGE + 1), (SMALL, SMALL)])
def test_a_put_replaces_its_key_s_entry_and_file(cache: Cache, first: int, second: int) -> None:
    cache.put("a", first)
    cache.put("a", second)
    assert cache.has("a", second)
    cache.store.sweep()
    assert len(cache.blobs()) == (second >= BLOB_BYTES)
    assert (cache.store.stats().entries, cache.store.stats().bytes) == (1, second)
    cache.reopen()
    assert cache.has("a", second)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_delete(cache: Cache, size: int) -> None:
    cache.put("a", size)
    cache.put("b", size)
    assert cache.store.delete(b"a")
    assert not cache.store.delete(b"a")
    assert not cache.has("a", size)
    assert cache.has("b", size)
    assert len(cache.blobs()) == (size >= BLOB_BYTES)


def test_purge_and_entries_go_by_the_function_s_path(cache: Cache) -> None:
    cache.put("a", SMALL, path="tushare.pro.daily")
    cache.put("b", LARGE, path="tushare.pro.income")
    cache.put("c", LARGE, path="akshare.stock_zh")
    cache.clock.now += 1
    listed = list(cache.store.entries("tushare.*"))
    assert [(item.key, item.size, item.labels["path"]) for item in listed] == [
        (b"a", SMALL, "tushare.pro.daily"), (b"b", LARGE, "tushare.pro.income"),
    ]  # fmt: skip
    assert (listed[0].stored_at, listed[0].expires_at) == (1_000_000.0, 1_000_060.0)
    assert [item.key for item in cache.store.entries(limit=1)] == [b"a"]
    assert cache.store.purge("tushare.*") == 2
    assert [item.key for item in cache.store.entries()] == [b"c"]
    assert not cache.has("b", LARGE)
    assert cache.has("c", LARGE)
    assert cache.store.purge() == 1
    assert cache.blobs() == []
    assert (cache.store.stats().entries, cache.store.stats().bytes) == (0, 0)


def test_entries_that_are_over_are_not_listed(cache: Cache) -> None:
    cache.put("a", SMALL)
    cache.clock.now += 61
    assert list(cache.store.entries()) == []


def test_more_than_one_batch_is_listed_and_purged(cache: Cache) -> None:
    for number in range(1000):
        cache.put(f"{number}", 10)
    assert [item.key for item in cache.store.entries()] == [f"{number}".encode() for number in range(1000)]
    assert cache.store.purge() == 1000


def test_counts(cache: Cache) -> None:
    cache.put("a", SMALL)
    cache.put("b", LARGE)
    assert cache.has("a", SMALL)
    assert not cache.has("c", SMALL)
    assert cache.put("d", SMALL, lifetime_s=0) is Stored.EXPIRED
    stats = cache.store.stats()
    assert (stats.entries, stats.bytes) == (2, SMALL + LARGE)
    assert (stats.hits, stats.misses, stats.stored, stats.refused) == (1, 1, 2, 1)
    assert (stats.evictions, stats.expired, stats.damaged, stats.failed) == (0, 0, 0, 0)


def test_files_are_their_owner_s_alone(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        cache = Cache(tmp_path / "data" / "cache")
        cache.put("a", SMALL)
        cache.put("b", LARGE)
    finally:
        os.umask(mask)
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").rglob("*")}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    cache.store.close()


@pytest.mark.parametrize("name", ["blobs", "seal.key"])
def test_a_folder_or_key_that_others_may_read_is_refused(cache: Cache, name: str) -> None:
    cache.store.close()
    (cache.folder / name).chmod(0o755)
    with pytest.raises(ConfigError, match=f"{name}.*chmod"):
        cache.again()
    (cache.folder / name).chmod(0o700)
    cache.store = cache.again()


def test_a_folder_that_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ConfigError, match="cache folder cache cannot be used") as caught:
        Cache(tmp_path / "cache")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_pieces_of_another_size_are_an_error_and_leave_nothing(cache: Cache, size: int) -> None:
    with pytest.raises(EncodeError, match=f"{size + 1} bytes came instead of {size}"):
        cache.store.put(b"a", [b"x", bytes(size)], size=size, expires_at=2e6, labels={})
    assert cache.blobs() == []
    assert cache.store.get(b"a") is None


@pytest.mark.parametrize("bad", [object(), float("nan"), b"bytes"])
def test_labels_are_json(cache: Cache, bad: object) -> None:
    with pytest.raises(EncodeError, match="JSON"):
        cache.store.put(b"a", [b"x"], size=1, expires_at=2e6, labels={"a": bad})  # type: ignore[dict-item]


def test_several_threads_put_and_get(cache: Cache) -> None:
    wrong: list[str] = []

    def work(thread: int) -> None:
        for number in range(60):
            name, size = f"{thread}.{number}", (SMALL, LARGE)[number % 2]
            if cache.put(name, size) is not Stored.STORED or not cache.has(name, size):
                wrong.append(name)
            cache.put("shared", size)
            if not (cache.has_either("shared", SMALL, LARGE)):
                wrong.append("shared")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.store.stats().failed == 0
    assert cache.store.stats().entries == 241
    cache.store.sweep()
    report = cache.store.verify()
    assert (report.entries, report.damaged, report.leftovers, report.is_sound) == (241, 0, 0, True)


def test_what_was_removed_does_not_come_back_from_memory(cache: Cache) -> None:
    """A get that has read the row while another thread removes it must not keep it."""
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            cache.store.get(b"a")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(300):
            cache.put("a", SMALL)
            assert cache.store.delete(b"a")
            assert cache.store.get(b"a") is None
    finally:
        done.set()
        reader.join()


def test_two_stores_see_each_other_after_a_refresh(cache: Cache) -> None:
    other = cache.again()
    cache.put("small", SMALL)
    cache.put("large", LARGE)
    assert other.get(b"small") is not None, "what another process stores is found at once"
    assert not cache.store.refresh(), "its own changes are no news"
    assert other.purge("demo.*") == 2
    assert cache.store.refresh()
    assert cache.store.get(b"small") is None
    assert cache.store.get(b"large") is None
    assert not cache.store.refresh()
    other.close()


def test_a_refresh_keeps_what_is_still_there(cache: Cache) -> None:
    other = cache.again()
    cache.put("a", SMALL)
    cache.put("b", LARGE)
    other.put(b"c", [b"x"], size=1, expires_at=2e6, labels={})
    assert cache.store.refresh()
    assert cache.has("a", SMALL)
    assert cache.has("b", LARGE)
    other.put(b"a", [b"new"], size=3, expires_at=2e6, labels={})
    assert cache.store.refresh()
    entry = cache.store.get(b"a")
    assert entry is not None
    assert entry.pieces == (b"new",)
    other.close()


def test_a_file_that_another_process_removed_is_a_miss_even_before_a_refresh(cache: Cache) -> None:
    other = cache.again()
    cache.put("a", LARGE)
    other.delete(b"a")
    assert cache.store.get(b"a") is None
    assert cache.store.stats().damaged == 0
    other.close()


def test_the_file_shrinks_after_a_purge(cache: Cache) -> None:
    for number in range(400):
        cache.put(f"{number}", BLOB_BYTES - 1)
    cache.store.sweep()
    before = (cache.folder / "index.sqlite3").stat().st_size
    cache.store.purge()
    cache.store.sweep()
    cache.store.sweep()
    assert before > 25_000_000
    assert (cache.folder / "index.sqlite3").stat().st_size < before // 2


def test_it_is_exported() -> None:
    assert CacheStore.__module__ == "ksrpc.store.cache"


def test_a_closed_store_maps_no_file(cache: Cache) -> None:
    cache.put("a", LARGE)
    assert cache.has("a", LARGE)
    assert _mapped(cache.folder)
    cache.store.close()
    assert not _mapped(cache.folder)


def _mapped(folder: Path) -> list[str]:
    blobs = str(folder / "blobs")
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if blobs in line]
