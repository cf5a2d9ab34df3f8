"""How late this machine is: bounds on time hold on a busy one too if this is added."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

_TICK_S = 0.05


class Lag:
    """Measure how long a thread of this process had to wait for its turn, in the worst case.

    Attributes:
        worst_s: The longest so far.
    """

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        due = time.monotonic() + _TICK_S
        while not self._over.wait(max(0.0, due - time.monotonic())):
            self.worst_s = max(self.worst_s, time.monotonic() - due)
            due = time.monotonic() + _TICK_S

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
