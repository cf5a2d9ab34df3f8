"""What the benchmark pages say is what was measured, and what was measured is what is meant."""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import excerpt, report
from benchmarks.bar import LONGEST, render_bars
from benchmarks.callers import by_threads
from benchmarks.crowd import crowd
from benchmarks.footprint import Footprint, read_peak, reset_peak
from benchmarks.line import render_lines
from benchmarks.load import Flood, record_request, split_answer
from benchmarks.loop import Loop
from benchmarks.measure import Absence, Case, Curve, Figure, Group, Rate, quartiles, run_group, time_calls
from benchmarks.memory import Growth, watch_memory
from benchmarks.peer import FRAMES, PEERS, POW, run_peer
from benchmarks.stage import check_answer, check_frame, check_frames, check_value, missing
from benchmarks.unit import MIB, format_bytes, format_time
from ksrpc import wire
from ksrpc.connections.base import Options
from ksrpc.store import CacheStore
from tests.helpers.server import GatewayProcess
from tests.style.rule import ROOT

SVG = "{http://www.w3.org/2000/svg}"


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


def test_an_awaited_contender_is_checked_and_timed_on_its_loop_beside_whom_it_names() -> None:
    clock = Clock()

    def block() -> int:
        clock.now_s += 4
        return 7

    async def wait() -> int:
        clock.now_s += 6
        return 7

    def peer() -> int:
        clock.now_s += 1
        return 7

    with Loop() as loop:
        cases = [Case("peer", peer), Case("blocking", block), Case("awaited", wait, 1.3, "blocking", loop)]
        figures = run_group(Group("g", cases, 1, check_value(7)), 2, clock=clock)
    assert [(figure.median_s, figure.ratio) for figure in figures] == [(1, 1), (4, 4), (6, 1.5)]


def test_a_slow_contender_gets_fewer_calls_and_no_more_rounds_than_the_group_has() -> None:
    clock, made = Clock(), {"slow": 0, "fast": 0}

    def contender(name: str, duration_s: float) -> Case:
        def call() -> None:
            made[name] += 1
            clock.now_s += duration_s

        return Case(name, call)

    run_group(Group("g", [contender("slow", 9), contender("fast", 0.001)], 50, accept, most_rounds=2), 9, clock=clock)
    assert made == {"slow": 1 + 3 + 2 * 1, "fast": 1 + 3 + 2 * 50}


def test_callers_are_counted_and_a_wrong_answer_to_one_of_them_stops_the_run() -> None:
    assert by_threads([lambda: 8.0], 8.0)(4, 0.01) > 0
    answers = iter([8.0, 8.0, 7.0])
    with pytest.raises((ValueError, StopIteration, RuntimeError), match=r"7\.0 came for 8\.0"):
        by_threads([lambda: next(answers)], 8.0)(1, 60)


@pytest.mark.parametrize("name", PEERS)
def test_each_peer_gives_the_right_answers(name: str) -> None:
    kind = PEERS[name]
    if reason := missing(kind):
        pytest.skip(reason)
    with run_peer(name) as peer, kind.connect(peer.port) as ways:
        check_value(8.0)(ways["pow"](*POW))
        check_value(0.0)(ways["nap"](0.0))
        assert kind.lacks or {"records", "frame_of", *FRAMES} <= set(ways)
        for function in {"records", "tree", "frames_ten", "frame_small", "frame_mixed"} & set(ways):
            check_answer(function)(ways[function]())


def test_a_frame_that_is_not_the_right_one_is_refused() -> None:
    frame = FRAMES["frame_small"]()
    check_frame("frame_small")(frame.copy())
    check_frame("frame_small")(memoryview(frame.to_numpy().tobytes()))
    with pytest.raises(AssertionError):
        check_frame("frame_small")(frame * 1.001)
    with pytest.raises(TypeError, match="came as list"):
        check_frame("frame_small")([])
    with pytest.raises(ValueError, match="came for"):
        check_value([1.0])((1.0,))
    check_frames({"a": frame})({"a": frame.copy()})
    with pytest.raises(AssertionError):
        check_frames({"a": frame})({"a": frame * 1.001})
    with pytest.raises(ValueError, match="came for frames of a"):
        check_frames({"a": frame})({"b": frame})


def test_the_peak_of_a_process_is_told() -> None:
    before = reset_peak(os.getpid())
    with mmap.mmap(-1, 64 * MIB) as block:
        for _ in range(64):
            block.write(b"x" * MIB)
    # Whatever else the process gives back in the meantime takes from what is seen.
    assert 32 * MIB <= read_peak(os.getpid()) - before < 256 * MIB


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
    [
        Curve("growth with size", "ksrpc", [80, 8_000], [1e-3, 2e-3]),
        Curve("at the same time", "ksrpc tasks", [1, 2, 8, 64], [100.0, 200.0, 300.0, 250.0], 3.0),
    ],
    [Footprint("peer", MIB, 2 * MIB), Footprint("ksrpc", MIB, 0, 3 * MIB)],
    [Absence("calls", "gone", "cannot be installed"), Absence("at the same time", "slow", "is slow")],
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
    assert "| | 80 B | 8 kB |" in page
    assert "| ksrpc | 1 ms | 2 ms |" in page
    assert "| calls per second | 1 caller | 8 callers | 64 callers | 64 ÷ 1 | target |" in page
    assert "| ksrpc tasks | 100 | 300 | 250 | 2.50 | ≥ 3.00 **missed** |" in page
    assert "| ksrpc | 1.0 MiB | 0.0 MiB | 3.0 MiB |" in page


