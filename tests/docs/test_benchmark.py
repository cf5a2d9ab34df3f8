"""What the benchmark pages say is what was measured, and what was measured is what is meant."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import excerpt, report
from benchmarks.crowd import crowd
from benchmarks.load import Flood, record_request, split_answer
from benchmarks.measure import Case, Figure, Group, Rate, quartiles, run_group, time_calls
from benchmarks.memory import MIB, Growth, watch_memory
from ksrpc import wire
from ksrpc.connections.base import Options
from ksrpc.store import CacheStore
from tests.helpers.server import GatewayProcess
from tests.style.rule import ROOT


class Clock:
    """Tell a time that only `pass_s` moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def takes(self, *durations_s: float) -> Iterator[float]:
        for duration_s in durations_s:
            self.now_s += duration_s
            yield duration_s


def accept(result: object) -> None:
    """Check nothing."""


def test_a_round_counts_with_the_median_of_its_calls() -> None:
    clock = Clock()
    durations = clock.takes(1, 100, 3)
    assert time_calls(lambda: next(durations), 3, clock=clock) == 3


def test_contenders_take_turns_and_ratios_are_to_the_first() -> None:
    clock, order = Clock(), []

    def contender(name: str, duration_s: float) -> Case:
        def call() -> None:
            order.append(name)
            clock.now_s += duration_s

        return Case(name, call, 0.6)

    group = Group("g", [contender("a", 4), contender("b", 2)], 1, accept)
    peer, ours = run_group(group, 2, clock=clock)
    assert order == ["a", "b", "a", "b", "a", "b"]  # the first pair is the check
    assert (peer.median_s, peer.ratio) == (4, 1)
    assert ours == Figure("g", "b", 2, 2, 2, 0.5, 0.5, 0.5, 0.6)


def test_a_wrong_result_stops_the_run_before_anything_is_timed() -> None:
    def refuse(result: object) -> None:
        raise ValueError(result)

    with pytest.raises(ValueError, match="wrong"):
        run_group(Group("g", [Case("a", lambda: "wrong")], 1, refuse), 1)


def test_quartiles() -> None:
    assert quartiles([5]) == (5, 5, 5)
    assert quartiles([1, 2, 3, 4, 5]) == (2, 3, 4)


def test_memory_is_told_at_its_highest() -> None:
    held, was_read = {"bytes": 10}, threading.Event()

    def read_bytes() -> int:
        if held["bytes"] == 70:
            was_read.set()
        return held["bytes"]

    with watch_memory(read_bytes) as grown:
        held["bytes"] = 70
        assert was_read.wait(10)
        held["bytes"] = 20
    assert grown() == 60


def _open_cache(folder: Path) -> CacheStore:
    return CacheStore(folder, max_bytes=1 << 30, max_object_bytes=1 << 20, min_free_bytes=0)


def test_a_crowded_cache_holds_the_few_among_genuine_others(tmp_path: Path) -> None:
    few = _open_cache(tmp_path / "few")
    for number in range(20):
        few.put(b"key %d" % number, [b"x" * number], size=number, expires_at=time.time() + 60, labels={"path": "a.b"})
    few.close()
    keys = crowd(tmp_path / "few", tmp_path / "many", 3000)
    many = _open_cache(tmp_path / "many")
    try:
        assert many.stats().entries == 3000
        assert sorted(keys) == sorted(b"key %d" % number for number in range(20))
        assert [many.get(b"key %d" % number).pieces for number in range(20)] == [  # type: ignore[union-attr]
            (b"x" * number,) for number in range(20)
        ]
        report = many.verify()
        assert (report.entries, report.damaged, report.is_sound) == (3000, 0, True)
    finally:
        many.close()


