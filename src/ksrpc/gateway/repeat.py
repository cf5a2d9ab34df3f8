"""A request that is sent again: the answer of the first one, or the wait for it, never a second run.

The same user, the same key and the same call are one call. What cannot be told for certain is an error that says so:
an answer too large to be kept, and a key that may have been forgotten since its client used it first.

Source: docs/reference/http.md "Once and no more"; draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

from ksrpc.errors import ArgumentError, CancelledError, DeadlineError, KsrpcError, LostError, RefusedError
from ksrpc.gateway.call import Answer, Call
from ksrpc.limits import REPEAT, RepeatLimits
from ksrpc.transport.link import RaisedError

_GONE = "the client closed the connection"
_Place: TypeAlias = tuple[str, str]
_Outcome: TypeAlias = Answer | KsrpcError
_log = logging.getLogger("ksrpc")


class UntoldError(LostError):
    """Say that a call has run, or may have, and that its answer cannot be told any more."""

    status = 409


class Key(NamedTuple):
    """Name a call as its client does.

    Attributes:
        age_s: How long ago the client sent it first; None if this is said to be the first time.
        size: Bytes of the arguments as they are announced.
    """

    text: str
    age_s: float | None = None
    size: int = 0


class _Entry:
    """Hold one call: the task while it runs, then what came of it."""

    __slots__ = ("answer", "began", "error", "has_items", "has_taker", "mark", "task", "waiting")

    def __init__(self, mark: int, began: float) -> None:
        self.mark = mark
        self.began = began
        self.waiting = 0
        self.has_taker = False  # of items, which are given once
        self.has_items = False
        self.task: asyncio.Task[_Outcome] | None = None
        self.answer: Answer | None = None
        self.error: KsrpcError | None = None

    def tell(self) -> Answer:
        """Return what came of it."""
        if self.error is not None:
            raise _copy(self.error)
        if self.answer is not None:
            return self.answer
        if self.has_items:
            raise UntoldError("the call has run; its items went to another request")
        raise UntoldError("the call has run; its answer was too large to be kept for a second request")

    def take(self, outcome: _Outcome) -> Answer:
        """Return an answer that has just come."""
        if isinstance(outcome, KsrpcError):
            raise outcome
        if outcome.flow is not None and self.has_taker:
            raise UntoldError("the call has run; its items go to another request")
        self.has_taker, self.has_items = True, outcome.flow is not None
        return outcome

    def release(self, task: asyncio.Task[_Outcome]) -> None:
        """Let go of items that nobody took."""
        outcome = None if task.cancelled() else task.result()
        if isinstance(outcome, Answer) and outcome.flow is not None and not self.has_taker:
            outcome.flow.close()

    def abandon(self, task: asyncio.Task[_Outcome]) -> None:
        """End the call if nobody has come back for it."""
        if not self.waiting:
            task.cancel()
            task.add_done_callback(self.release)


class Repeats:
    """Remember calls by user and key, for a while and up to a number and size.

    Args:
        handle: Runs a call.
        admit: Looks whether its user may make it, before an answer is told once more.
    """

    def __init__(
        self, handle: Callable[[Call], Awaitable[Answer]], admit: Callable[[Call], None], limits: RepeatLimits = REPEAT
    ) -> None:
        self._handle = handle
        self._admit = admit
        self._limits = limits
        self._entries: dict[_Place, _Entry] = {}
        self._ended: deque[tuple[float, _Place, _Entry]] = deque()
        self._kept_bytes = 0
        self._unsure_until = time.monotonic()  # what began before may have been forgotten

    async def answer(self, call: Call, key: Key, gone: Callable[[], Awaitable[None]] | None) -> Answer:
        """Run a call, or tell what came of it before.

        Args:
            call: The call.
            key: Its name.
            gone: Returns when the client has gone; None if that cannot be known.

        Raises:
            ArgumentError: The key is that of another call.
            UntoldError: The call has run, or may have; its answer is not there.
            KsrpcError: As `Gateway.handle`; what ended the first call ends the second.
        """
        place, mark = (call.user.name, key.text), _mark(call, key)
        entry = self._entries.get(place)
        while entry is not None:
            if entry.mark != mark:
                raise ArgumentError("this Idempotency-Key is that of another call: each call needs a key of its own")
            self._check_right(call)
            try:
                return await self._wait(entry, gone, call.deadline)
            except KsrpcError as exc:
                if exc.maybe_ran is not False:
                    raise
            following = self._entries.get(place)  # it was refused before it ran: now this one may
            entry = None if following is entry else following
        entry = self._begin(place, mark, key.age_s)
        entry.task = asyncio.ensure_future(self._run(place, entry, call))
        return await self._wait(entry, gone, None)

    def _begin(self, place: _Place, mark: int, age_s: float | None) -> _Entry:
        now = time.monotonic()
        if age_s is not None and now - age_s - self._limits.transit_s <= self._unsure_until:
            raise UntoldError("this server cannot tell whether the first request ran: it does not remember that long")
        entry = self._entries[place] = _Entry(mark, now)
        return entry

    async def _run(self, place: _Place, entry: _Entry, call: Call) -> _Outcome:
        outcome: _Outcome
        try:
            outcome = await self._handle(call)
        except KsrpcError as exc:
            outcome = exc
        except asyncio.CancelledError:
            outcome = CancelledError(_GONE)
        except Exception:
            _log.exception("a call failed inside the gateway")
            outcome = KsrpcError("internal error; see the server's log")
        self._settle(place, entry, outcome)
        return outcome

    def _settle(self, place: _Place, entry: _Entry, outcome: _Outcome) -> None:
        """Keep what came of a call; of one that never ran nothing is kept, so that it can be made again."""
        entry.task = None
        if isinstance(outcome, KsrpcError):
            if outcome.maybe_ran is False:
                del self._entries[place]
                return
            if not isinstance(outcome, RaisedError) or len(outcome.body) <= self._limits.answer_bytes:
                entry.error = _copy(outcome)
        elif outcome.flow is None and outcome.size <= self._limits.answer_bytes:
            is_plain = len(outcome.pieces) == 1 and type(outcome.pieces[0]) is bytes
            entry.answer = outcome if is_plain else dataclasses.replace(outcome, pieces=(outcome.join(),))
            self._kept_bytes += outcome.size
        now = time.monotonic()
        self._ended.append((now, place, entry))
        self._forget(now)

    def _check_right(self, call: Call) -> None:
        """See to it that whoever has lost the right to a call is not told its answer."""
        try:
            self._admit(call)
        except RefusedError as exc:
            raise UntoldError(f"the first request was taken, this one is not: {exc}") from None

    def _forget(self, now: float) -> None:
        limits, ended = self._limits, self._ended
        while ended[0][0] < now - limits.window_s or len(ended) > limits.calls or self._kept_bytes > limits.total_bytes:
            _, place, entry = ended.popleft()
            del self._entries[place]
            self._kept_bytes -= entry.answer.size if entry.answer is not None else 0
            self._unsure_until = max(self._unsure_until, entry.began)
            if not ended:
                return

    async def _wait(self, entry: _Entry, gone: Callable[[], Awaitable[None]] | None, deadline: float | None) -> Answer:
        """Wait for the answer; a client that goes away takes its call with it, if nobody asks for it again soon."""
        task = entry.task
        if task is None:
            return entry.tell()
        loop = asyncio.get_running_loop()
        leaving = None if gone is None else asyncio.ensure_future(gone())
        entry.waiting += 1
        try:
            timeout_s = None if deadline is None else max(0.0, deadline - loop.time())
            awaited: tuple[asyncio.Future[Any], ...] = (task,) if leaving is None else (task, leaving)
            await asyncio.wait(awaited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return entry.take(CancelledError(_GONE) if task.cancelled() else task.result())
            if leaving is not None and leaving.done():
                raise CancelledError(_GONE)
            raise DeadlineError("the call that was sent before did not end within this one's time")
        except asyncio.CancelledError:
            task.cancel()  # this server stops
            raise CancelledError(_GONE) from None
        finally:
            entry.waiting -= 1
            if leaving is not None:
                leaving.cancel()
            if not entry.waiting and task.done():
                entry.release(task)
            elif not entry.waiting:
                loop.call_later(self._limits.grace_s, entry.abandon, task)


def _copy(error: KsrpcError) -> KsrpcError:
    """Return an equal error: one that was raised holds on to all frames that it has passed."""
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    return made


def _mark(call: Call, key: Key) -> int:
    """Tell calls apart: by everything, of large arguments by their size."""
    whole = call.arguments.whole
    return hash((call.path, bytes(whole), key.size, call.is_main, call.cache_get, call.cache_expire))
