"""Tell of calls in lines of a log, where lines cannot be drawn over."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

from ksrpc.client.display.event import ProgressEvent
from ksrpc.client.display.line import phrase
from ksrpc.client.display.screen import Screen

#: A call that goes on as it did is told of again after so long [s].
_AGAIN_S = 10.0


class Log(Screen):
    """Write a line to standard error when a call changes, and now and then."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[str, int | None, float]] = {}

    def draw(self, events: Sequence[ProgressEvent], ended: Sequence[ProgressEvent] = ()) -> None:
        """Write of those that have news."""
        for event in events:
            state, position, at_s = self._told.get(event.call, ("", None, 0.0))
            if (state, position) != (event.state, event.position) or event.elapsed_s - at_s >= _AGAIN_S:
                self._told[event.call] = (event.state, event.position, event.elapsed_s)
                with suppress(OSError, ValueError):
                    print(f"ksrpc: {event.path}: {phrase(event)}", file=sys.stderr, flush=True)
        for event in ended:
            self._told.pop(event.call, None)

    def forget(self) -> None:
        """Forget all calls."""
        self._told.clear()
