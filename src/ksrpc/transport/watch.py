"""What calls under way show of themselves, and to whom.

A transport lets itself be looked at, rings when a call begins while the watch rests, and tells it when the caller of a
call that is shown goes on. A call that is soon over costs no more than two looks at an attribute.

Source: docs/reference/client.md "Progress".
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs

from ksrpc.transport.feed import Feed

__all__ = ["Sight", "Sizes", "State", "Trail", "Trails", "Watch", "Watched", "no_trail"]


class State:
    """Name what a call is at."""

    CONNECTING = "connecting"
    RECONNECTING = "reconnecting"  # the connection broke; the call goes on
    SENDING = "sending"
    WAITING = "waiting"  # nothing is known: over HTTP nobody tells
    QUEUED = "queued"
    RUNNING = "running"
    RECEIVING = "receiving"
    STREAMING = "streaming"
    WORKING = "working"  # no call: something here that takes a while
    DONE = "done"


class Sight(NamedTuple):
    """Hold what one call shows at one moment.

    Attributes:
        key: The same as long as it is the same call.
        path: What is called.
        position: Its place in the queue, 1 is next; 0 outside of it.
        done_bytes: Bytes of the value that went or came.
        total_bytes: Of so many; 0 where that is not known.
        wire_bytes: What crossed the network for it: less, where it is compressed.
        items: Items of a stream that came.
        is_idle: Whether nobody waits: a stream between two items.
    """

    key: Hashable
    path: str
    state: str
    position: int = 0
    done_bytes: int = 0
    total_bytes: int = 0
    wire_bytes: int = 0
    items: int = 0
    is_idle: bool = False


class Watched(Protocol):
    """Be looked at, from any thread."""

    def look(self) -> Iterable[Sight]:
        """Show the calls under way."""


class Watch(ABC):
    """See the calls of connections.

    Attributes:
        is_awake: Whether it looks by itself; if not, whoever begins a call calls `wake`.
        shown: Keys of the calls of which something is shown: when the caller of one goes on, `settle` is called.
    """

    is_awake: bool = False
    shown: frozenset[Hashable] = frozenset()

    @abstractmethod
    def add(self, watched: Watched) -> None:
        """Look at this too, as long as it lives."""

    @abstractmethod
    def wake(self) -> None:
        """Begin to look."""

    @abstractmethod
    def settle(self, key: Hashable) -> None:
        """Take away what is shown of a call, before its caller goes on."""


#: Bytes done, bytes in all (0 = unknown), and bytes that crossed the network.
Sizes = tuple[int, int, int]
Measure = Callable[[], Sizes]
_NUMBERS = itertools.count()


class Trail:
    """Note what one request is at; whoever makes it calls `turn`, and `close` at its end."""

    __slots__ = ("_feed", "_measure", "_trails", "is_idle", "key", "path", "state")

    def __init__(self, trails: Trails | None, path: str, state: str) -> None:
        self.key = next(_NUMBERS) if trails is not None else -1
        self.path = path
        self.state = state
        self.is_idle = False
        self._trails = trails
        self._measure: Measure | None = None
        self._feed: Feed | None = None

    @property
    def is_watched(self) -> bool:
        """Tell whether anybody looks."""
        return self._trails is not None

    def turn(self, state: str, measure: Measure | None = None) -> None:
        """Begin another part.

        Args:
            state: Which.
            measure: Gives the sizes; called from another thread.
        """
        if self._trails is not None:
            self._measure = measure
            self.state = state

    def stream(self, feed: Feed) -> None:
        """Show the items that come in; `is_idle` says whether anybody waits for one."""
        if self._trails is not None:
            self._feed = feed
            self.is_idle = True
            self.state = State.STREAMING

    def wait(self, *, on: bool) -> None:
        """Take note that the caller begins, or ends, to wait for an item."""
        if self._trails is not None:
            self.is_idle = not on
            if not on:
                self._trails.settle(self)

    def close(self) -> None:
        """End; may be called again."""
        if self._trails is not None:
            self._trails.drop(self)

    def look(self) -> Sight:
        """Show what it is at."""
        state, measure = self.state, self._measure
        done, total, wire_bytes = measure() if measure is not None else (0, 0, 0)
        if state == State.SENDING and done >= total:
            state = State.WAITING
        items = self._feed.came if self._feed is not None else 0
        key, sizes = ("trail", self.key), (max(0, done), total, wire_bytes)
        return Sight(key, _called(self.path), state, 0, *sizes, items, self.is_idle)


def _called(target: str) -> str:
    """Return what a request calls, if it is a call."""
    return parse_qs(target.partition("?")[2]).get("func", [target])[0]


_NOBODY = Trail(None, "", State.WAITING)


def no_trail() -> Trail:
    """Return the trail that nobody looks at."""
    return _NOBODY


class Trails:
    """Hold the trails of one connection."""

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self._open: dict[int, Trail] = {}
        if watch is not None:
            watch.add(self)

    def open(self, path: str, state: str) -> Trail:
        """Begin a trail."""
        if self._watch is None:
            return _NOBODY
        trail = Trail(self, path, state)
        self._open[trail.key] = trail
        if not self._watch.is_awake:
            self._watch.wake()
        return trail

    @contextmanager
    def opened(self, path: str, state: str) -> Iterator[Trail]:
        """Hold a trail open for a block."""
        trail = self.open(path, state)
        try:
            yield trail
        finally:
            trail.close()

    def drop(self, trail: Trail) -> None:
        """End a trail."""
        if self._open.pop(trail.key, None) is not None:
            self.settle(trail)

    def settle(self, trail: Trail) -> None:
        """Have what is shown of it taken away."""
        if self._watch is not None and self._watch.shown:
            self._watch.settle(("trail", trail.key))

    def look(self) -> list[Sight]:
        """Show the requests under way."""
        return [trail.look() for trail in list(self._open.values())]
