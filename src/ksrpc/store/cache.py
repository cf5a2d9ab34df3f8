"""The cache on disk: answers by key, bounded in bytes, never a wrong one.

For an event loop: `get` (some microseconds), `put` of less than `BLOB_BYTES`, `refresh` and `stats`. For a thread:
`put` of more, `check`, `delete`, `purge`, `entries`, `sweep`, `verify`, `close`. Every method may be called from any
thread, and several processes may have the same folder open.

Source: docs/explanation/cache-storage.md.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ksrpc.errors import LostError
from ksrpc.limits import KIB
from ksrpc.protocol import Buffer
from ksrpc.store import upkeep
from ksrpc.store.blob import checked_blocks, is_whole
from ksrpc.store.entry import CacheReport, CacheStats, Entry, Labels, Listed, Share, Stored, dump_labels, reason_of
from ksrpc.store.index import ROW_BYTES, is_broken
from ksrpc.store.seal import Row
from ksrpc.store.shelf import BLOB_BYTES, Shelf, Sight

_LABELS_BYTES = 4 * KIB
#: How often an entry may be replaced by other processes while it is looked at.
_REPLACED = 4
_SMALL_ROUNDS = 4  # batches that a small put removes at most to make room: it may run on an event loop


class CacheStore:
    """Keep answers until their time is over or others need the room."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        max_object_bytes: int,
        min_free_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the folder, made where there is none, and remove what crashes have left.

        Args:
            folder: For the cache alone; mode 0700.
            max_bytes: Of all entries, each with 512 bytes for its row.
            max_object_bytes: Of one entry.
            min_free_bytes: Left free on the disk; 0 means until it is full.
            clock: Unix time.

        Raises:
            ConfigError: The folder cannot be used. A damaged index is no reason: the cache then begins empty.
        """
        self.limit(max_bytes=max_bytes, max_object_bytes=max_object_bytes, min_free_bytes=min_free_bytes)
        self._clock = clock
        self._counts, self._counting = CacheStats(), threading.Lock()
        self._shelf = Shelf(folder)

    def limit(self, *, max_bytes: int, max_object_bytes: int, min_free_bytes: int) -> None:
        """Set the limits; what is over them goes with the next sweep."""
        self._max_bytes, self._max_object_bytes, self._min_free_bytes = max_bytes, max_object_bytes, min_free_bytes

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key; None if there is none, its time is over, or it is not as it was stored.

        A large entry that this process has not seen before comes without its bytes: see `Entry.is_checked`.
        """
        now = self._clock()
        try:
            entry = self._shelf.warm(key) or self._cold(key)
        except (sqlite3.Error, OSError) as exc:
            self._note(exc)
            entry = None
        if entry is None or entry.expires_at <= now:
            self._count(misses=1)
            return None
        self._shelf.hot.touch(key, now)
        self._count(hits=1)
        return entry

    def check(self, entry: Entry) -> Entry | None:
        """Compare an entry with its digest and return it with its bytes; None if it is gone or damaged: a miss.

        Where another process has put a newer one in its place, that one is returned. Takes 0.7 ms per MiB, once per
        process and entry; for a thread.
        """
        sight: Sight | None = None
        for _ in range(_REPLACED):
            if entry.is_checked:
                return entry
            sight = self._shelf.look(entry)
            if sight is not None:
                break
            newer = self._newer(entry)
            if newer is None:
                break
            entry = newer
        if sight is None or not is_whole(sight.view, sight.row.digest):
            self._fail(sight)
            return None
        return self._shelf.accept(sight)

    def _newer(self, entry: Entry) -> Entry | None:
        """Return what stands in an entry's place now, if that is another one and its time is not over."""
        try:
            _, found = self._shelf.find(entry.key)
        except (sqlite3.Error, OSError):
            return None
        is_newer = found is not None and found.place.row_id != entry.place.row_id
        return found if is_newer and found is not None and found.expires_at > self._clock() else None

    def stream(self, entry: Entry) -> Iterator[memoryview]:
        """Yield the bytes, checked as they go: 1 ms per MiB until the entry is known, nothing from then on.

        The last block is yielded only if the whole is what was stored.

        Raises:
            LostError: The entry is gone or damaged; what was yielded must not be taken for an answer.
        """
        if entry.is_checked:
            yield from (memoryview(piece) for piece in entry.pieces)
            return
        sight, sent = self._shelf.look(entry), 0
        if sight is not None:
            for block in checked_blocks(sight.view, sight.row.digest, sight.row.blocks):
                sent += len(block)
                if sent == entry.size:
                    self._shelf.accept(sight)
                yield block
        if sent != entry.size:
            self._fail(sight)
            raise LostError("a stored answer was damaged; ask again", maybe_ran=False)

    def put(self, key: bytes, pieces: Sequence[Buffer], *, size: int, expires_at: float, labels: Labels) -> Stored:
        """Store an answer in the place of the one of this key, or say why not; then nothing of it is left.

        From `BLOB_BYTES` on for a thread: it writes and hashes, 1.5 ms per MiB.

        Args:
            pieces: `size` bytes together.
            expires_at: Unix time.
            labels: At most 4 KiB as JSON; `path` is what `purge` and `entries` match.

        Raises:
            EncodeError: The labels are not JSON, or the pieces are not of that size.
        """
        path = str(labels.get("path", ""))
        row = Row(key, path, size, self._clock(), float(expires_at), dump_labels(labels), "", b"", b"")
        try:
            result = self._refuse(row) or self._store(row, pieces)
        except (sqlite3.Error, OSError) as exc:
            self._note(exc)
            result = reason_of(exc)
        self._count(**{"stored" if result is Stored.STORED else "refused": 1})
        return result

    def delete(self, key: bytes) -> bool:
        """Remove an entry; return whether there was one. For a thread.

        Raises:
            LocalError: The index cannot be written.
        """
        return upkeep.delete(self._shelf, key)

    def purge(self, match: str | None = None) -> int:
        """Remove the entries of the functions that fit a pattern such as `tushare.*`, or all; return how many.

        For a thread; running servers see it with their next `refresh`.

        Raises:
            LocalError: The index cannot be written.
        """
        return self.clear(match)[0]

    def clear(self, match: str | None = None, *, only_expired: bool = False) -> tuple[int, int]:
        """Remove as `purge` does, all or only what is over; return how many and how many bytes.

        Raises:
            LocalError: The index cannot be written.
        """
        size, now = 0, self._clock()

        def ids() -> Iterator[int]:
            nonlocal size
            for row in self._shelf.rows(match):
                if not only_expired or row.expires_at <= now:
                    size += row.size
                    yield row.id

        return upkeep.purge(self._shelf, ids()), size

    def find(self, prefix: str) -> list[Listed]:
        """Return entries, 256 at most, whose keys begin with these hexadecimal digits. For a thread.

        Raises:
            LocalError: The index cannot be read.
        """
        return upkeep.find_live(self._shelf, prefix, self._clock())

    def shares(self) -> list[Share]:
        """Tell how much each function takes, by path. For a thread.

        Raises:
            LocalError: The index cannot be read.
        """
        return upkeep.share_out(self._shelf, self._clock())

    @property
    def free_bytes(self) -> int:
        """What the disk has left for the cache."""
        return self._shelf.blobs.free_bytes()

    def entries(self, match: str | None = None, limit: int | None = None) -> Iterator[Listed]:
        """Yield what is there, oldest first, without the bytes. For a thread.

        Raises:
            LocalError: The index cannot be read.
        """
        return islice(upkeep.list_live(self._shelf, match, self._clock()), limit)

    def stats(self) -> CacheStats:
        """Return the counts; what is there is counted over all processes."""
        entries, size = upkeep.totals(self._shelf)
        return replace(self._counts, entries=entries, bytes=size)

    def refresh(self) -> bool:
        """See whether another process changed anything, and doubt what is in memory if so. Call it every second."""
        try:
            has_changed = self._shelf.index.has_changed()
        except sqlite3.Error as exc:
            self._note(exc)
            return False
        if has_changed:
            self._shelf.hot.age()
        return has_changed

    def sweep(self) -> int:
        """Remove what is expired, write down uses, tidy; return how many went. Call it every minute, in a thread."""
        count = 0
        try:  # what cannot be done now is left to the next time
            self._shelf.write_touches()
            count = upkeep.expire(self._shelf, self._clock())
            self._count(expired=count)
            self._make_room(0)
            self._shelf.bury()
            self._shelf.index.tidy()
        except (sqlite3.Error, OSError) as exc:
            self._note(exc)
        return count

    def verify(self) -> CacheReport:
        """Compare everything with its digest, and remove what is wrong or belongs to nothing. For a thread; long.

        Raises:
            LocalError: The index cannot be written.
        """
        report = upkeep.verify(self._shelf)
        self._count(damaged=report.damaged)
        return report

    def close(self) -> None:
        """Write down what was used and close the files. Bytes that were given out stay valid."""
        with suppress(sqlite3.Error, OSError):
            self._shelf.write_touches()
            self._shelf.bury()
        self._shelf.close()

    def _cold(self, key: bytes) -> Entry | None:
        row, entry = self._shelf.find(key)
        if row is not None and entry is None and self._shelf.remove([row.id]):
            self._count(damaged=1)  # else another process has removed or replaced it meanwhile
        return entry

    def _fail(self, sight: Sight | None) -> None:
        """Count a hit that turned out to be none, and remove the entry if it is there."""
        self._count(hits=-1, misses=1)
        with suppress(sqlite3.Error):
            self._count(damaged=self._shelf.remove([sight.row.id]) if sight else 0)

    def _refuse(self, row: Row) -> Stored | None:
        if row.expires_at <= row.stored_at:
            return Stored.EXPIRED
        if row.size > min(self._max_object_bytes, self._max_bytes - ROW_BYTES) or len(row.labels) > _LABELS_BYTES:
            return Stored.TOO_LARGE
        wanted = self._min_free_bytes and self._min_free_bytes + row.size
        return Stored.NEARLY_FULL if wanted and self._shelf.blobs.free_bytes() < wanted else None

    def _store(self, row: Row, pieces: Sequence[Buffer]) -> Stored:
        self._make_room(row.size + ROW_BYTES, rounds=_SMALL_ROUNDS if row.size < BLOB_BYTES else None)
        self._shelf.put(row, pieces)
        if row.size >= BLOB_BYTES:
            self._shelf.bury()
        return Stored.STORED

    def _make_room(self, size: int, *, rounds: int | None = None) -> None:
        self._count(evictions=self._shelf.shrink(self._max_bytes - size, self._clock(), rounds=rounds))

    def _count(self, **counts: int) -> None:
        with self._counting:
            self._counts.add(**counts)

    def _note(self, error: Exception) -> None:
        self._count(failed=1)
        if isinstance(error, sqlite3.Error) and is_broken(error):
            self._shelf.mark_broken()
