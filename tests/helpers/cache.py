"""A cache in a folder of its own, with a clock that only tests move, and bytes that say where they belong."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from ksrpc.limits import MIB
from ksrpc.store import CacheStore, Entry, Stored

#: Stores that a test may leave to `close_all`.
_OPENED: list[CacheStore] = []
SMALL, LARGE = 1000, 100_000
BLOCK = MIB


class Clock:
    """Tell a Unix time that stands still."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def content(name: object, size: int) -> bytes:
    """Return bytes that no other name or size has, quickly."""
    seed = hashlib.sha256(f"{name} {size}".encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


def close_all() -> None:
    """Close every store that was opened here, closed ones again."""
    while _OPENED:
        _OPENED.pop().close()


class Cache:
    """Open a store over a folder; `again` opens it as another process would see it."""

    def __init__(self, folder: Path, *, max_bytes: int = 1 << 30, max_object_bytes: int = 1 << 30) -> None:
        self.folder, self.clock = folder, Clock()
        self.max_bytes, self.max_object_bytes = max_bytes, max_object_bytes
        self.store = self.again()

    def again(self) -> CacheStore:
        made = CacheStore(
            self.folder,
            max_bytes=self.max_bytes,
            max_object_bytes=self.max_object_bytes,
            min_free_bytes=0,
            clock=self.clock,
        )
        _OPENED.append(made)
        return made

    def reopen(self) -> None:
        self.store.close()
        self.store = self.again()

    def put(self, name: str, size: int, *, path: str = "demo.f", lifetime_s: float = 60) -> Stored:
        data = content(name, size)
        middle = size // 3
        return self.store.put(
            name.encode(),
            [data[:middle], memoryview(data)[middle:]],
            size=size,
            expires_at=self.clock.now + lifetime_s,
            labels={"path": path, "rows": size},
        )

    def has(self, name: str, size: int) -> bool:
        """Tell whether the entry is found; fail if it is found with other bytes."""
        return self.has_either(name, size)

    def has_either(self, name: str, *sizes: int) -> bool:
        """Tell whether the entry is found as one of these sizes; fail if its bytes are of none."""
        entry = self.store.get(name.encode())
        if entry is not None:
            entry = self.store.check(entry)
        if entry is None:
            return False
        assert whole(entry) in [content(name, size) for size in sizes]
        return True

    def blobs(self) -> list[Path]:
        return sorted((self.folder / "blobs").iterdir())

    def edit(self, statement: str, *values: object) -> None:
        """Change the index behind the store's back."""
        with closing(sqlite3.connect(self.folder / "index.sqlite3")) as db, db:
            assert db.execute(statement, values).rowcount > 0


def whole(entry: Entry) -> bytes:
    assert entry.size == sum(len(piece) for piece in entry.pieces)
    return b"".join(entry.pieces)
