"""Make two caches for the same questions, one with nothing else in it and one among a million entries."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from pathlib import Path

from benchmarks.hit import Keeper, ask, run_keeper
from benchmarks.measure import Case, Group
from ksrpc.client import RemoteGateway
from ksrpc.store.blob import digest_of
from ksrpc.store.seal import Row, Seal

FEW = 1000
MANY = 1_000_000
_CALLS = 40
_TARGET = 1.15
_LIFETIME_S = 10 * 86_400.0
_COLUMNS = ", ".join(Row._fields[:-1])
_INSERT = f"INSERT INTO entry ({_COLUMNS}) VALUES ({', '.join('?' for _ in Row._fields[:-1])})"


@contextmanager
def run_both(many: int = MANY) -> Iterator[tuple[Keeper, Keeper]]:
    """Start a gateway with a thousand prices in its cache and one with these among `many`; neither has read any."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        with run_keeper(folder / "few") as keeper, keeper.connect("WebSocket") as client:
            for number in range(FEW):
                ask(client, "price", number)
            keeper.await_kept("price", FEW - 1)
        crowd(folder / "few/data/cache", folder / "many/data/cache", many)
        yield stack.enter_context(run_keeper(folder / "few")), stack.enter_context(run_keeper(folder / "many"))


def depth_groups(few: Keeper, many: Keeper, rounds: int) -> Iterator[Group]:
    """Compare hits of the two: first each answer for the first time, out of the index, then out of memory."""
    with ExitStack() as stack:
        for title, numbers in (
            ("Hit read from the index, WebSocket", [*range(rounds * _CALLS + 1)]),
            ("Hit out of memory, WebSocket", [*range(_CALLS)]),
        ):
            cases = []
            for keeper, name, target in ((few, f"{FEW:,} entries", None), (many, f"{MANY:,} entries", _TARGET)):
                client = stack.enter_context(keeper.connect("WebSocket"))
                cases.append(Case(f"ksrpc, {name.replace(',', ' ')}", _asking(client, cycle(numbers)), target))
            yield Group(title, cases, _CALLS, _check)
        for keeper in (few, many):
            keeper.await_kept("price", 0)


def _asking(client: RemoteGateway, numbers: Iterator[int]) -> Callable[[], object]:
    return lambda: ask(client, "price", next(numbers))


def _check(result: object) -> None:
    if result != 0.0:
        raise ValueError(f"the first price came back as {result!r}")


def crowd(few: Path, many: Path, entries: int) -> list[bytes]:
    """Copy a cache's folder and put so many entries into the copy that it has `entries`; return the keys of the few.

    They are genuine, and as `CacheStore.put` writes them, but all in one transaction and counted at its end. The few
    lie among them at even distances; there is no order in the keys, as always.
    """
    shutil.copytree(few, many)
    with closing(sqlite3.connect(many / "index.sqlite3")) as db:
        kept = [Row._make(row) for row in db.execute(f"SELECT {_COLUMNS}, id FROM entry ORDER BY id")]
        (counting,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'entry_in'").fetchone()
        others = _others(Seal(many / "seal.key"), kept[0], entries - len(kept))
        with db:
            db.execute("DELETE FROM entry")
            db.execute("DROP TRIGGER entry_in")
            db.executemany(_INSERT, (row[:-1] for row in _mix(kept, others, entries // len(kept))))
            db.execute(counting)
            db.execute("UPDATE total SET (entries, bytes) = (SELECT count(*), sum(size) FROM entry)")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return [row.key for row in kept]


def _others(seal: Seal, like: Row, count: int) -> Iterator[Row]:
    now, make_key = time.time(), random.Random(20181001).randbytes
    for number in range(count):
        value = b"%032d" % number
        digest = digest_of(memoryview(value))[0]
        row = Row(make_key(32), like.path, 32, now, now + _LIFETIME_S, like.labels, "", b"", digest, b"", value, now)
        yield seal.sign(row)


def _mix(few: list[Row], many: Iterator[Row], stride: int) -> Iterator[Row]:
    waiting = iter(few)
    for number, row in enumerate(many):
        if number % stride == 0:
            yield from (found for found in [next(waiting, None)] if found)
        yield row
    yield from waiting
