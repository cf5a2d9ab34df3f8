"""When to try again to reach a gateway: at once, then after random pauses that grow, and not for ever.

Source: M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog), "full jitter".
"""

from __future__ import annotations

import random
import time

from ksrpc.errors import BusyError, ConnectError
from ksrpc.limits import RESUME, ResumeLimits

#: What may be over soon: nobody there, no answer, too much to do. Everything else is the server's last word.
PASSING = (ConnectError, BusyError)


class Backoff:
    """Say how long to wait before the next attempt, for one loss of a connection."""

    def __init__(self, window_s: float, limits: ResumeLimits = RESUME) -> None:
        self._limits = limits
        self._began = time.monotonic()
        self._until = self._began + window_s
        self._ceiling_s = limits.first_pause_s

    @property
    def left_s(self) -> float:
        """Return how much of the time is left."""
        return max(0.0, self._until - time.monotonic())

    def pause_s(self, error: Exception) -> float | None:
        """Return how long to wait after an attempt that failed like this; None to give up."""
        now = time.monotonic()
        is_refused = isinstance(error.__cause__ or error, ConnectionRefusedError)  # the host says that nobody listens
        if now >= (min(self._until, self._began + self._limits.refused_s) if is_refused else self._until):
            return None
        pause_s = random.uniform(0, self._ceiling_s)
        self._ceiling_s = min(2 * self._ceiling_s, self._limits.pause_s)
        return min(pause_s, self._until - now)
