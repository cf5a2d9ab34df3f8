"""The cache: whatever happens to its files, an answer is what was stored, or none."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ksrpc.errors import ConfigError, LostError
from ksrpc.store import BLOB_BYTES, Stored
from tests.helpers.cache import BLOCK, LARGE, SMALL, Cache, content

BIG = 3 * BLOCK + 17


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    made = Cache(tmp_path / "cache")
    yield made
    made.store.close()


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def become_link(path: Path) -> None:
    copy = path.parent.parent / "copy"
    path.rename(copy)
    path.symlink_to(copy)


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def drain(blocks: Iterator[memoryview], sent: bytearray) -> None:
    for block in blocks:
        sent += block


DAMAGES: dict[str, Callable[[Path], None]] = {
    "first byte": lambda path: flip(path, 0),
    "middle": lambda path: flip(path, BIG // 2),
    "last byte": lambda path: flip(path, BIG - 1),
    "shorter": lambda path: os.truncate(path, BIG - 1),
    "empty": lambda path: os.truncate(path, 0),
    "longer": grow,
    "gone": Path.unlink,
    "link": become_link,
    "pipe": become_pipe,
    "folder": become_folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_a_miss(cache: Cache, damage: str) -> None:
    cache.put("a", BIG)
    cache.put("b", LARGE)
    (path,) = (path for path in cache.blobs() if path.stat().st_size == BIG)
    cache.store.close()
    DAMAGES[damage](path)
    cache.store = cache.again()
    assert not cache.has("a", BIG)
    assert not cache.has("a", BIG)
    assert cache.has("b", LARGE)
    stats = cache.store.stats()
    assert (stats.damaged, stats.entries, stats.hits, stats.misses) == (1, 1, 1, 2)


@pytest.mark.parametrize("damage", ["first byte", "middle", "last byte"])
def test_a_stream_of_a_damaged_file_never_ends_well(cache: Cache, damage: str) -> None:
    cache.put("a", BIG)
    cache.store.close()
    DAMAGES[damage](cache.blobs()[0])
    cache.store = cache.again()
    entry = cache.store.get(b"a")
    assert entry is not None
    sent = bytearray()
    with pytest.raises(LostError) as caught:
        drain(cache.store.stream(entry), sent)
    assert content("a", BIG).startswith(sent)
    assert len(sent) < BIG
    assert not caught.value.maybe_ran
    assert cache.store.get(b"a") is None


def test_bytes_forged_to_fit_the_crcs_do_not_fit_the_whole(cache: Cache) -> None:
    """CRC is linear: flipping the bits of its polynomial anywhere in a block leaves the CRC as it was."""
    cache.put("a", BIG)
    path = cache.blobs()[0]
    cache.store.close()
    data = bytearray(path.read_bytes())
    polynomial = (1 | int(f"{0x04C11DB7:032b}"[::-1], 2) << 1).to_bytes(5, "little")  # bits in the order of CRC-32
    for offset, byte in enumerate(polynomial, start=5):
        data[offset] ^= byte
    path.write_bytes(data)
    cache.store = cache.again()
    entry = cache.store.get(b"a")
    assert entry is not None
    sent = bytearray()
    with pytest.raises(LostError):
        drain(cache.store.stream(entry), sent)
    assert len(sent) == 3 * BLOCK, "the CRCs let everything pass, so the last block was held back by the SHA-256"


def test_a_file_changed_while_it_is_in_memory_is_looked_at_again(cache: Cache) -> None:
    cache.put("a", BIG)
    assert cache.has("a", BIG)
    grow(cache.blobs()[0])
    assert not cache.has("a", BIG)


@pytest.mark.parametrize("is_open", [True, False])
def test_exchanged_files_are_misses(cache: Cache, is_open: bool) -> None:
    cache.put("a", LARGE)
    cache.put("b", LARGE)
    if not is_open:
        cache.store.close()
    first, second = cache.blobs()
    spare = cache.folder / "spare"
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    if not is_open:
        cache.store = cache.again()
    assert not cache.has("a", LARGE)
    assert not cache.has("b", LARGE)
    assert cache.store.stats().damaged == 2


EDITS = {
    "key": ("UPDATE entry SET key = ?", b"z"),
    "size": ("UPDATE entry SET size = size + ?", 1),
    "later": ("UPDATE entry SET expires_at = expires_at + ?", 1000),
    "older": ("UPDATE entry SET stored_at = stored_at - ?", 1000),
    "labels": ("UPDATE entry SET labels = ?", '{"path":"demo.f","rows":0}'),
    "no json": ("UPDATE entry SET labels = ?", "{"),
    "path": ("UPDATE entry SET path = ?", "math.f"),
    "digest": ("UPDATE entry SET digest = ?", bytes(32)),
    "seal": ("UPDATE entry SET seal = ?", bytes(32)),
    "empty seal": ("UPDATE entry SET seal = ?", b""),
    "file": ("UPDATE entry SET blob = ?", "../seal.key"),
}


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_row_is_a_miss(cache: Cache, edit: str, size: int) -> None:
    cache.put("a", size)
    cache.store.close()
    cache.edit(*EDITS[edit])
    cache.store = cache.again()
    name = "z" if edit == "key" else "a"
    assert cache.store.get(name.encode()) is None
    assert (cache.store.stats().damaged, cache.store.stats().entries) == (1, 0)
    cache.store.sweep()
    assert (cache.folder / "seal.key").exists()


@pytest.mark.parametrize("column", ["value", "digest", "seal", "key"])
def test_exchanged_columns_are_misses(cache: Cache, column: str) -> None:
    cache.put("a", SMALL)
    cache.put("b", SMALL)
    cache.store.close()
    with closing(sqlite3.connect(cache.folder / "index.sqlite3")) as db, db:
        (first,), (second,) = db.execute(f"SELECT {column} FROM entry ORDER BY id")
        for row_id, value in [(1, b"neither"), (2, first), (1, second)]:
            db.execute(f"UPDATE entry SET {column} = ? WHERE id = ?", (value, row_id))
    cache.store = cache.again()
    assert not cache.has("a", SMALL)
    assert not cache.has("b", SMALL)
    assert cache.store.stats().damaged == 2


def test_a_row_of_another_key_file_is_a_miss(cache: Cache) -> None:
    cache.put("a", SMALL)
    cache.store.close()
    (cache.folder / "seal.key").write_bytes(bytes(32))
    cache.store = cache.again()
    assert cache.store.get(b"a") is None


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_file_of_another_size_is_made_anew(cache: Cache, size: int) -> None:
    cache.put("a", SMALL)
    cache.store.close()
    (cache.folder / "seal.key").write_bytes(bytes(size))
    cache.store = cache.again()
    assert not cache.has("a", SMALL)
    cache.put("a", SMALL)
    cache.reopen()
    assert cache.has("a", SMALL)


def test_an_edited_row_is_not_listed(cache: Cache) -> None:
    cache.put("a", SMALL)
    cache.put("b", SMALL)
    cache.edit("UPDATE entry SET labels = ? WHERE key = ?", '{"path":"x"}', b"a")
    assert [item.key for item in cache.store.entries()] == [b"b"]


def test_verify_removes_what_is_wrong_and_says_so(cache: Cache) -> None:
    for name, size in [("a", SMALL), ("b", LARGE), ("c", BIG), ("d", LARGE), ("e", SMALL)]:
        cache.put(name, size)
    flip(next(path for path in cache.blobs() if path.stat().st_size == BIG), BLOCK)
    cache.edit("UPDATE entry SET expires_at = expires_at + 1 WHERE key = ?", b"e")
    (cache.folder / "blobs" / ("0" * 32)).write_bytes(b"no row")
    (cache.folder / "blobs" / ("1" * 32 + ".part")).write_bytes(b"half")
    (cache.folder / "blobs" / "stray").write_bytes(b"")
    report = cache.store.verify()
    assert (report.entries, report.bytes) == (3, SMALL + 2 * LARGE)
    assert (report.damaged, report.leftovers, report.is_sound) == (2, 3, True)
    assert len(cache.blobs()) == 2
    again = cache.store.verify()
    assert (again.entries, again.damaged, again.leftovers) == (3, 0, 0)


def test_leftovers_are_removed_at_the_start(cache: Cache) -> None:
    cache.put("a", LARGE)
    kept = cache.blobs()
    (cache.folder / "blobs" / ("0" * 32)).write_bytes(b"no row")
    (cache.folder / "blobs" / ("1" * 32 + ".part")).write_bytes(b"half")
    cache.reopen()
    assert cache.blobs() == kept


def test_a_file_that_is_being_written_is_no_leftover(cache: Cache) -> None:
    draft = cache.store._shelf.blobs.write([bytes(LARGE)], LARGE)
    other = cache.again()
    assert other.verify().leftovers == 0
    assert [path.name for path in cache.blobs()] == [draft.name]
    draft.release()
    assert other.verify().leftovers == 1
    assert cache.blobs() == []
    other.close()


@pytest.mark.parametrize("content_of_file", [b"this is no database " * 500, b"SQLite format 3\0" + bytes(8000)])
def test_a_broken_index_is_set_aside_and_the_cache_begins_empty(cache: Cache, content_of_file: bytes) -> None:
    cache.put("a", LARGE)
    cache.put("b", SMALL)
    cache.store.close()
    (cache.folder / "index.sqlite3").write_bytes(content_of_file)
    cache.store = cache.again()
    assert not cache.has("a", LARGE)
    assert cache.blobs() == []
    assert (cache.folder / "index.sqlite3.broken").read_bytes() == content_of_file
    assert cache.put("a", LARGE) is Stored.STORED
    cache.reopen()
    assert cache.has("a", LARGE)


def test_an_index_of_another_version_is_set_aside(cache: Cache) -> None:
    cache.put("a", SMALL)
    cache.store.close()
    with closing(sqlite3.connect(cache.folder / "index.sqlite3")) as db:
        db.execute("PRAGMA user_version = 99")
    cache.store = cache.again()
    assert not cache.has("a", SMALL)
    assert cache.put("a", SMALL) is Stored.STORED


def test_an_index_damaged_inside_gives_misses_and_is_made_anew_at_the_next_start(cache: Cache) -> None:
    for number in range(300):
        cache.put(f"{number}", SMALL)
    cache.store.close()
    path = cache.folder / "index.sqlite3"
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 100] = b"\xff" * 100
    path.write_bytes(data)
    cache.store = cache.again()
    assert not any(cache.has(f"{number}", SMALL) for number in range(300))
    assert cache.store.stats().failed > 0
    assert cache.put("new", SMALL) is Stored.FAILED
    assert not cache.store.verify().is_sound
    cache.reopen()
    assert cache.put("new", SMALL) is Stored.STORED
    assert cache.store.verify().is_sound


def test_an_index_that_cannot_be_a_file_is_told(cache: Cache) -> None:
    cache.store.close()
    for path in cache.folder.glob("index.sqlite3*"):
        path.unlink()
    (cache.folder / "index.sqlite3").mkdir()
    with pytest.raises(ConfigError, match=r"index.sqlite3 in the cache folder cannot be opened.*delete it"):
        cache.again()
    (cache.folder / "index.sqlite3").rmdir()
    cache.store = cache.again()


def test_sizes_of_the_tests_are_on_both_sides() -> None:
    assert SMALL < BLOB_BYTES < LARGE < BLOCK < BIG
