"""Where calls are shown."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from ksrpc.client.display.event import ProgressEvent

_logger = logging.getLogger("ksrpc")


class Screen(Protocol):
    """Show calls; told by one thread at a time.

    Attributes:
        keeps_streams: Whether a stream is shown as long as it gives items; if not, while its caller waits for one.
    """

    keeps_streams: bool = True

    def draw(self, events: Sequence[ProgressEvent], ended: Sequence[ProgressEvent] = ()) -> None:
        """Show these, and no other; those that ended were shown."""

    def forget(self) -> None:
        """Take note that what is shown belongs to another process."""


class Callback(Screen):
    """Tell a function."""

    def __init__(self, tell: Callable[[ProgressEvent], object]) -> None:
        self._tell: Callable[[ProgressEvent], object] | None = tell

    def draw(self, events: Sequence[ProgressEvent], ended: Sequence[ProgressEvent] = ()) -> None:
        """Tell it of each; one that fails is told no more, and the calls go on."""
        try:
            for event in (*events, *ended):
                if self._tell is not None:
                    self._tell(event)
        except Exception:
            self._tell = None
            _logger.exception("the function given as progress= failed; it is told no more")

    def forget(self) -> None:
        """Do nothing: it is told of new calls in the new process as well."""
