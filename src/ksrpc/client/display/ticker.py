"""Look at the calls under way a few times a second, and have those shown that last.

The thread begins with the first call that finds it missing, rests while there is none, and ends when it has rested for
long.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterable

from ksrpc.client.display.event import Track
from ksrpc.client.display.screen import Screen
from ksrpc.transport.watch import Sight, State, Watch, Watched

_TICK_S = 0.2
#: Calls that are over sooner are never shown.
_PATIENCE_S = 0.6
#: Looks without a call before it rests.
_QUIET_TICKS = 5
#: For so long it can be woken; then a new thread begins.
_REST_S = 60.0
_NUMBERS = itertools.count(1)


class Ticker(Watch):
    """Be the one who looks, for one screen."""

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._clock = clock
        self._watched: weakref.WeakSet[Watched] = weakref.WeakSet()
        self._tracks: dict[Hashable, Track] = {}
        self._drawn: frozenset[Hashable] = frozenset()  # these, and streams that are told of whoever waits
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()  # what is told may make a call itself
        _TICKERS.add(self)

    def add(self, watched: Watched) -> None:
        """Look at this too, as long as it lives."""
        with self._lock:
            self._watched.add(watched)

    def wake(self) -> None:
        """Begin to look."""
        with self._lock:
            self.is_awake = True
            self._bell.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ksrpc-progress", daemon=True)
                self._thread.start()

    def settle(self, key: Hashable) -> None:
        """Take away what is shown of a call; of a stream until it makes its caller wait once more."""
        with self._lock:
            track = self._tracks.get(key)
            if key not in self.shown or track is None:
                return
            now = self._clock()
            self.shown -= {key}
            self._drawn -= {key}
            if track.is_stream:
                track.settle(now)
            else:
                del self._tracks[key]
            self._draw(now, () if track.is_stream else (track,))

    def tick(self) -> bool:
        """Look once and show what is to be shown; return whether any call is under way."""
        with self._lock:
            now = self._clock()
            sights = self._look()
            ended = self._follow(sights, now)
            due = frozenset(key for key, track in self._tracks.items() if self._span_s(track, now) >= _PATIENCE_S)
            was_drawn, self._drawn = self._drawn, due
            self.shown = frozenset(filter(self._goes_with_its_caller, due))
            if due:  # who went on before it could know that it is shown is gone by now
                self._drawn = due & self._look().keys()
            if self._drawn or was_drawn:
                self._draw(now, ended)
            return bool(sights)

    def restart(self) -> None:
        """Begin anew in the child of a fork: the thread that looked is not there."""
        self._lock = threading.RLock()
        self._bell = threading.Event()
        self._thread = None
        self._tracks.clear()
        self.is_awake, self.shown, self._drawn = False, frozenset(), frozenset()
        self._screen.forget()

    def _goes_with_its_caller(self, key: Hashable) -> bool:
        return not (self._screen.keeps_streams and self._tracks[key].is_stream)

    def _span_s(self, track: Track, now: float) -> float:
        """Return for how long a track has been worth showing, where calls that give items stay or come and go."""
        return track.flows_s(now) if self._screen.keeps_streams else track.waits_s(now)

    def _look(self) -> dict[Hashable, Sight]:
        found = {}
        for watched in list(self._watched):
            try:
                found.update({sight.key: sight for sight in watched.look()})
            except RuntimeError:  # a table changed under our eyes; the next look is soon
                continue
        return found

    def _follow(self, sights: dict[Hashable, Sight], now: float) -> list[Track]:
        """Take a look in; return those that were shown and are over."""
        ended = [self._tracks[key] for key in self._tracks.keys() - sights.keys() if key in self._drawn]
        self._tracks = {key: track for key, track in self._tracks.items() if key in sights}
        for key, sight in sights.items():
            if key in self._tracks:
                self._tracks[key].follow(sight, now)
            else:
                self._tracks[key] = Track(next(_NUMBERS), sight, now)
        return ended

    def _draw(self, now: float, ended: Iterable[Track] = ()) -> None:
        tracks = sorted((self._tracks[key] for key in self._drawn), key=lambda track: track.number)
        self._screen.draw([track.event(now) for track in tracks], [track.event(now, State.DONE) for track in ended])

    def _run(self) -> None:
        while True:
            quiet = 0
            while quiet < _QUIET_TICKS:
                time.sleep(_TICK_S)
                quiet = 0 if self.tick() else quiet + 1
            if not self._rest():
                return

    def _rest(self) -> bool:
        """Wait for a call; return False when this thread is to end."""
        self._bell.clear()
        self.is_awake = False
        if self.tick():  # it began when this seemed awake
            self.is_awake = True
            return True
        if self._bell.wait(_REST_S):
            return True
        with self._lock:
            if self._bell.is_set():
                return True
            self._thread = None
            return False


_TICKERS: weakref.WeakSet[Ticker] = weakref.WeakSet()


def _restart() -> None:
    for ticker in _TICKERS:
        ticker.restart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart)
