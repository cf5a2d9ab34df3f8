"""What takes long: going through the whole cache to remove what is over, unwanted or wrong. All for a thread.

Everything is done in batches, so that puts and other processes come in between.

Source: docs/explanation/cache-storage.md "Upkeep".
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from ksrpc.errors import LocalError
from ksrpc.store.blob import is_whole
from ksrpc.store.entry import CacheReport, Listed, Share
from ksrpc.store.index import BATCH, is_broken
from ksrpc.store.seal import Row
from ksrpc.store.shelf import Shelf

#: More than any key has.
_KEY_DIGITS = 128


def purge(shelf: Shelf, ids: Iterable[int]) -> int:
    """Remove the rows of these ids and their files; return how many were there.

    Raises:
        LocalError: The index cannot be written.
    """
    count, waiting = 0, iter(ids)
    with _told():
        while batch := list(islice(waiting, BATCH)):
            count += shelf.remove(batch)
            shelf.bury()
    return count


def delete(shelf: Shelf, key: bytes) -> bool:
    """Remove the row of a key and its file; return whether there was one.

    Raises:
        LocalError: The index cannot be written.
    """
    return purge(shelf, map(shelf.index.row_id, [key])) > 0


def expire(shelf: Shelf, now: float) -> int:
    """Remove what is over; return how many."""
    count = 0
    while over := shelf.index.expired(now):
        count += shelf.remove([candidate.id for candidate in over])
        shelf.bury()
    return count


def totals(shelf: Shelf) -> tuple[int, int]:
    """Return (entries, bytes); nothing of an index that cannot be read can be had."""
    try:
        return shelf.index.totals()
    except sqlite3.Error:
        return 0, 0


def list_live(shelf: Shelf, match: str | None, now: float) -> Iterator[Listed]:
    """Yield what is not over, oldest first, of the functions that fit the pattern.

    Raises:
        LocalError: The index cannot be read.
    """
    with _told():
        yield from _live(shelf, shelf.rows(match), now)


def find_live(shelf: Shelf, prefix: str, now: float) -> list[Listed]:
    """Return what is not over of the first entries whose keys, in hexadecimal digits, begin so.

    Raises:
        LocalError: The index cannot be read.
    """
    low = bytes.fromhex(prefix + "0" * (len(prefix) % 2))
    high = bytes.fromhex(prefix.ljust(_KEY_DIGITS, "f"))
    with _told():
        return list(_live(shelf, shelf.index.between(low, high), now))


def share_out(shelf: Shelf, now: float) -> list[Share]:
    """Tell how much each function takes, by path.

    Raises:
        LocalError: The index cannot be read.
    """
    with _told():
        return [Share(*row) for row in shelf.index.shares(now)]


def _live(shelf: Shelf, rows: Iterable[Row], now: float) -> Iterator[Listed]:
    for row in rows:
        if shelf.seal.is_genuine(row) and row.expires_at > now:
            labels = json.loads(row.labels)
            yield Listed(row.key, row.size, row.stored_at, row.expires_at, row.used_at, labels, row.blob)


def verify(shelf: Shelf) -> CacheReport:
    """Read every entry, remove what is not as it was stored and the files that belong to no entry.

    Raises:
        LocalError: The index cannot be written.
    """
    entries = size = damaged = leftovers = 0
    is_sound = False
    try:
        for row in shelf.rows(None, has_value=True):
            if _is_intact(shelf, row):
                entries, size = entries + 1, size + row.size
            else:
                damaged += purge(shelf, [row.id])
        leftovers = shelf.blobs.clean(shelf.index.has_blob)
        is_sound = shelf.index.is_sound()
    except sqlite3.DatabaseError as exc:
        if not is_broken(exc):
            raise LocalError(f"the cache cannot be verified: {exc}") from exc
    if not is_sound:
        shelf.mark_broken()
    return CacheReport(entries, size, damaged, leftovers, is_sound)


def _is_intact(shelf: Shelf, row: Row) -> bool:
    if shelf.entry_of(row) is None:
        return False
    if not row.blob:
        return True
    opened = shelf.blobs.open(row.blob, row.size)
    return opened is not None and is_whole(opened[0], row.digest)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise LocalError(f"the cache cannot be read or changed: {exc}") from exc
