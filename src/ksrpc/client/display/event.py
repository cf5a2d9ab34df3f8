"""What a call that lasts is at, for whoever shows it.

Source: docs/reference/client.md "Progress".
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from ksrpc.transport.watch import Sight, State

__all__ = ["ProgressEvent", "Track"]

#: What stands for an object at the beginning of a path.
_HANDLE = re.compile("@[0-9a-f]{32}")
#: The rate is that of the last few seconds: so many looks.
_SAMPLES = 25
_MOVING = (State.SENDING, State.RECEIVING, State.STREAMING)
#: A stream of which nobody took anything for so long is not shown [s].
_LULL_S = 5.0
#: Measured over less than this, a rate says nothing [s].
_LEAST_SPAN_S = 0.5


class ProgressEvent(NamedTuple):
    """Tell what one call is at.

    Attributes:
        call: Number of the call in this process; the same in all its events.
        path: What is called.
        state: "connecting", "sending", "waiting", "queued", "running", "receiving", "streaming", at last "done".
        elapsed_s: For how long it has been under way.
        state_s: For how long it has been at that.
        position: Its place in the queue, 1 is next; None outside of it.
        done_bytes: Bytes of the value sent or received so far, as large as they are here.
        total_bytes: Of so many; None where that is not known.
        items: Items of a stream so far.
        rate: Bytes, of a stream items, a second; 0 where that is not known.
        remaining_s: How long this part will take from now on; None where that is not known.
        wire_bytes: What crossed the network for `done_bytes`: less, where the value is compressed on its way.
    """

    call: int
    path: str
    state: str
    elapsed_s: float
    state_s: float
    position: int | None = None
    done_bytes: int = 0
    total_bytes: int | None = None
    items: int = 0
    rate: float = 0.0
    remaining_s: float | None = None
    wire_bytes: int = 0


class Track:
    """Follow one call over many looks.

    Attributes:
        number: Later calls have higher ones.
        began: When it was first seen.
    """

    def __init__(self, number: int, sight: Sight, now: float) -> None:
        self.began = now
        self.number = number
        self._sight = sight
        self._turned_at = now
        self._waits_since = now
        self._moved_at = now
        self._samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)
        self._turns: tuple[float, int, float] | None = None  # queued since, at which place, last move
        self._last_position = 0
        self.follow(sight, now)

    def follow(self, sight: Sight, now: float) -> None:
        """Take the next look."""
        before, self._sight = self._sight, sight
        if sight.state != before.state:
            self._samples.clear()
            self._turned_at = now
        if sight.state == State.STREAMING:
            self._follow_stream(before, now)
        if sight.state in _MOVING:
            self._samples.append((now, sight.items or sight.done_bytes))
        if sight.position:
            self._follow_queue(now)

    def settle(self, now: float) -> None:
        """Take note that an item was taken."""
        self._waits_since = now

    @property
    def is_stream(self) -> bool:
        """Tell whether it gives its caller something now and then."""
        return self._sight.state == State.STREAMING

    def waits_s(self, now: float) -> float:
        """Return for how long its caller has waited."""
        return now - self._waits_since

    def flows_s(self, now: float) -> float:
        """Return for how long it has been under way; 0 for a stream of which nobody has taken anything lately."""
        return 0.0 if now - self._moved_at > _LULL_S else now - self.began

    def event(self, now: float, state: str | None = None) -> ProgressEvent:
        """Tell what it is at."""
        sight = self._sight
        rate = self._rate()
        return ProgressEvent(
            self.number,
            _name(sight.path),
            state or sight.state,
            now - self.began,
            now - self._turned_at,
            sight.position or None,
            sight.done_bytes,
            sight.total_bytes or None,
            sight.items,
            rate,
            self._turn_s(now) if sight.position else self._rest_s(rate),
            sight.wire_bytes,
        )

    def _follow_stream(self, before: Sight, now: float) -> None:
        sight = self._sight
        if sight.is_idle or sight.items != before.items:
            self._waits_since = now
        if not sight.is_idle or sight.items != before.items:
            self._moved_at = now

    def _follow_queue(self, now: float) -> None:
        position = self._sight.position
        if self._turns is None or position > self._turns[1]:
            self._turns = (now, position, now)
        elif position < self._last_position:
            self._turns = (*self._turns[:2], now)
        self._last_position = position

    def _rate(self) -> float:
        if not self._samples:
            return 0.0
        (start, first), (end, last) = self._samples[0], self._samples[-1]
        return (last - first) / (end - start) if end - start >= _LEAST_SPAN_S else 0.0

    def _rest_s(self, rate: float) -> float | None:
        left = self._sight.total_bytes - self._sight.done_bytes
        return left / rate if rate > 0 and left >= 0 and self._sight.total_bytes else None

    def _turn_s(self, now: float) -> float | None:
        """Guess from the calls that ended ahead of it how long it will wait."""
        if self._turns is None:
            return None
        since, start, moved_at = self._turns
        moved = start - self._sight.position
        if moved <= 0:
            return None
        return max(0.0, (moved_at - since) / moved * self._sight.position - (now - moved_at))


def _name(path: str) -> str:
    """Return a path for people: an object has no number, and the steps of a chain have dots between them."""
    return _HANDLE.sub("object", path).lstrip("@").replace("!", ".").replace("..", ".")
