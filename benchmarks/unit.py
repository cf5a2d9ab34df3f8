"""Write numbers with their units."""

from __future__ import annotations

MIB = 1 << 20


def format_time(duration_s: float) -> str:
    """Write a duration with three digits, in µs below a millisecond and in ms above."""
    if duration_s < 1e-3:
        return f"{duration_s * 1e6:.3g} µs"
    return f"{duration_s * 1e3:,.0f} ms" if duration_s >= 1 else f"{duration_s * 1e3:.3g} ms"


def format_bytes(size: int) -> str:
    """Write a size in the largest decimal unit that it has one of."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:g} {unit}"
    return f"{size} B"
