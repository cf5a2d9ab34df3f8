"""What the cache gives out: entries, why something was not stored, counts, and the report of a check."""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ksrpc.errors import EncodeError
from ksrpc.protocol import Buffer
from ksrpc.store.seal import Row

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
Label = str | int | float | bool | None
#: What is known of an answer besides its bytes; `path`, the function's dotted path, is what patterns are matched with.
Labels = Mapping[str, Label]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """Hold one stored answer.

    Attributes:
        pieces: The bytes, to be sent as they lie; a large one is a read-only view of the mapped file. Empty while
            `is_checked` is False, so that nothing can be sent by mistake that was not compared with its digest.
        size: [bytes] of the whole.
        stored_at: Unix time.
        expires_at: Unix time.
        labels: As they were given; shared by everybody who gets this entry, so not to be changed.
        is_checked: Whether this process has compared the bytes with their digest. Where not, `CacheStore.check` or
            `CacheStore.stream` does.
        place: Which row and file this is; for the store itself.
    """

    key: bytes
    pieces: tuple[Buffer, ...]
    size: int
    stored_at: float
    expires_at: float
    labels: dict[str, Label]
    is_checked: bool = True
    place: Place = field(default_factory=lambda: Place(0, ""), repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Say where an entry lies: its row, and its file if it has one."""

    row_id: int
    blob: str


@dataclass(frozen=True, slots=True)
class Listed:
    """Describe one entry for a list: everything but its bytes. Times are Unix seconds.

    Attributes:
        used_at: When it was last given out, as far as that is written down: servers do so every minute.
        blob: Name of the file that holds the bytes; empty if they are in the index.
    """

    key: bytes
    size: int
    stored_at: float
    expires_at: float
    used_at: float
    labels: dict[str, Label]
    blob: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """Tell how much of the cache one function takes."""

    path: str
    entries: int
    bytes: int


class Stored(StrEnum):
    """Say what became of a `put`; only STORED means that a `get` may find it."""

    STORED = "stored"
    EXPIRED = "expired already"
    TOO_LARGE = "too large"
    NEARLY_FULL = "disk nearly full"
    FULL = "disk full"
    FAILED = "store failed"


@dataclass(slots=True)
class CacheStats:
    """Count what is there (`entries`, `bytes`: of all processes) and what this process did since it opened the store.

    Attributes:
        hits: Answers found; one that then turned out to be damaged counts as a miss.
        refused: Puts that were not stored, whatever the reason.
        evictions: Entries that made room for others.
        expired: Entries removed because their time was over.
        damaged: Entries removed because their bytes, their row or their file was not what was stored.
        failed: Times that the file system or SQLite raised an error.
    """

    entries: int = 0
    bytes: int = 0
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    stored: int = 0
    refused: int = 0
    expired: int = 0
    damaged: int = 0
    failed: int = 0

    def add(self, **counts: int) -> None:
        """Add to the named counts."""
        for name, count in counts.items():
            setattr(self, name, getattr(self, name) + count)


@dataclass(frozen=True, slots=True)
class CacheReport:
    """Tell what a check of everything found.

    Attributes:
        entries: Entries that are as they were stored.
        bytes: Bytes of them.
        damaged: Entries that were not, removed.
        leftovers: Files that belonged to no entry, removed.
        is_sound: Whether the index itself is intact. If not, it is started anew at the next opening.
    """

    entries: int
    bytes: int
    damaged: int
    leftovers: int
    is_sound: bool


def dump_labels(labels: Labels) -> str:
    """Return the labels as JSON.

    Raises:
        EncodeError: A value is none that JSON has.
    """
    try:
        return json.dumps(dict(labels), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as exc:
        raise EncodeError(f"labels that are not JSON: {exc}") from exc


def reason_of(error: Exception) -> Stored:
    """Say what an error of the file system or of SQLite means for a `put`."""
    if isinstance(error, sqlite3.Error):
        is_full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    else:
        is_full = isinstance(error, OSError) and error.errno in _FULL
    return Stored.FULL if is_full else Stored.FAILED


def make_entry(row: Row, pieces: tuple[bytes | memoryview, ...], *, is_checked: bool = True) -> Entry:
    """Make the entry of a row that is genuine."""
    labels, place = json.loads(row.labels), Place(row.id, row.blob)
    return Entry(row.key, pieces, row.size, row.stored_at, row.expires_at, labels, is_checked, place)
