"""The cache's index: rows in SQLite, small values in the rows themselves.

Three connections, each behind its own lock: one for single reads, which never wait for a writer (WAL); one for all
changes, in short transactions; one for lists and upkeep, which take long. Counts are kept by triggers, in the
transaction that changes them, so that they are right for every process and after every crash.

Source: docs/explanation/cache-storage.md "The index".
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ksrpc.errors import ConfigError
from ksrpc.store.seal import Row

BATCH = 256  # rows that one transaction changes at most: a few milliseconds
ROW_BYTES = 512  # charged for the row itself, besides the bytes of the value
_VERSION = 1
#: Times in seconds.
_OPTIONS: dict[str, Any] = {"timeout": 1.0, "isolation_level": None, "check_same_thread": False}
#: Pages after which a writer moves the log into the file itself if upkeep did not: 64 MiB.
_LOG_PAGES = 16_384
_NO_INDEX = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_COLUMNS = "key, path, size, stored_at, expires_at, labels, blob, blocks, digest, seal, value, used_at, id"
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    used_at REAL NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    stored_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    labels TEXT NOT NULL,
    blob TEXT NOT NULL,
    blocks BLOB NOT NULL,
    digest BLOB NOT NULL,
    seal BLOB NOT NULL,
    value BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS entry_used ON entry (used_at);
CREATE INDEX IF NOT EXISTS entry_expires ON entry (expires_at);
CREATE INDEX IF NOT EXISTS entry_blob ON entry (blob) WHERE blob != '';
CREATE TABLE IF NOT EXISTS total (entries INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
INSERT INTO total SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS entry_in AFTER INSERT ON entry
    BEGIN UPDATE total SET entries = entries + 1, bytes = bytes + new.size; END;
CREATE TRIGGER IF NOT EXISTS entry_out AFTER DELETE ON entry
    BEGIN UPDATE total SET entries = entries - 1, bytes = bytes - old.size; END;
"""
_FIND = f"SELECT {_COLUMNS} FROM entry WHERE key = ?"  # noqa: S608  # constants only, here and below
_INSERT = f"INSERT INTO entry ({_COLUMNS.removesuffix(', id')}) VALUES ({', '.join('?' * 12)})"  # noqa: S608
_PAGE = f"SELECT {_COLUMNS} FROM entry WHERE id > ? AND path GLOB ? ORDER BY id LIMIT ?"  # noqa: S608
_LIST = _PAGE.replace("value", "NULL")
_RANGE = f"SELECT {_COLUMNS} FROM entry WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?".replace("value", "NULL")  # noqa: S608
_SHARES = "SELECT path, count(*), sum(size) FROM entry WHERE expires_at > ? GROUP BY path ORDER BY path"


class Candidate(NamedTuple):
    """Name a row that may have to go."""

    id: int
    key: bytes
    size: int


