"""Write down what was measured: results.json, and RESULTS.md and ratios.svg that follow from it alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.measure import Figure, Rate
from benchmarks.memory import Growth

HERE = Path(__file__).resolve().parent
MIB = 1 << 20

_HEAD = """# Benchmark results

Written by `make bench`; do not edit. One run on the loopback interface: every group is measured round by
round, its contenders in turn, so that a disturbance meets them all. Times are medians over the rounds. A
ratio divides a median by that of the first line, the peer; its range holds the middle half of the rounds.
Lower is faster, save for what is counted per second. Each contender's result was compared with the right one before
anything was timed.

![Ratios to the peers](ratios.svg)
"""


@dataclass(frozen=True, slots=True)
class Results:
    """Hold one run: the machine's facts, what was timed, what memory grew, what was counted."""

    machine: Mapping[str, str]
    figures: Sequence[Figure]
    growths: Sequence[Growth]
    rates: Sequence[Rate] = field(default_factory=list)


def dump_results(results: Results, folder: Path = HERE) -> None:
    """Write the three files."""
    text = json.dumps(asdict(results), indent=1, ensure_ascii=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(render_markdown(results), encoding="utf-8")
    (folder / "ratios.svg").write_text(render_svg(results.figures), encoding="utf-8")


def load_results(folder: Path = HERE) -> Results:
    """Read results.json back."""
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return Results(
        data["machine"],
        [Figure(**figure) for figure in data["figures"]],
        [Growth(**growth) for growth in data["growths"]],
        [Rate(**rate) for rate in data["rates"]],
    )


def render_markdown(results: Results) -> str:
    """Lay the results out as tables."""
    parts = [_HEAD, "| machine | |\n|---|---|"]
    parts += [f"| {name} | {value} |" for name, value in results.machine.items()]
    for title, figures in groupby(results.figures, key=lambda figure: figure.group):
        parts.append(f"\n## {title}\n\n| | median | ratio | middle half | target |\n|---|--:|--:|--:|--:|")
        parts += [_figure_row(figure) for figure in figures]
    if results.rates:
        parts.append("\n## Hits per second on one core\n\n| | per second | ratio | middle half | target |")
        parts.append("|---|--:|--:|--:|--:|")
        parts += [_rate_row(rate) for rate in results.rates]
    if results.growths:
        parts.append("\n## Memory\n\n| | grown | target |\n|---|--:|--:|")
        parts += [_growth_row(growth) for growth in results.growths]
    return "\n".join(parts) + "\n"


def _figure_row(figure: Figure) -> str:
    cells = (
        figure.name,
        format_time(figure.median_s),
        f"{figure.ratio:.2f}",
        _range(figure),
        _target(figure),
    )
    return "| " + " | ".join(cells) + " |"


def _rate_row(rate: Rate) -> str:
    target = "" if rate.target is None else f"≥ {rate.target:.2f} {_verdict(met=rate.ratio >= rate.target)}"
    return f"| {rate.name} | {rate.per_s:,.0f} | {rate.ratio:.2f} | {_range(rate)} | {target} |"


def _range(figure: Figure | Rate) -> str:
    return f"{figure.ratio_low:.2f} … {figure.ratio_high:.2f}"


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"≤ {figure.target:.2f} {_verdict(met=figure.ratio <= figure.target)}"


def _growth_row(growth: Growth) -> str:
    verdict = _verdict(met=growth.grown_bytes <= growth.target_bytes)
    grown, target = growth.grown_bytes / MIB, growth.target_bytes / MIB
    return f"| {growth.name} | {grown:.1f} MiB | ≤ {target:.0f} MiB {verdict} |"


def _verdict(*, met: bool) -> str:
    return "met" if met else "**missed**"


def format_time(duration_s: float) -> str:
    """Write a duration with three digits, in µs below a millisecond and in ms above."""
    if duration_s < 1e-3:
        return f"{duration_s * 1e6:.3g} µs"
    return f"{duration_s * 1e3:,.0f} ms" if duration_s >= 1 else f"{duration_s * 1e3:.3g} ms"


_WIDTH, _LABEL, _ROW, _GAP = 760, 250, 20, 34
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.g{font-weight:600}.p{fill:#9aa4b1}.k{fill:#2f7ed8}"
    ".one{stroke:#555;stroke-dasharray:3 3}.t{stroke:#d9822b;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.one{stroke:#aaa}}"
)


def render_svg(figures: Sequence[Figure]) -> str:
    """Draw the ratios as bars: peers grey, ksrpc blue, an orange mark per target, a dashed line at 1."""
    scale = (_WIDTH - _LABEL - 60) / max(1.0, *(figure.ratio for figure in figures))
    lines: list[str] = []
    y = 8
    for title, members in groupby(figures, key=lambda figure: figure.group):
        y += 18
        lines.append(f'<text class="g" x="8" y="{y}">{escape(title)}</text>')
        top = y + 6
        for figure in members:
            lines += _bar(figure, y + 8, scale)
            y += _ROW
        one = _LABEL + scale
        lines.append(f'<line class="one" x1="{one:.1f}" y1="{top}" x2="{one:.1f}" y2="{y + 8}"/>')
        y += _GAP - _ROW
    size = f'width="{_WIDTH}" height="{y + 8}" viewBox="0 0 {_WIDTH} {y + 8}"'
    title = "<title>Time as a ratio to the peer, lower is faster</title>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{title}<style>{_STYLE}</style>'
    return "\n".join([head, *lines, "</svg>", ""])


def _bar(figure: Figure, y: int, scale: float) -> list[str]:
    width = figure.ratio * scale
    kind = "k" if figure.name.startswith("ksrpc") else "p"
    lines = [
        f'<text x="20" y="{y + 12}">{escape(figure.name)}</text>',
        f'<rect class="{kind}" x="{_LABEL}" y="{y + 2}" width="{width:.1f}" height="{_ROW - 6}" rx="2"/>',
        f'<text x="{_LABEL + width + 6:.1f}" y="{y + 13}">{figure.ratio:.2f}</text>',
    ]
    if figure.target is not None:
        x = _LABEL + figure.target * scale
        lines.append(f'<line class="t" x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + _ROW - 2}"/>')
    return lines
