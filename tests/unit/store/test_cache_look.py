"""What an administrator sees of the cache, and removes: by key, by function, what is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.cache import LARGE, SMALL, Cache


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_an_entry_is_found_by_the_first_digits_of_its_key(cache: Cache) -> None:
    for name in ("a", "ab", "b"):
        cache.put(name, SMALL)
    assert [entry.key for entry in cache.store.find("61")] == [b"a", b"ab"]
    assert [entry.key for entry in cache.store.find("6")] == [b"a", b"ab", b"b"]
    assert [entry.key for entry in cache.store.find("616")] == [b"ab"]
    assert cache.store.find("ff") == []
    cache.clock.now += 100
    assert cache.store.find("6") == [], "what is over is not there"


def test_an_entry_says_where_its_bytes_are(cache: Cache) -> None:
    cache.put("small", SMALL)
    cache.put("large", LARGE)
    small, large = cache.store.entries()
    assert small.blob == ""
    assert [path.name for path in cache.blobs()] == [large.blob]


def test_an_edited_row_is_not_listed(cache: Cache) -> None:
    cache.put("a", SMALL)
    cache.edit("UPDATE entry SET labels = '{}'")
    assert cache.store.find("61") == []


def test_shares_are_those_of_the_functions_without_what_is_over(cache: Cache) -> None:
    cache.put("a", SMALL, path="x.f")
    cache.put("b", LARGE, path="x.f")
    cache.put("c", SMALL, path="y.g", lifetime_s=1)
    assert [(share.path, share.entries, share.bytes) for share in cache.store.shares()] == [
        ("x.f", 2, SMALL + LARGE),
        ("y.g", 1, SMALL),
    ]
    cache.clock.now += 2
    assert [share.path for share in cache.store.shares()] == ["x.f"]


def test_clearing_tells_how_many_and_how_much(cache: Cache) -> None:
    cache.put("a", SMALL, path="x.f")
    cache.put("b", LARGE, path="x.f", lifetime_s=1)
    cache.put("c", LARGE, path="y.g", lifetime_s=1)
    assert cache.store.clear(only_expired=True) == (0, 0)
    cache.clock.now += 2
    assert cache.store.clear("x.*", only_expired=True) == (1, LARGE)
    assert len(cache.blobs()) == 1
    assert cache.has("a", SMALL)
    assert cache.store.clear() == (2, SMALL + LARGE)
    assert cache.blobs() == []


def test_the_disk_has_room(cache: Cache) -> None:
    assert cache.store.free_bytes > 0
