"""Rows and files together: what the cache's folder holds, without the rules of what to keep.

Source: docs/explanation/cache-storage.md "Large values", "Integrity".
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ksrpc.errors import ConfigError, EncodeError
from ksrpc.limits import KIB
from ksrpc.protocol import Buffer
from ksrpc.store.blob import BlobFolder, Stamp, digest_of, is_whole
from ksrpc.store.entry import Entry, make_entry
from ksrpc.store.hot import Hot
from ksrpc.store.index import BATCH, ROW_BYTES, Candidate, open_index, set_aside
from ksrpc.store.seal import Row, Seal

#: Values from this size on are files.
BLOB_BYTES = 64 * KIB


class Sight(NamedTuple):
    """Hold an opened file that is to be compared with its row, and the state in which it was opened."""

    row: Row
    view: memoryview
    stamp: Stamp


class Shelf:
    """Put entries into the folder, find them and take them out."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, and remove what processes that died have left half done.

        Raises:
            ConfigError: The folder, the key or the index cannot be used.
        """
        self._mark = folder / "rebuild"
        self.hot = Hot()
        self._doomed: deque[str] = deque()
        with _alone(folder):
            path = folder / "index.sqlite3"
            if self._mark.exists():
                set_aside(path)
                self._mark.unlink()
            self.seal = Seal(folder / "seal.key")
            self.index = open_index(path)
            try:
                self.blobs = BlobFolder(folder / "blobs")
            except ConfigError:
                self.index.close()
                raise
            with suppress(sqlite3.Error):  # locked: the next opening cleans
                self.blobs.clean(self.index.has_blob)

    def find(self, key: bytes) -> tuple[Row | None, Entry | None]:
        """Return a key's row and the entry that it makes: no entry if anything is not as it was stored."""
        removals = self.hot.removals
        row = self.index.find(key)
        if row is None:
            return None, None
        entry = self.entry_of(row)
        if entry is None and self.index.row_id(key) != row.id:  # replaced meanwhile: look once more
            row = self.index.find(key)
            entry = None if row is None else self.entry_of(row)
        if entry is not None and entry.is_checked:
            self.hot.add(entry, removals)
        return row, entry

    def warm(self, key: bytes) -> Entry | None:
        """Return an entry that is in memory and still there: in the index, and its file unchanged."""
        found = self.hot.get(key)
        if found is None:
            return None
        entry, is_certain = found
        place = entry.place
        if place.blob and not self.blobs.is_known(place.blob, self.blobs.stamp(place.blob)):
            self.hot.drop([key])
            return None
        if not is_certain:
            if self.index.row_id(key) != place.row_id:
                self.hot.drop([key])
                return None
            self.hot.renew(key)
        return entry

    def entry_of(self, row: Row) -> Entry | None:
        """Make the entry of a row; None if row or bytes are not as they were stored."""
        if not self.seal.is_genuine(row):
            return None
        if not row.blob:
            value = row.value
            if value is None or len(value) != row.size or not is_whole(memoryview(value), row.digest):
                return None
            return make_entry(row, (value,))
        view, stamp = self.blobs.open(row.blob, row.size) or (None, None)
        if view is None:
            return None
        is_known = self.blobs.is_known(row.blob, stamp)
        return make_entry(row, (view,) if is_known else (), is_checked=is_known)

    def look(self, entry: Entry) -> Sight | None:
        """Open the file of an entry that was given out unchecked; None if row or file are not there any more."""
        try:
            row = self.index.find(entry.key)
        except sqlite3.Error:
            return None
        if row is None or row.id != entry.place.row_id or not self.seal.is_genuine(row):
            return None
        opened = self.blobs.open(row.blob, row.size)
        return None if opened is None else Sight(row, *opened)

    def accept(self, sight: Sight) -> Entry:
        """Note that the file is what was stored, and return its entry with the bytes."""
        self.blobs.remember(sight.row.blob, sight.stamp)
        return make_entry(sight.row, (sight.view,))

    def put(self, row: Row, pieces: Sequence[Buffer]) -> None:
        """Put a row and its bytes in the place of those of its key, and keep them in memory.

        Raises:
            EncodeError: The pieces are not as long as the row says.
        """
        if row.size >= BLOB_BYTES:
            self._put_blob(row, pieces)
            return
        value = b"".join(pieces)
        if len(value) != row.size:
            raise EncodeError(f"{len(value)} bytes came instead of {row.size}")
        self._insert(row._replace(value=value, digest=digest_of(memoryview(value))[0]), value)

    def _put_blob(self, row: Row, pieces: Sequence[Buffer]) -> None:
        draft = self.blobs.write(pieces, row.size)
        try:
            self._insert(row._replace(blob=draft.name, blocks=draft.blocks, digest=draft.digest), draft.view)
        except BaseException:
            self.blobs.remove([draft.name])
            raise
        finally:
            draft.release()

    def _insert(self, row: Row, piece: bytes | memoryview) -> None:
        row = self.seal.sign(row._replace(used_at=row.stored_at))
        with self.index.writing:
            with self.index.change():
                row_id, old = self.index.insert(row)
            self.hot.drop([row.key])
            self._doomed.extend(old)
            self.hot.add(make_entry(row._replace(id=row_id), (piece,)), self.hot.removals)

    def remove(self, ids: Sequence[int]) -> int:
        """Remove rows, a batch at a time; return how many were there. Their files go with `bury`."""
        count = 0
        for start in range(0, len(ids), BATCH):
            with self.index.writing:
                with self.index.change():
                    gone = self.index.remove(ids[start : start + BATCH])
                self._forget(gone)
            count += len(gone)
        return count

    def shrink(self, room: int, now: float, *, rounds: int | None) -> int:
        """Remove what is over, then what was used least recently, until `room` bytes hold the rest; return how many.

        It stops after `rounds` batches.
        """
        count, done = 0, 0
        while rounds is None or done < rounds:
            entries, held = self.index.totals()
            excess = held + entries * ROW_BYTES - room
            candidates = (self.index.expired(now) or self.index.oldest()) if excess > 0 else []
            if not candidates:
                break
            count += self._evict(candidates, excess)
            done += 1
        return count

    def _evict(self, candidates: Sequence[Candidate], excess: int) -> int:
        """Remove candidates in their order until the excess is gone; what was used since is only written down."""
        chosen: list[int] = []
        uses: list[tuple[float, bytes]] = []
        for row_id, key, size in candidates:
            if excess <= 0:
                break
            used_at = self.hot.take_touch(key)
            if used_at is None:
                chosen.append(row_id)
                excess -= size + ROW_BYTES
            else:
                uses.append((used_at, key))
        with self.index.writing:
            with self.index.change():
                self.index.touch(uses)
                gone = self.index.remove(chosen)
            self._forget(gone)
        return len(gone)

    def write_touches(self) -> None:
        """Write down all uses noted in memory."""
        while uses := self.hot.take_touches(BATCH):
            with self.index.change():
                self.index.touch(uses)

    def bury(self) -> None:
        """Remove the files whose rows are gone. A large one takes the file system a while."""
        while self._doomed:
            with suppress(IndexError):  # another thread was faster
                self.blobs.remove([self._doomed.popleft()])

    def rows(self, match: str | None, *, has_value: bool = False) -> Iterator[Row]:
        """Yield the rows whose path fits the pattern, in the order of their storing."""
        after = 0
        while page := self.index.page(after, "*" if match is None else match, has_value=has_value):
            yield from page
            after = page[-1].id

    def mark_broken(self) -> None:
        """See to it that the next opening begins with an empty index."""
        with suppress(OSError):
            self._mark.touch(mode=0o600)

    def close(self) -> None:
        """Close everything, maps of large values too. Views that were given out stay valid."""
        self.hot.age()
        self.index.close()
        self.blobs.close()

    def _forget(self, gone: Sequence[tuple[bytes, str]]) -> None:
        self.hot.drop([key for key, _ in gone])
        self._doomed.extend(blob for _, blob in gone if blob)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time open the folder: key and index must not be made twice."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ConfigError(f"the cache folder {folder.name} cannot be used: {exc.strerror}") from exc
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
