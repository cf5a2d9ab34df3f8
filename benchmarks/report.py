"""Write down what was measured: results.json, and the page and the pictures that follow from it alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

from benchmarks.bar import render_bars
from benchmarks.footprint import FRAME_BYTES, Footprint
from benchmarks.line import render_lines
from benchmarks.measure import Absence, Curve, Figure, Rate
from benchmarks.memory import Growth
from benchmarks.note import HEAD, KEPT, NOTES, PICTURES
from benchmarks.unit import MIB, format_bytes, format_time

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"
PAGE, DATA = "README.md", "results.json"
Result: TypeAlias = Figure | Absence | Rate | Curve | Growth | Footprint

_RULE = "|---|--:|--:|--:|--:|"


@dataclass(frozen=True, slots=True)
class Results:
    """Hold one run: the machine's facts, and what was found, by its kind."""

    machine: Mapping[str, str]
    figures: Sequence[Figure]
    growths: Sequence[Growth]
    rates: Sequence[Rate] = field(default_factory=list)
    curves: Sequence[Curve] = field(default_factory=list)
    footprints: Sequence[Footprint] = field(default_factory=list)
    absences: Sequence[Absence] = field(default_factory=list)

    @classmethod
    def collect(cls, machine: Mapping[str, str], found: Iterable[Result]) -> Results:
        """Sort what a run gives by its kind."""
        results = cls(machine, [], [], [], [], [], [])
        rooms = {
            Figure: results.figures,
            Growth: results.growths,
            Rate: results.rates,
            Curve: results.curves,
            Footprint: results.footprints,
            Absence: results.absences,
        }
        for result in found:
            rooms[type(result)].append(result)  # type: ignore[attr-defined]
        return results


def dump_results(results: Results, folder: Path = FOLDER) -> None:
    """Write all files."""
    text = json.dumps(asdict(results), indent=1, ensure_ascii=False)
    (folder / DATA).write_text(text + "\n", encoding="utf-8")
    (folder / PAGE).write_text(render_markdown(results), encoding="utf-8")
    for name, picture in render_pictures(results):
        (folder / name).write_text(picture, encoding="utf-8")


def load_results(folder: Path = FOLDER) -> Results:
    """Read results.json back."""
    data = json.loads((folder / DATA).read_text(encoding="utf-8"))
    return Results(
        data["machine"],
        [Figure(**figure) for figure in data["figures"]],
        [Growth(**growth) for growth in data["growths"]],
        [Rate(**rate) for rate in data["rates"]],
        [Curve(**curve) for curve in data["curves"]],
        [Footprint(**footprint) for footprint in data["footprints"]],
        [Absence(**absence) for absence in data["absences"]],
    )


def render_pictures(results: Results) -> Iterator[tuple[str, str]]:
    """Draw the pictures, each with the name of its file."""
    yield "ratios.svg", render_bars([figure for figure in results.figures if not _is_kept(figure)])
    yield "cached.svg", render_bars([figure for figure in results.figures if _is_kept(figure)])
    yield "size.svg", render_lines([curve for curve in results.curves if _is_size(curve)], is_size=True)
    yield "callers.svg", render_lines([curve for curve in results.curves if not _is_size(curve)], is_size=False)


def _is_kept(figure: Figure) -> bool:
    return figure.group.startswith(KEPT)


def _is_size(curve: Curve) -> bool:
    return "size" in curve.group


def render_markdown(results: Results) -> str:
    """Lay the results out as tables."""
    return "\n".join([HEAD, *_machine(results), *_tables(results)]) + "\n"


def _machine(results: Results) -> Iterator[str]:
    yield "## Machine\n\n| `make bench` | |\n|---|---|"
    yield from (f"| {name} | {value} |" for name, value in results.machine.items())


def _tables(results: Results) -> Iterator[str]:
    shown = set()
    for title, figures in groupby(results.figures, key=lambda figure: figure.group):
        picture = next(
            (name for name, first in PICTURES.items() if title.startswith(first) and name not in shown), None
        )
        shown.add(picture)
        yield from _heading(title, picture)
        yield f"| | median | ratio | middle half | target |\n{_RULE}"
        yield from (_figure_row(figure) for figure in figures)
        yield from _absent(results, title, 4)
    if results.rates:
        yield from _heading("Hits per second on one core")
        yield f"| | per second | ratio | middle half | target |\n{_RULE}"
        yield from (_rate_row(rate) for rate in results.rates)
    yield from _curve_tables(results)
    yield from _memory_tables(results)


