"""Draw curves on logarithmic axes, a panel for each group, each curve with its name at its end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from xml.sax.saxutils import escape

from benchmarks.measure import Curve
from benchmarks.picture import draw_card
from benchmarks.unit import format_bytes, format_time

_WIDTH, _LEFT, _RIGHT, _TOP, _HEIGHT, _BELOW, _LEAST = 860, 70, 270, 34, 250, 44, 15
#: Colours that can be told apart on white and on black; ours are the first four, drawn thicker.
_OURS = ("#2f7ed8", "#00a6c8", "#8a5cf0", "#c04fd0")
_PEERS = ("#d9822b", "#8c9440", "#b5533c", "#2e9e6b", "#a8873a", "#d0587e", "#808b96")
_STYLE = "path,polyline{fill:none;stroke-linejoin:round}.n{font-size:11.5px}.a{font-size:11px}"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Turn values of a logarithmic axis into pixels."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + part * (self.end - self.begin)


def render_lines(curves: Sequence[Curve], *, is_size: bool) -> str:
    """Draw seconds over bytes, or calls per second over callers."""
    lines: list[str] = []
    y = 0
    for title, members in groupby(curves, key=lambda curve: curve.group):
        group = list(members)
        lines += _panel(title, group, y, is_size=is_size)
        y += _TOP + max(_HEIGHT, _LEAST * len(group)) + _BELOW
    name = "Time by size, lower is faster" if is_size else "Calls per second by callers, higher is better"
    return draw_card(name, (curve.group for curve in curves), (_WIDTH, max(y, 1)), lines, _STYLE)


def _panel(title: str, curves: Sequence[Curve], top: int, *, is_size: bool) -> Iterator[str]:
    height = max(_HEIGHT, _LEAST * len(curves))
    values = [value for curve in curves for value in curve.values]
    xs = curves[0].xs
    across = _Scale(xs[0], max(xs[-1], xs[0] * 2), _LEFT, _WIDTH - _RIGHT)
    up = _Scale(min(values) / 1.15, max(values) * 1.15, top + _TOP + height, top + _TOP)
    yield f'<text class="g" x="12" y="{top + 22}">{escape(title)}</text>'
    yield from _grid(xs, across, up, is_size=is_size)
    ends = _spread([up.at(curve.values[-1]) for curve in curves], up)
    for (curve, colour, width), end in zip(_paint(curves), ends, strict=True):
        points = [(across.at(x), up.at(value)) for x, value in zip(curve.xs, curve.values, strict=True)]
        yield from _draw(points, curve.name, colour, width, end)


def _grid(xs: Sequence[int], across: _Scale, up: _Scale, *, is_size: bool) -> Iterator[str]:
    for x in xs:
        at = across.at(x)
        yield f'<line class="x" x1="{at:.1f}" y1="{up.begin:.1f}" x2="{at:.1f}" y2="{up.end:.1f}"/>'
        text = format_bytes(x) if is_size else str(x)
        yield f'<text class="o a" x="{at:.1f}" y="{up.begin + 15:.1f}" text-anchor="middle">{text}</text>'
    name = "size of the frame" if is_size else "callers"
    middle = (across.begin + across.end) / 2
    yield f'<text class="o a" x="{middle:.1f}" y="{up.begin + 30:.1f}" text-anchor="middle">{name}</text>'
    for value in _ticks(up):
        at = up.at(value)
        yield f'<line class="x" x1="{across.begin:.1f}" y1="{at:.1f}" x2="{across.end:.1f}" y2="{at:.1f}"/>'
        text = format_time(value) if is_size else f"{value:,.0f}/s"
        yield f'<text class="o a" x="{across.begin - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{text}</text>'


def _ticks(up: _Scale) -> list[float]:
    steps = (1, 2, 5) if up.high / up.low < 200 else (1,)
    decades = range(math.floor(math.log10(up.low)), math.ceil(math.log10(up.high)) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if up.low <= tick <= up.high]


def _paint(curves: Sequence[Curve]) -> Iterator[tuple[Curve, str, float]]:
    ours, peers = iter(_OURS), iter(_PEERS)
    for curve in curves:
        if curve.name.startswith("ksrpc"):
            yield curve, next(ours, _OURS[-1]), 2.6
        else:
            yield curve, next(peers, _PEERS[-1]), 1.4


def _spread(wanted: Sequence[float], up: _Scale) -> list[float]:
    """Move the places of names apart until none covers another, keeping their order."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    places = [wanted[index] for index in order]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + _LEAST)
    limit = up.begin
    for index in reversed(range(len(places))):
        places[index] = min(places[index], limit)
        limit = places[index] - _LEAST
    return [places[order.index(index)] for index in range(len(wanted))]


def _draw(points: Sequence[tuple[float, float]], name: str, colour: str, width: float, end: float) -> Iterator[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    yield f'<polyline points="{path}" stroke="{colour}" stroke-width="{width}"/>'
    yield f'<path d="M{x + 2:.1f} {y:.1f} L{x + 16:.1f} {end:.1f}" stroke="{colour}" stroke-width="1"/>'
    yield f'<text class="n" x="{x + 20:.1f}" y="{end + 4:.1f}">{escape(name)}</text>'
