"""Step 7: reserve what a call may cost, and settle with what it did cost.

Rules:
* Limits hold per user, whatever the token.
* A call is refused if what the user has used, and what the user's running calls are expected to use, reach a limit.
* A running call is expected to cost the mean of the function's former ones. While there were none, calls of it run one
  after the other.
* Only an answer costs: an error gives back what was reserved. Rows are counted here, not by the worker.

Source: docs/explanation/quotas.md.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ksrpc.config import Config
from ksrpc.errors import BusyError, DeadlineError, QuotaError
from ksrpc.gateway.call import Answer, Call
from ksrpc.gateway.flow import Flow
from ksrpc.gateway.limit import ALL, Limit, Window, day_before, has_limits, limits_for, window_at
from ksrpc.gateway.usage import Usage, open_usage, read_usage
from ksrpc.limits import MEMO_ENTRIES
from ksrpc.protocol import Buffer
from ksrpc.store.usage import Counter, UsageStore
from ksrpc.wire.item import split_records
from ksrpc.wire.tally import count_rows

#: Counters are kept for so many days.
KEEP_DAYS = 62
#: So many of a function's former answers count in the mean, roughly: it follows what users ask for.
_RECENT = 16
#: When to try again what may still fit [s].
_SOON_S = 1
_UPKEEP_S = 5.0
_log = logging.getLogger("ksrpc")
_Run = Callable[[Call], Awaitable[Answer]]


class Reservation(NamedTuple):
    """Hold what a running call is expected to cost; give it to `settle` or `release`."""

    user: str
    path: str
    counters: tuple[Counter, ...]
    rows: int


@dataclass(slots=True)
class _Mean:
    answers: int = 0
    rows: float = 0.0

    def add(self, rows: int) -> None:
        self.answers = min(self.answers + 1, _RECENT)
        self.rows += (rows - self.rows) / self.answers


class Quota:
    """Bound what each user fetches.

    Args:
        config: Says the limits; `adjust` puts another in force.
        clock: Tells Unix seconds.
    """

    def __init__(self, config: Config, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._store: UsageStore | None = None
        self._reserved: dict[Counter, int] = defaultdict(int)
        self._unsaved: dict[Counter, int] = {}  # what the store could not take yet
        self._means: dict[tuple[str, str], _Mean] = {}
        self._firsts: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._upkeep_at = clock() + _UPKEEP_S
        self.adjust(config)

    def adjust(self, config: Config) -> None:
        """Follow the configuration; calls that run keep what they reserved.

        Raises:
            ConfigError: The store cannot be used.
        """
        is_on = has_limits(config)
        if is_on and self._store is None:
            self._store = open_usage(config)
        self._config, self._is_on = config, is_on
        self._known: dict[tuple[str, ...], tuple[Limit, ...]] = {}

    def charge(self, call: Call, run: _Run) -> Awaitable[Answer]:
        """Run a call at its user's expense; await what comes back.

        Raises:
            QuotaError: A limit is reached.
            KsrpcError: As `run`.
        """
        limits = self._limits(call) if self._is_on else ()
        return self._charge(call, limits, run) if limits else run(call)

    async def _charge(self, call: Call, limits: tuple[Limit, ...], run: _Run) -> Answer:
        key = (call.user.name, call.path)
        await self._await_first(key, call.deadline)
        reservation = self.reserve(*key, limits)
        is_first = key not in self._means and key not in self._firsts
        if is_first:
            self._firsts[key] = asyncio.get_running_loop().create_future()
        try:
            answer = await run(call)
        except BaseException:
            self.release(reservation)
            raise
        else:
            if answer.flow is None:
                rows = count_rows(answer.pieces)
                self.settle(reservation, rows)  # in the same step: nothing can come between
                if call.track is not None:
                    call.track.rows = rows
            else:
                self._meter(reservation, answer.flow)
        finally:
            if is_first:
                self._firsts.pop(key).set_result(None)
        return answer

    def _meter(self, reservation: Reservation, flow: Flow) -> None:
        """Charge for the items that are taken, when their stream ends."""
        rows = 0

        def count(pieces: tuple[Buffer, ...]) -> None:
            nonlocal rows
            rows += sum(count_rows((record.body,)) for record in split_records(pieces))

        flow.watch(items=count, close=lambda: self.settle(reservation, rows))

    def reserve(self, user: str, path: str, limits: tuple[Limit, ...]) -> Reservation:
        """Set aside what a call is expected to cost.

        Raises:
            QuotaError: A limit is reached.
            BusyError: The counters cannot be read.
        """
        window = self.window
        used = self._used(window.name, user, [limit.scope for limit in limits])
        counters = tuple(Counter(window.name, user, limit.scope) for limit in limits)
        for limit, counter in zip(limits, counters, strict=True):
            if used[limit.scope] + self._reserved.get(counter, 0) >= limit.rows:
                raise self._refusal(limit, used[limit.scope], window)
        mean = self._means.get((user, path))
        rows = 1 if mean is None else max(1, math.ceil(mean.rows))
        for counter in counters:
            self._reserved[counter] += rows
        return Reservation(user, path, counters, rows)

    def settle(self, reservation: Reservation, rows: int) -> None:
        """Charge what a call did cost to the day on which it began."""
        self.release(reservation)
        self._learn((reservation.user, reservation.path), rows)
        if rows:
            for counter in reservation.counters:
                self._unsaved[counter] = self._unsaved.get(counter, 0) + rows
            self._save()

    def release(self, reservation: Reservation) -> None:
        """Give back what was set aside."""
        for counter in reservation.counters:
            left = self._reserved.pop(counter, 0) - reservation.rows
            if left > 0:
                self._reserved[counter] = left

    def usage(self, user: str) -> list[Usage]:
        """Return all limits of a user, and how much of each is used; empty if there are none.

        Raises:
            BusyError: The counters cannot be read.
        """
        if not self._is_on:
            return []
        return read_usage(self._config, self._opened(), user, now=self._clock())

    async def tick(self) -> None:
        """Save what could not be saved; now and then remove what is old. Called every second."""
        if self._store is None:
            return
        self._save()
        now = self._clock()
        if not 0 <= self._upkeep_at - now <= _UPKEEP_S:
            self._upkeep_at = now + _UPKEEP_S
            await asyncio.to_thread(_keep_up, self._store, day_before(self.window.name, KEEP_DAYS))

    def close(self) -> None:
        """Save what is left, and close the store."""
        if self._store is not None:
            self._save()
            self._store.close()

    @property
    def window(self) -> Window:
        """Return the day that it is now, where the server says it is."""
        return window_at(self._clock(), self._config.server.time_zone)

    def _limits(self, call: Call) -> tuple[Limit, ...]:
        canonical = call.descriptor.canonical if call.descriptor is not None else ""
        key = (call.user.name, call.path, canonical, *call.also)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MEMO_ENTRIES:
                self._known.clear()
            found = limits_for(self._config, call.user.name, call.path, canonical=canonical)
            for path in call.also:
                found += limits_for(self._config, call.user.name, path)
            found = self._known[key] = tuple(dict.fromkeys(found))
        return found

    async def _await_first(self, key: tuple[str, str], deadline: float) -> None:
        """Wait until a call tells what to expect of its function."""
        while key not in self._means and (first := self._firsts.get(key)) is not None:
            try:
                async with asyncio.timeout_at(deadline):
                    await asyncio.shield(first)
            except TimeoutError:
                text = "the user's first call of this function, which tells its rows, was not over in time"
                raise DeadlineError(text, maybe_ran=False) from None

    def _learn(self, key: tuple[str, str], rows: int) -> None:
        mean = self._means.pop(key, None) or _Mean()
        mean.add(rows)
        self._means[key] = mean
        if len(self._means) > MEMO_ENTRIES:
            del self._means[next(iter(self._means))]

    def _used(self, window: str, user: str, scopes: list[str]) -> dict[str, int]:
        try:
            found = self._opened().read_some(window, user, scopes)
        except sqlite3.Error as exc:
            _log.warning("the usage of quotas cannot be read: %s", exc)
            raise BusyError("the usage of quotas cannot be read now; try again later") from None
        return {scope: found.get(scope, 0) + self._unsaved.get(Counter(window, user, scope), 0) for scope in scopes}

    def _opened(self) -> UsageStore:
        if self._store is None:
            raise BusyError("this server has no quotas")
        return self._store

    def _save(self) -> None:
        if not self._unsaved or self._store is None:
            return
        try:
            self._store.add(self._unsaved)
        except sqlite3.Error as exc:
            _log.warning("the usage of quotas cannot be written, it is held in memory until it can: %s", exc)
        else:
            self._unsaved = {}

    def _refusal(self, limit: Limit, used: int, window: Window) -> QuotaError:
        told = "" if limit.scope == ALL else f" of {limit.scope}"
        quota = f"the quota of {limit.rows} rows{told} a day"
        resets_in_s = max(1, math.ceil(window.ends_at - self._clock()))
        retry_after_s: int | None = resets_in_s
        if not limit.rows:
            text, retry_after_s = f"{quota} lets nothing through; ask the administrator for a larger one", None
        elif used < limit.rows:
            text = f"{quota} may be used up by calls that are running ({used} used): try again when they are done"
            retry_after_s = _SOON_S
        else:
            text = f"{quota} is used up ({used} used); it opens again at {self._moment(window.ends_at)}"
        return QuotaError(
            text,
            scope=limit.scope,
            limit_rows=limit.rows,
            used_rows=used,
            resets_in_s=resets_in_s,
            retry_after_s=retry_after_s,
        )

    def _moment(self, at: float) -> str:
        zone = self._config.server.time_zone
        return f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"


def _keep_up(store: UsageStore, before: str) -> None:
    try:
        store.tidy(before)
    except sqlite3.Error as exc:
        _log.warning("the usage of quotas cannot be tidied up: %s", exc)