def _heading(title: str, picture: str | None = None) -> Iterator[str]:
    yield f"\n## {title}\n"
    if title in NOTES:
        yield NOTES[title] + "\n"
    if picture:
        yield f"![{title} and what follows]({picture})\n"


def _absent(results: Results, group: str, columns: int) -> Iterator[str]:
    for absence in results.absences:
        if absence.group == group:
            yield f"| {absence.name} | — |{' |' * (columns - 2)} {absence.reason} |"


def _curve_tables(results: Results) -> Iterator[str]:
    shown = set()
    for title, members in groupby(results.curves, key=lambda curve: curve.group):
        curves = list(members)
        picture = "size.svg" if _is_size(curves[0]) else "callers.svg"
        yield from _heading(title, picture if picture not in shown else None)
        shown.add(picture)
        columns = list(_size_table(curves) if _is_size(curves[0]) else _callers_table(curves))
        yield from columns
        yield from _absent(results, title, columns[0].partition("\n")[0].count("|") - 2)


def _callers_table(curves: Sequence[Curve]) -> Iterator[str]:
    picked = [x for x in curves[0].xs if x in (1, 8, curves[0].xs[-1])]
    heads = " | ".join(f"{x} caller{'s' if x > 1 else ''}" for x in picked)
    ratio = f"{picked[-1]} ÷ {picked[0]}"
    yield f"| calls per second | {heads} | {ratio} | target |\n|---|{'--:|' * (len(picked) + 2)}"
    for curve in curves:
        values = " | ".join(f"{curve.values[list(curve.xs).index(x)]:,.0f}" for x in picked)
        yield f"| {curve.name} | {values} | {_growth_of(curve):.2f} | {_least(_growth_of(curve), curve.target)} |"


def _size_table(curves: Sequence[Curve]) -> Iterator[str]:
    heads = " | ".join(format_bytes(x) for x in curves[0].xs)
    yield f"| | {heads} |\n|---|{'--:|' * len(curves[0].xs)}"
    for curve in curves:
        yield f"| {curve.name} | {' | '.join(format_time(value) for value in curve.values)} |"


def _memory_tables(results: Results) -> Iterator[str]:
    if results.footprints:
        yield from _heading(f"Memory for one frame of {format_bytes(FRAME_BYTES)}")
        yield "| | client | server | worker process |\n|---|--:|--:|--:|"
        yield from (_footprint_row(footprint) for footprint in results.footprints)
    if results.growths:
        yield from _heading("Memory")
        yield "| | grown | target |\n|---|--:|--:|"
        yield from (_growth_row(growth) for growth in results.growths)


def _figure_row(figure: Figure) -> str:
    target = "" if figure.target is None else f"≤ {figure.target:.2f} {_verdict(met=figure.ratio <= figure.target)}"
    cells = (figure.name, format_time(figure.median_s), f"{figure.ratio:.2f}", _range(figure), target)
    return "| " + " | ".join(cells) + " |"


def _rate_row(rate: Rate) -> str:
    target = _least(rate.ratio, rate.target)
    return f"| {rate.name} | {rate.per_s:,.0f} | {rate.ratio:.2f} | {_range(rate)} | {target} |"


def _range(figure: Figure | Rate) -> str:
    return f"{figure.ratio_low:.2f} … {figure.ratio_high:.2f}"


def _least(ratio: float, target: float | None) -> str:
    return "" if target is None else f"≥ {target:.2f} {_verdict(met=ratio >= target)}"


def _growth_of(curve: Curve) -> float:
    return curve.values[-1] / curve.values[0]


def _footprint_row(footprint: Footprint) -> str:
    sizes = (footprint.client_bytes, footprint.server_bytes, footprint.worker_bytes)
    cells = ["" if size is None else f"{size / MIB:.1f} MiB" for size in sizes]
    return f"| {footprint.name} | {' | '.join(cells)} |"


def _growth_row(growth: Growth) -> str:
    verdict = _verdict(met=growth.grown_bytes <= growth.target_bytes)
    grown, target = growth.grown_bytes / MIB, growth.target_bytes / MIB
    return f"| {growth.name} | {grown:.1f} MiB | ≤ {target:.0f} MiB {verdict} |"


def _verdict(*, met: bool) -> str:
    return "met" if met else "**missed**"
