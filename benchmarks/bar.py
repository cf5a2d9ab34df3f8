"""Draw ratios as bars: peers grey, ksrpc blue, an orange mark per target, a dashed line at 1."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from benchmarks.measure import Figure
from benchmarks.picture import draw_card
from benchmarks.unit import format_time

_WIDTH, _LABEL, _END, _ROW, _GAP = 800, 260, 150, 20, 34
#: A bar that would be longer is cut here: it must not make all others short.
LONGEST = 2.5


def render_bars(figures: Sequence[Figure]) -> str:
    """Draw one bar for each figure, by group."""
    scale = (_WIDTH - _LABEL - _END) / min(LONGEST, max([1.0, *(figure.ratio for figure in figures)]))
    lines: list[str] = []
    y = 8
    for title, members in groupby(figures, key=lambda figure: figure.group):
        y += 18
        lines.append(f'<text class="g" x="12" y="{y}">{escape(title)}</text>')
        top = y + 6
        for figure in members:
            lines += _bar(figure, y + 8, scale)
            y += _ROW
        one = _LABEL + scale
        lines.append(f'<line class="one" x1="{one:.1f}" y1="{top}" x2="{one:.1f}" y2="{y + 8}"/>')
        y += _GAP - _ROW
    about = (figure.group for figure in figures)
    return draw_card("Time as a ratio to the peer, lower is faster", about, (_WIDTH, y + 8), lines)


def _bar(figure: Figure, y: int, scale: float) -> list[str]:
    width = min(figure.ratio, LONGEST) * scale
    kind = "k" if figure.name.startswith("ksrpc") else "p"
    end = _LABEL + width
    lines = [
        f'<text x="24" y="{y + 12}">{escape(figure.name)}</text>',
        f'<rect class="{kind}" x="{_LABEL}" y="{y + 2}" width="{width:.1f}" height="{_ROW - 6}" rx="2"/>',
        f'<text x="{_WIDTH - 88}" y="{y + 13}" text-anchor="end">{figure.ratio:.2f}</text>',
        f'<text class="o" x="{_WIDTH - 14}" y="{y + 13}" text-anchor="end">{format_time(figure.median_s)}</text>',
    ]
    if figure.ratio > LONGEST:
        lines.append(f'<path class="v" d="M{end - 24:.1f} {y} l8 0 l-6 {_ROW - 2} l-8 0z"/>')
    if figure.target is not None:
        x = _LABEL + figure.target * scale
        lines.append(f'<line class="t" x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + _ROW - 2}"/>')
    return lines
