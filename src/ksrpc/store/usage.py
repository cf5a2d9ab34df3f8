"""What users have used of their quotas: counters in an SQLite file that servers and the CLI share.

The window is part of a counter's key, so that nothing has to be set back: another day has other counters. Every change
is one transaction on the sum that is there, whichever process made it.

Source: docs/explanation/quotas.md "Where it is counted".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from ksrpc.errors import ConfigError

_VERSION = 1
#: A change waits so long for that of another process [s].
_WAIT_S = 1.0
#: Pages of the log after which a writer moves it into the file itself if upkeep did not: 64 MiB.
_LOG_PAGES = 16_384
_SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
    window TEXT NOT NULL,
    user TEXT NOT NULL,
    scope TEXT NOT NULL,
    rows INTEGER NOT NULL,
    PRIMARY KEY (window, user, scope)
) STRICT, WITHOUT ROWID;
"""
#: Sums stay where SQLite's integers can hold them.
_ADD = """
INSERT INTO usage VALUES (?, ?, ?, ?)
ON CONFLICT (window, user, scope) DO UPDATE SET rows = min(rows + excluded.rows, 1 << 62)
"""


_READ = "SELECT scope, rows FROM usage WHERE window = ? AND user = ?"


class Counter(NamedTuple):
    """Name what is counted: the rows of a user, within a scope, in a window such as a day."""

    window: str
    user: str
    scope: str


class UsageStore:
    """Add and read counters. What was added survives the end of the process.

    Every method but `close` may raise sqlite3.Error: the disk is full or gone, or another process holds the file.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, and make it if there is none.

        Raises:
            ConfigError: It cannot be made, is no store, or was made by a newer version.
        """
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=True)
        except OSError as exc:
            raise ConfigError(f"{path.name} in the data folder cannot be made: {exc.strerror}") from exc
        with ExitStack() as stack:
            try:
                db = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
                _prepare(stack.enter_context(closing(db)))
            except sqlite3.DatabaseError as exc:
                raise ConfigError(f"{path.name} in the data folder is not a store that can be opened: {exc}") from exc
            stack.pop_all()
        self._db = db

    def add(self, rows: Mapping[Counter, int]) -> None:
        """Add to some counters, all or none."""
        execute = self._db.execute
        execute("BEGIN IMMEDIATE")
        try:
            for counter, count in rows.items():
                execute(_ADD, (*counter, count))
            execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite itself has rolled back where the disk is full
                execute("ROLLBACK")
            raise

    def read(self, window: str, user: str) -> dict[str, int]:
        """Return scope → rows of one user."""
        return dict(self._db.execute(_READ, (window, user)))

    def read_some(self, window: str, user: str, scopes: Sequence[str]) -> dict[str, int]:
        """Return scope → rows of those of these scopes that have any."""
        marks = ", ".join("?" * len(scopes))
        found = self._db.execute(f"{_READ} AND scope IN ({marks})", (window, user, *scopes))  # marks only
        return dict(found)

    def users(self, window: str) -> list[str]:
        """Return who has counters in a window, in order."""
        found = self._db.execute("SELECT DISTINCT user FROM usage WHERE window = ? ORDER BY user", (window,))
        return [row[0] for row in found]

    def reset(self, window: str, user: str) -> int:
        """Remove the counters of one user in a window; return how many there were."""
        return self._db.execute("DELETE FROM usage WHERE window = ? AND user = ?", (window, user)).rowcount

    def tidy(self, before: str) -> None:
        """Remove the counters of all windows before this one; for a thread, other calls may come meanwhile."""
        with closing(sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None)) as db:
            db.execute("DELETE FROM usage WHERE window < ?", (before,))
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _prepare(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise ConfigError("usage.sqlite3 in the data folder was made by a newer ksrpc: update this one")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
    if version < _VERSION:
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")
