"""A bound on how often something is done: so often at once, and so often a second after that."""

from __future__ import annotations

from collections.abc import Callable


class Bucket:
    """Hold a stock that is spent one by one and grows again with time.

    Args:
        burst: The stock at first, and at most.
        per_second: By how much it grows.
        clock: Monotonic time [s].
    """

    def __init__(self, burst: float, per_second: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._left, self._then = burst, clock()

    def spend(self) -> bool:
        """Take one; return whether there was one."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._then) * self._per_second)
        self._then = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
