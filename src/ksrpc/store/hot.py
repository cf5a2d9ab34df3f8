"""The entries asked for last, in memory, in front of the index.

Bounded three ways: entries, bytes of small values, mapped files. An entry that another process may have removed since
is told by the generation it was read in; the store then asks the index once more before it gives it out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from ksrpc.limits import KIB, MIB
from ksrpc.store.entry import Entry

_ENTRIES = 16_384
_BYTES = 64 * MIB
_MAPS = 64
_TOUCHES = 65_536
#: What an entry costs besides its bytes, roughly.
_ENTRY_BYTES = KIB


@dataclass(slots=True)
class _Warm:
    entry: Entry
    generation: int


class Hot:
    """Keep the entries used last. All methods may be called from any thread and take about a microsecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._warm: OrderedDict[bytes, _Warm] = OrderedDict()
        self._maps: OrderedDict[bytes, None] = OrderedDict()
        self._bytes = 0
        self._touched: dict[bytes, float] = {}
        self._generation = 0
        #: Grows with every removal. Who reads the index compares before and after (`add`).
        self.removals = 0

    def get(self, key: bytes) -> tuple[Entry, bool] | None:
        """Return the entry, and whether nobody else can have removed it since it was read."""
        with self._lock:
            warm = self._warm.get(key)
            if warm is None:
                return None
            self._warm.move_to_end(key)
            if warm.entry.place.blob:
                self._maps.move_to_end(key)
            return warm.entry, warm.generation == self._generation

    def add(self, entry: Entry, removals: int) -> None:
        """Keep an entry, unless something was removed since `removals` was read: it might have been this one."""
        with self._lock:
            if removals != self.removals:
                return
            self._drop(entry.key)
            self._warm[entry.key] = _Warm(entry, self._generation)
            self._bytes += _cost(entry)
            if entry.place.blob:
                self._maps[entry.key] = None
            while len(self._maps) > _MAPS:
                self._drop(next(iter(self._maps)))
            while len(self._warm) > _ENTRIES or self._bytes > _BYTES:
                self._drop(next(iter(self._warm)))

    def renew(self, key: bytes) -> None:
        """Note that the index still has this entry."""
        with self._lock:
            if key in self._warm:
                self._warm[key].generation = self._generation

    def drop(self, keys: Iterable[bytes]) -> None:
        """Forget entries that were removed."""
        with self._lock:
            self.removals += 1
            for key in keys:
                self._drop(key)

    def age(self) -> None:
        """Doubt everything: another process changed something. Maps are dropped, so that they hold no removed file."""
        with self._lock:
            self.removals += 1
            self._generation += 1
            for key in list(self._maps):
                self._drop(key)

    def touch(self, key: bytes, now: float) -> None:
        """Note a use; beyond a bound of keys it goes unnoticed until the notes are written down."""
        with self._lock:
            if len(self._touched) < _TOUCHES or key in self._touched:
                self._touched[key] = now

    def take_touch(self, key: bytes) -> float | None:
        """Return when the key was used since its row was written, and forget it."""
        with self._lock:
            return self._touched.pop(key, None)

    def take_touches(self, count: int) -> list[tuple[float, bytes]]:
        """Return up to `count` notes of use, and forget them."""
        with self._lock:
            keys = [key for key, _ in zip(self._touched, range(count), strict=False)]
            return [(self._touched.pop(key), key) for key in keys]

    def _drop(self, key: bytes) -> None:
        warm = self._warm.pop(key, None)
        if warm is not None:
            self._bytes -= _cost(warm.entry)
            self._maps.pop(key, None)


def _cost(entry: Entry) -> int:
    return _ENTRY_BYTES if entry.place.blob else _ENTRY_BYTES + entry.size
