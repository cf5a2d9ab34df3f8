"""Show calls on a terminal, in lines below the cursor.

The cursor stays where the program left it, so that what the program prints meanwhile stands where it belongs, and a
prompt is not written over. Everything goes straight to the descriptor: the program's streams keep their contents.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from ksrpc.client.display.event import ProgressEvent
from ksrpc.client.display.line import MOST_LINES, bar, cut, fraction, more, phrase, spinner
from ksrpc.client.display.screen import Screen

_ERASE_BELOW = "\x1b[J"
_DOWN, _UP = "\x1bD", "\x1b[{}A"
_SAVE, _RESTORE = "\x1b7", "\x1b8"
_ACCENT, _DIM, _PLAIN = "\x1b[36m", "\x1b[2m", "\x1b[0m"
_LEAST_COLUMNS = 20


class Terminal(Screen):
    """Draw on the terminal that is standard error."""

    def __init__(self) -> None:
        self._is_drawn = False
        self._has_color = not os.environ.get("NO_COLOR")
        # what a loop prints goes between the items of its stream
        self.keeps_streams = not _is_terminal(1)
        atexit.register(self.draw, ())

    def draw(self, events: Sequence[ProgressEvent], ended: Sequence[ProgressEvent] = ()) -> None:
        """Draw the lines anew, or erase them."""
        if not events and not self._is_drawn:
            return
        with suppress(OSError, ValueError):  # hung up, closed, or put in the place of by something else
            descriptor = sys.stderr.fileno()
            if self._is_drawn or (_is_terminal(descriptor) and _is_in_front(descriptor)):
                os.write(descriptor, self._picture(events, os.get_terminal_size(descriptor)).encode(errors="replace"))
                self._is_drawn = bool(events)

    def forget(self) -> None:
        """Leave the lines to the parent."""
        self._is_drawn = False

    def _picture(self, events: Sequence[ProgressEvent], size: os.terminal_size) -> str:
        if not events or size.columns < _LEAST_COLUMNS:
            return _ERASE_BELOW
        room = max(1, min(MOST_LINES, size.lines - 2))
        count = len(events) if len(events) <= room else max(1, room - 1)
        lines = [self._line(event, size.columns - 1) for event in events[:count]]
        if len(events) > count:
            lines.append(self._paint(_DIM, "  " + more(len(events) - count)))
        scroll = _DOWN * len(lines) + _UP.format(len(lines))
        return "".join((_ERASE_BELOW, scroll, _SAVE, *("\r\n" + line for line in lines), _RESTORE))

    def _line(self, event: ProgressEvent, columns: int) -> str:
        """Put mark, path, bar and words side by side; where it is narrow the bar goes first, then the path is cut."""
        mark, words, done = spinner(), phrase(event), fraction(event)
        drawn = bar(done) if done is not None and columns >= len(event.path) + len(words) + 30 else ""
        left = columns - len(mark) - len(words) - 3
        if left < 1:
            return self._paint(_ACCENT, mark) + " " + cut(words, columns - 2)
        path = cut(event.path, left)
        middle = f"  {self._paint(_ACCENT, drawn)}" if drawn else ""
        return f"{self._paint(_ACCENT, mark)} {path}{middle}  {words}"

    def _paint(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._has_color else text


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _is_in_front(descriptor: int) -> bool:
    """Tell whether the terminal is ours to draw on: not while the program runs in the background."""
    if not hasattr(os, "tcgetpgrp"):
        return True
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # not the terminal that this session belongs to
        return True