class Index:
    """Find, add and remove rows.

    Every method may raise sqlite3.Error: the disk is full or gone, or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reading, self._scanning, self.writing = threading.Lock(), threading.Lock(), threading.RLock()
        path.touch(mode=0o600)
        with ExitStack() as stack:
            self._write = stack.enter_context(closing(sqlite3.connect(path, **_OPTIONS)))
            self._read = stack.enter_context(closing(sqlite3.connect(path, **_OPTIONS)))
            self._scan = stack.enter_context(closing(sqlite3.connect(path, **_OPTIONS)))
            _prepare(self._write)
            for connection in (self._write, self._read, self._scan):
                _adjust(connection)
            self._version = self._data_version()
            self._stack = stack.pop_all()

    def find(self, key: bytes) -> Row | None:
        """Return the row of a key, as it is in the file: neither its seal nor its bytes are looked at."""
        with self._reading:
            found = self._read.execute(_FIND, (key,)).fetchone()
        return None if found is None else Row._make(found)

    def row_id(self, key: bytes) -> int:
        """Return the id of a key's present row, 0 if there is none. Ids are never used twice."""
        with self._reading:
            found = self._read.execute("SELECT id FROM entry WHERE key = ?", (key,)).fetchone()
        return found[0] if found else 0

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make what follows one transaction. Other threads' changes wait."""
        with self.writing:
            self._write.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._write.execute("COMMIT")
            except BaseException:
                if self._write.in_transaction:  # SQLite itself has rolled back where the disk is full
                    self._write.execute("ROLLBACK")
                raise

    def insert(self, row: Row) -> tuple[int, list[str]]:
        """Put a row in the place of the one of its key; return its id and the old one's file, if any."""
        old = self._write.execute("DELETE FROM entry WHERE key = ? RETURNING blob", (row.key,)).fetchall()
        done = self._write.execute(_INSERT, row[:-1])
        return done.lastrowid or 0, [blob for (blob,) in old if blob]

    def remove(self, ids: Sequence[int]) -> list[tuple[bytes, str]]:
        """Remove rows; return key and file of those that were there."""
        gone = []
        for row_id in ids:
            gone += self._write.execute("DELETE FROM entry WHERE id = ? RETURNING key, blob", (row_id,)).fetchall()
        return gone

    def touch(self, uses: Sequence[tuple[float, bytes]]) -> None:
        """Write down when keys were used last."""
        self._write.executemany("UPDATE entry SET used_at = ? WHERE key = ?", uses)

    def expired(self, now: float) -> list[Candidate]:
        """Return some rows whose time is over."""
        return self._candidates("SELECT id, key, size FROM entry WHERE expires_at <= ? ORDER BY expires_at", now)

    def oldest(self) -> list[Candidate]:
        """Return some rows, those first that were used least recently, as far as that is written down."""
        return self._candidates("SELECT id, key, size FROM entry ORDER BY used_at")

    def totals(self) -> tuple[int, int]:
        """Return (entries, bytes)."""
        with self.writing:
            entries, size = self._write.execute("SELECT entries, bytes FROM total").fetchone()
        return entries, size

    def page(self, after: int, match: str, *, has_value: bool = False) -> list[Row]:
        """Return the next rows in the order of their ids, of those whose path fits the pattern."""
        with self._scanning:
            found = self._scan.execute(_PAGE if has_value else _LIST, (after, match, BATCH)).fetchall()
        return [Row._make(row) for row in found]

    def between(self, low: bytes, high: bytes) -> list[Row]:
        """Return the first rows whose keys lie between two, these included, without the values."""
        with self._scanning:
            found = self._scan.execute(_RANGE, (low, high, BATCH)).fetchall()
        return [Row._make(row) for row in found]

    def shares(self, now: float) -> list[tuple[str, int, int]]:
        """Return path, entries and bytes of each function, without what is over."""
        with self._scanning:
            return list(self._scan.execute(_SHARES, (now,)))

    def has_blob(self, name: str) -> bool:
        """Tell whether a file belongs to a row."""
        with self._scanning:
            query = "SELECT 1 FROM entry WHERE blob = ? AND blob != ''"
            return self._scan.execute(query, (name,)).fetchone() is not None

    def has_changed(self) -> bool:
        """Tell whether another process changed anything since the last time; False while a change here is under way."""
        if not self.writing.acquire(blocking=False):
            return False
        try:
            before, self._version = self._version, self._data_version()
            return before != self._version
        finally:
            self.writing.release()

    def tidy(self) -> None:
        """Move the log into the file and give back pages that are free, a little at a time. Takes long."""
        with self._scanning:
            self._scan.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            pages = self._scan.execute("PRAGMA page_count").fetchone()[0]
            free = self._scan.execute("PRAGMA freelist_count").fetchone()[0]
        for _ in range(max(0, free - max(pages // 4, 1024)) // BATCH):
            with self.writing:
                self._write.executescript(f"PRAGMA incremental_vacuum({BATCH})")  # `execute` stops after one page

    def is_sound(self) -> bool:
        """Read the whole file and tell whether its structure is intact."""
        with self._scanning:
            return bool(self._scan.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")

    def close(self) -> None:
        """Close the file."""
        with self._reading, self._scanning, self.writing:
            self._stack.close()

    def _candidates(self, query: str, *values: float) -> list[Candidate]:
        with self.writing:
            return [Candidate._make(row) for row in self._write.execute(f"{query} LIMIT {BATCH}", values)]

    def _data_version(self) -> int:
        # On the connection that writes: there, the number tells of others' changes only.
        return int(self._write.execute("PRAGMA data_version").fetchone()[0])


def open_index(path: Path) -> Index:
    """Open the index, or begin with an empty one where the file is damaged or of another version.

    The old file stays beside it as `<name>.broken` until the next time.

    Raises:
        ConfigError: It cannot be opened for another reason: permissions, a full disk, a read-only one.
    """
    try:
        try:
            return Index(path)
        except sqlite3.DatabaseError as exc:
            if not is_broken(exc):
                raise
        set_aside(path)
        return Index(path)
    except (sqlite3.Error, OSError) as exc:
        raise ConfigError(f"{path.name} in the cache folder cannot be opened: {exc}; mend it or delete it") from exc


def set_aside(path: Path) -> None:
    """Rename a damaged index; its log is of no use without it."""
    if path.exists():
        path.replace(path.with_name(path.name + ".broken"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def is_broken(error: sqlite3.Error) -> bool:
    """Tell whether the error means that the file is damaged, not that something is in the way."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_INDEX


def _adjust(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")


def _prepare(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(_SCHEMA)  # begins a transaction
        connection.execute(f"PRAGMA user_version={_VERSION}")
        connection.execute("COMMIT")
    elif version != _VERSION:
        error = sqlite3.DatabaseError("of another version")
        error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
        raise error