def test_the_page_says_why_somebody_is_missing() -> None:
    page = report.render_markdown(RESULTS)
    assert "| gone | — | | | cannot be installed |" in page
    assert "| slow | — | | | | is slow |" in page


def test_a_peer_that_is_not_installed_is_told_not_raised() -> None:
    reason = missing(replace(PEERS["rpyc"], package="no_such_package"))
    assert reason == "cannot be installed here (ModuleNotFoundError: No module named 'no_such_package')"
    assert missing(PEERS["tcp"]) == ""


def test_bars_are_as_long_as_their_ratios_and_cut_where_they_would_dwarf_the_others() -> None:
    endless = Figure("calls", "peer of old", 9.0, 9.0, 9.0, 90.0, 90.0, 90.0)
    picture = ElementTree.fromstring(render_bars([*RESULTS.figures, endless]))
    bars = [bar for bar in picture.iter(f"{SVG}rect") if bar.attrib["class"] in "pk"]
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert widths[1] == pytest.approx(widths[0] * 0.6, abs=0.1)
    assert widths[3] == pytest.approx(widths[0] * LONGEST, abs=0.1)
    assert [bar.attrib["class"] for bar in bars] == ["p", "k", "k", "p"]


def test_lines_have_a_point_for_each_value_and_names_that_do_not_cover_each_other() -> None:
    curves = [Curve("callers", f"peer {number}", [1, 8, 64], [100.0, 200.0, 300.0]) for number in range(9)]
    picture = ElementTree.fromstring(render_lines(curves, is_size=False))
    lines = [line.attrib["points"].split() for line in picture.iter(f"{SVG}polyline")]
    assert [len(points) for points in lines] == [3] * 9
    heights = [float(text.attrib["y"]) for text in picture.iter(f"{SVG}text") if text.attrib.get("class") == "n"]
    assert min(low - high for high, low in pairwise(sorted(heights))) >= 11
    assert max(heights) < float(picture.attrib["height"])
    halves = [point.split(",") for point in lines[0]]
    steps = [float(right[0]) - float(left[0]) for left, right in pairwise(halves)]
    assert steps[0] == pytest.approx(steps[1], abs=0.2)  # 1, 8 and 64 are as far from each other


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(52.3e-6, "52.3 µs"), (1.05e-3, "1.05 ms"), (0.2584, "258 ms"), (3.4, "3,400 ms")],
)
def test_durations_have_three_digits(duration_s: float, text: str) -> None:
    assert format_time(duration_s) == text


@pytest.mark.parametrize(("size", "text"), [(80, "80 B"), (8_000, "8 kB"), (80_000_000, "80 MB")])
def test_sizes_have_their_unit(size: int, text: str) -> None:
    assert format_bytes(size) == text


def test_the_published_pages_follow_from_the_published_figures() -> None:
    results = report.load_results()
    page = (report.FOLDER / report.PAGE).read_text(encoding="utf-8")
    assert page == report.render_markdown(results), "cure: python -m benchmarks.excerpt"
    for name, picture in report.render_pictures(results):
        assert (report.FOLDER / name).read_text(encoding="utf-8") == picture, "cure: python -m benchmarks.excerpt"
        assert f"({name})" in page


def test_the_published_run_has_every_case() -> None:
    results = report.load_results()
    groups = {figure.group for figure in results.figures} | {curve.group for curve in results.curves}
    for words in (
        "Small call: ",
        "awaited",
        "250",
        "100 000",
        "1 000 000",
        "records",
        "First answer",
        "Callers",
        "size",
    ):
        assert [group for group in groups if words in group], words
    assert {64, 8, 1} <= set(next(curve for curve in results.curves if "Callers" in curve.group).xs)
    told = {figure.name for figure in results.figures} | {absence.name for absence in results.absences}
    for kind in PEERS.values():
        assert [name for name in told if name.startswith(kind.label.partition(",")[0])], kind.label
    assert results.growths
    assert [footprint.name for footprint in results.footprints if footprint.worker_bytes is not None]


@pytest.mark.parametrize("name", excerpt.PAGES)
def test_pages_quote_what_is_published(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    assert "<!-- results: " in page
    results = (report.FOLDER / report.PAGE).read_text(encoding="utf-8")
    assert excerpt.quote(page, results) == page, "cure: python -m benchmarks.excerpt"


def test_a_quotation_is_replaced_by_the_table_of_its_section() -> None:
    page = "a\n<!-- results: calls -->\nold\n<!-- end of results -->\nb\n"
    quoted = excerpt.quote(page, report.render_markdown(RESULTS))
    assert quoted.startswith("a\n<!-- results: calls -->\n\n| calls | median |")
    assert "| ksrpc inline | 60 µs |" in quoted
    assert "old" not in quoted
    machine = excerpt.find_table(report.render_markdown(RESULTS), "Machine")
    assert machine == "`make bench`: 2 × any, Python 3.11\n"
    counted = excerpt.find_table(report.render_markdown(RESULTS), "Hits per second")
    assert counted.startswith("| Hits per second on one core | per second |")
    assert excerpt.quote(quoted, report.render_markdown(RESULTS)) == quoted
    with pytest.raises(LookupError, match="nothing"):
        excerpt.quote("<!-- results: nothing -->\n<!-- end of results -->", "## calls\n")
