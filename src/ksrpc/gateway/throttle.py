"""Slow down an address that shows wrong tokens. Whoever shows a right one is let in, whatever others at the address do.

Source: docs/spec/policy.md "Identity".
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from ksrpc.errors import BusyError
from ksrpc.limits import WRONG_TOKENS


class Throttle:
    """Count wrong tokens by address, as a bucket that empties with time; addresses beyond the bound are forgotten.

    Args:
        clock: Monotonic time [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def add(self, place: str) -> None:
        """Count a wrong token.

        Raises:
            BusyError: There were too many; in the place of the error about the token.
        """
        now = self._clock()
        level = self._level(place, now)
        self._levels[place] = min(level + 1, WRONG_TOKENS.burst + 1), now
        self._levels.move_to_end(place)
        if len(self._levels) > WRONG_TOKENS.places:
            self._levels.popitem(last=False)
        if level >= WRONG_TOKENS.burst:
            raise BusyError("too many wrong tokens came from this address; try again in a second")

    def check(self, place: str) -> None:
        """Refuse what is not worth its work from an address that showed too many wrong tokens.

        Raises:
            BusyError: It did.
        """
        if self._levels and self._level(place, self._clock()) >= WRONG_TOKENS.burst:
            raise BusyError("too many wrong tokens came from this address; try again in a second")

    def _level(self, place: str, now: float) -> float:
        level, then = self._levels.get(place, (0.0, now))
        return max(0.0, level - (now - then) * WRONG_TOKENS.per_second)
