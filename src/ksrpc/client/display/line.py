"""One call as one line of text."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable

from ksrpc.client.display.event import ProgressEvent
from ksrpc.transport.watch import State

#: Lines beyond these are counted.
MOST_LINES = 6
_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SPINS_PER_S = 5
_BAR_CELLS = 20
#: What takes less of the network than this part of its size is told with what it took.
_SHRUNK = 0.9


def phrase(event: ProgressEvent) -> str:
    """Say what a call is at."""
    return _PHRASES.get(event.state, _lasting)(event)


def fraction(event: ProgressEvent) -> float | None:
    """Return how much of the bytes went or came; None where that is not known."""
    return min(1.0, event.done_bytes / event.total_bytes) if event.total_bytes else None


def bar(done: float) -> str:
    """Draw a part of a whole."""
    count = round(done * _BAR_CELLS)
    return "━" * count + "╌" * (_BAR_CELLS - count)


def spinner() -> str:
    """Return the mark that turns."""
    return _SPINNER[int(time.monotonic() * _SPINS_PER_S) % len(_SPINNER)]


def more(count: int) -> str:
    """Count the calls that have no line."""
    return f"+ {count} more"


def cut(text: str, cells: int) -> str:
    """Shorten a text to so many cells of a terminal; what a terminal would obey is taken out."""
    text = "".join(char if char.isprintable() else "?" for char in text)
    if sum(map(_width, text)) <= cells:
        return text
    taken, room = "", cells - 1
    for char in text:
        room -= _width(char)
        if room < 0:
            break
        taken += char
    return taken + "…" if cells > 0 else ""


def _width(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _queued(event: ProgressEvent) -> str:
    place = "next" if event.position == 1 else _ordinal(event.position or 0)
    left = f", about {_span(event.remaining_s)} left" if event.remaining_s and event.remaining_s >= 1 else ""
    return f"queued, {place}, {_span(event.state_s)}{left}"


def _moving(event: ProgressEvent) -> str:
    if not event.total_bytes:
        return _lasting(event)
    shrunk = 0 < event.wire_bytes < _SHRUNK * event.done_bytes
    packed = f" (as {_amount(event.wire_bytes)})" if shrunk else ""
    parts = [f"{event.state} {_of(event.done_bytes, event.total_bytes)}{packed}"]
    if event.rate:
        parts.append(f"{_amount(event.rate)}/s")
    if event.remaining_s is not None:
        parts.append(f"{_span(event.remaining_s)} left")
    return ", ".join(parts)


def _streaming(event: ProgressEvent) -> str:
    noun = "item" if event.items == 1 else "items"
    if event.rate:
        text = f"{event.rate:,.0f}" if event.rate >= 10 else f"{event.rate:.1f}"
        return f"{_count(event.items)} {noun}, {text.replace(',', ' ')}/s"
    return f"{_count(event.items)} {noun}, {_span(event.elapsed_s)}"


def _working(event: ProgressEvent) -> str:
    return _span(event.elapsed_s)


def _lasting(event: ProgressEvent) -> str:
    return f"{event.state} {_span(event.state_s)}"


_PHRASES: dict[str, Callable[[ProgressEvent], str]] = {
    State.QUEUED: _queued,
    State.SENDING: _moving,
    State.RECEIVING: _moving,
    State.STREAMING: _streaming,
    State.WORKING: _working,
}


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _unit(count: float) -> tuple[int, str]:
    return next((unit for unit in _UNITS if count >= unit[0]), (1, "B"))


def _figure(count: float, size: int) -> str:
    return f"{count / size:.1f}" if size > 1 else f"{count:.0f}"


def _amount(count: float) -> str:
    size, name = _unit(count)
    return f"{_figure(count, size)} {name}"


def _of(done: int, total: int) -> str:
    size, name = _unit(total)
    return f"{_figure(done, size)} of {_figure(total, size)} {name}"


def _span(seconds: float) -> str:
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole // 60 % 60:02d} min"
