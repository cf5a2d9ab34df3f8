"""Steps 4, 5 and 10: the key of a call, the answer that is kept under it, and keeping a new one.

A call takes part only if its caller asked for it with `cache_expire`, the seconds for which an answer is good; without
that, nothing is read and nothing is kept: `time.time` must not be kept by accident. `cache_get=False` asks the library
again and keeps the new answer. Permission was checked before: the key knows no user.

Source: docs/explanation/cache.md.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TypedDict

from ksrpc.config import Config
from ksrpc.config.schema import CacheSection
from ksrpc.gateway.call import Answer, Call
from ksrpc.gateway.key import KeyMaker
from ksrpc.model import Descriptor
from ksrpc.store import CacheStore, Entry
from ksrpc.store.shelf import BLOB_BYTES

#: Answers that are good for less are not kept [s].
LEAST_S = 30.0
_SWEEP_S = 60.0


class Cache:
    """Keep answers on disk, if the configuration says so."""

    def __init__(self, config: Config) -> None:
        self.store: CacheStore | None = None
        self._is_on = False
        self._keys = KeyMaker()
        self._work: set[asyncio.Task[None]] = set()
        self._swept_at = 0.0
        self.adjust(config)

    def adjust(self, config: Config) -> None:
        """Follow the configuration: on or off, and the limits.

        Raises:
            ConfigError: The folder cannot be used.
        """
        section = config.cache
        is_on = section.enabled and config.call.enabled
        if self.store is None and is_on:
            self.store = CacheStore(Path(config.server.data_dir) / "cache", **_limits(section))
        elif self.store is not None:
            self.store.limit(**_limits(section))
        self._is_on = is_on

    def key_of(self, call: Call, descriptor: Descriptor | None, *, label: str) -> bytes | None:
        """Return the key of a call; None if its answer is neither looked for nor kept.

        Args:
            call: The call, its arguments as far as they have come.
            descriptor: What its path leads to.
            label: The edition of its module; answers of two are never shared.

        Raises:
            DecodeError: The arguments are damaged.
        """
        if not self._is_on or call.cache_expire is None or call.cache_expire < LEAST_S or descriptor is None:
            return None
        if call.arguments.rest is not None or call.user.rules.is_unsafe(call.path):
            return None
        return self._keys.make_key(descriptor, call.arguments.whole, entitlement=label)

    async def read(self, key: bytes, call: Call) -> Answer | None:
        """Return the kept answer, if there is one that is young enough for this caller."""
        entry = self._find(key, call)
        if entry is not None and not entry.is_checked and self.store is not None:
            entry = await asyncio.to_thread(self.store.check, entry)
        return None if entry is None else _answer(entry)

    def glance(self, key: bytes, call: Call) -> Answer | None:
        """Do what `read` does for an answer whose bytes need no check any more."""
        entry = self._find(key, call)
        return None if entry is None or not entry.is_checked else _answer(entry)

    def _find(self, key: bytes, call: Call) -> Entry | None:
        if self.store is None or not call.cache_get:
            return None
        entry = self.store.get(key)
        if entry is None or (call.cache_expire is not None and time.time() - entry.stored_at > call.cache_expire):
            return None
        return entry

    def keep(self, key: bytes, call: Call, answer: Answer) -> None:
        """Keep an answer, after it was given; large ones in a thread."""
        if self.store is None or call.cache_expire is None:
            return
        task = asyncio.get_running_loop().create_task(self._put(self.store, key, call.path, call.cache_expire, answer))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def tick(self) -> None:
        """See what other processes changed; once a minute remove what is over. Called every second."""
        if self.store is None:
            return
        self.store.refresh()
        now = time.monotonic()
        if now - self._swept_at > _SWEEP_S:
            self._swept_at = now
            await asyncio.to_thread(self.store.sweep)

    async def close(self) -> None:
        """Finish what is being written, then close."""
        await asyncio.gather(*self._work, return_exceptions=True)
        if self.store is not None:
            await asyncio.to_thread(self.store.close)

    async def _put(self, store: CacheStore, key: bytes, path: str, expire_s: float, answer: Answer) -> None:
        def put() -> None:
            expires_at = time.time() + expire_s
            store.put(key, answer.pieces, size=answer.size, expires_at=expires_at, labels={"path": path})

        if answer.size < BLOB_BYTES:
            put()
        else:
            await asyncio.to_thread(put)


class _Limits(TypedDict):
    max_bytes: int
    max_object_bytes: int
    min_free_bytes: int


def _limits(section: CacheSection) -> _Limits:
    return {
        "max_bytes": section.max_mb << 20,
        "max_object_bytes": section.max_object_mb << 20,
        "min_free_bytes": section.min_free_mb << 20,
    }


def _answer(entry: Entry) -> Answer:
    age_s = time.time() - entry.stored_at
    left_s = max(0, round(entry.expires_at - entry.stored_at - age_s))
    return Answer(entry.pieces, entry.size, {"cache": "hit", "age": max(0, round(age_s)), "ttl": left_s})