def test_the_flood_asks_as_our_client_does_and_counts_answers(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as gateway:
        request = record_request("math.pow", (2, 3), Options(cache_expire=60), token="ksr_x")
        assert request.startswith(b"POST /api/file?func=math.pow&cache_expire=60 HTTP/1.1\r\n")
        assert b"Authorization: Bearer ksr_x\r\n" in request
        flood = Flood(gateway.port, request.replace(b"Authorization: Bearer ksr_x\r\n", b""), 3)
        headers, body = split_answer(flood.ask(10))
        assert wire.parse(body) == 8.0
        assert (b"content-length", b"%d" % len(body)) in headers
        flood.close()
        refused = Flood(gateway.port, request, 1)
        with pytest.raises(RuntimeError, match="401"):
            refused.ask(1)
        refused.close()


RESULTS = report.Results(
    {"cores": "2 × any", "Python": "3.11"},
    [
        Figure("calls", "peer <a>", 100e-6, 90e-6, 110e-6, 1.0, 1.0, 1.0),
        Figure("calls", "ksrpc inline", 60e-6, 50e-6, 70e-6, 0.6, 0.55, 0.65, 0.65),
        Figure("calls", "ksrpc process", 120e-6, 50e-6, 70e-6, 1.2, 1.1, 1.3, 1.0),
    ],
    [Growth("gateway", 20 * MIB, 16 * MIB)],
    [
        Rate("uvicorn", 20_000.4, 1.0, 1.0, 1.0),
        Rate("ksrpc, number", 10_000, 0.5, 0.45, 0.55, 0.35),
        Rate("ksrpc, frame", 6_000, 0.3, 0.25, 0.35, 0.35),
    ],
)


def test_results_survive_their_file(tmp_path: Path) -> None:
    report.dump_results(RESULTS, tmp_path)
    assert report.load_results(tmp_path) == RESULTS


def test_the_page_shows_ratio_target_and_verdict() -> None:
    page = report.render_markdown(RESULTS)
    assert "| ksrpc inline | 60 µs | 0.60 | 0.55 … 0.65 | ≤ 0.65 met |" in page
    assert "| ksrpc process | 120 µs | 1.20 | 1.10 … 1.30 | ≤ 1.00 **missed** |" in page
    assert "| gateway | 20.0 MiB | ≤ 16 MiB **missed** |" in page
    assert "| uvicorn | 20,000 | 1.00 | 1.00 … 1.00 |  |" in page
    assert "| ksrpc, number | 10,000 | 0.50 | 0.45 … 0.55 | ≥ 0.35 met |" in page
    assert "| ksrpc, frame | 6,000 | 0.30 | 0.25 … 0.35 | ≥ 0.35 **missed** |" in page


def test_the_picture_is_well_formed_and_has_a_bar_each() -> None:
    picture = ElementTree.fromstring(report.render_svg(RESULTS.figures))
    bars = picture.findall("{http://www.w3.org/2000/svg}rect")
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert widths[1] == pytest.approx(widths[0] * 0.6, abs=0.1)
    assert len(widths) == 3


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(52.3e-6, "52.3 µs"), (1.05e-3, "1.05 ms"), (0.2584, "258 ms"), (3.4, "3,400 ms")],
)
def test_durations_have_three_digits(duration_s: float, text: str) -> None:
    assert report.format_time(duration_s) == text


def test_the_published_pages_follow_from_the_published_figures() -> None:
    folder = ROOT / "benchmarks"
    results = report.load_results(folder)
    assert (folder / "RESULTS.md").read_text(encoding="utf-8") == report.render_markdown(results)
    assert (folder / "ratios.svg").read_text(encoding="utf-8") == report.render_svg(results.figures)


@pytest.mark.parametrize("name", excerpt.PAGES)
def test_pages_quote_what_is_published(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    assert "<!-- results: " in page
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    assert excerpt.quote(page, results) == page, "cure: python -m benchmarks.excerpt"


def test_a_quotation_is_replaced_by_the_table_of_its_section() -> None:
    page = "a\n<!-- results: calls -->\nold\n<!-- end of results -->\nb\n"
    quoted = excerpt.quote(page, report.render_markdown(RESULTS))
    assert quoted.startswith("a\n<!-- results: calls -->\n\n| calls | median |")
    assert "| ksrpc inline | 60 µs |" in quoted
    assert "old" not in quoted
    counted = excerpt.find_table(report.render_markdown(RESULTS), "Hits per second")
    assert counted.startswith("| Hits per second on one core | per second |")
    assert excerpt.quote(quoted, report.render_markdown(RESULTS)) == quoted
    with pytest.raises(LookupError, match="nothing"):
        excerpt.quote("<!-- results: nothing -->\n<!-- end of results -->", "## calls\n")
