"""Amounts, spans and moments as people read them.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import time

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def show_bytes(count: float) -> str:
    """Return an amount in the unit that keeps it short: 812 B, 1.5 MiB, 10 GiB."""
    units = iter(_UNITS)
    unit = next(units)
    while count >= 1023.5 and unit != _UNITS[-1]:
        count, unit = count / 1024, next(units)
    return f"{count:.1f} {unit}" if count < 9.95 and unit != _UNITS[0] else f"{count:.0f} {unit}"


def show_span(seconds: float) -> str:
    """Return a span in its two largest units: 45 s, 12 min, 3 h 05 min, 2 d 4 h."""
    whole = max(0, int(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def show_moment(moment: float | None) -> str:
    """Return a Unix time in the machine's own zone; None is never."""
    return "never" if moment is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
