"""When a call is shown, and in which words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ksrpc.client.display.event import ProgressEvent, Track
from ksrpc.client.display.line import cut, phrase
from ksrpc.client.display.screen import Screen
from ksrpc.client.display.ticker import Ticker
from ksrpc.client.progress import find_watch
from ksrpc.errors import ConfigError
from ksrpc.transport.watch import Sight, State, Trails


class Table:
    """Be calls under way, as the test says."""

    def __init__(self) -> None:
        self.sights: list[Sight] = []

    def look(self) -> list[Sight]:
        return self.sights


class Paper(Screen):
    """Keep what is drawn."""

    def __init__(self, *, keeps_streams: bool = False) -> None:
        self.keeps_streams = keeps_streams
        self.drawn: list[str] = []
        self.ended: list[str] = []

    def draw(self, events: Sequence[ProgressEvent], ended: Sequence[ProgressEvent] = ()) -> None:
        self.drawn = [f"{event.path} {phrase(event)}" for event in events]
        self.ended += [event.path for event in ended]

    def forget(self) -> None:
        self.drawn = []


class Scene:
    """Hold a ticker whose clock stands still between the looks."""

    def __init__(self, *, keeps_streams: bool = False) -> None:
        self.now = 100.0
        self.paper = Paper(keeps_streams=keeps_streams)
        self.table = Table()
        self.ticker = Ticker(self.paper, lambda: self.now)
        self.ticker.add(self.table)

    def at(self, now: float, *sights: Sight) -> list[str]:
        self.now, self.table.sights = 100.0 + now, list(sights)
        self.ticker.tick()
        return self.paper.drawn


def running(key: int, path: str = "m.f") -> Sight:
    return Sight(key, path, State.RUNNING)


def test_quick_calls_are_never_shown_however_many_follow() -> None:
    scene = Scene()
    for number in range(50):
        assert scene.at(number / 5, running(number)) == []
        assert scene.ticker.shown == frozenset()


def test_a_call_is_shown_when_it_lasts_and_goes_before_its_caller_goes_on() -> None:
    scene = Scene()
    scene.at(0, running(1, "m.slow"))
    assert scene.at(0.7, running(1, "m.slow"), running(2, "m.quick")) == ["m.slow running 1 s"]
    scene.ticker.settle(2)
    assert scene.paper.drawn == ["m.slow running 1 s"]
    scene.ticker.settle(1)
    assert (scene.paper.drawn, scene.paper.ended) == ([], ["m.slow"])
    scene.ticker.settle(1)
    assert scene.paper.ended == ["m.slow"]


def test_a_call_that_ends_while_it_is_looked_at_is_not_shown() -> None:
    class Fleeting(Table):
        def look(self) -> list[Sight]:
            found, self.sights = self.sights, []
            return found

    scene = Scene()
    scene.table = Fleeting()
    scene.ticker.add(scene.table)
    scene.at(0, running(1))
    assert scene.at(1, running(1)) == []


def test_a_stream_is_shown_while_its_caller_waits_or_as_long_as_it_flows() -> None:
    def stream(items: int, *, is_idle: bool = False) -> Sight:
        return Sight(1, "m.gen", State.STREAMING, items=items, is_idle=is_idle)

    waiting, flowing = Scene(), Scene(keeps_streams=True)
    for scene in (waiting, flowing):
        for tenth in range(20):
            scene.at(tenth / 10, stream(5 * tenth + 1, is_idle=bool(tenth % 2)))
    assert waiting.paper.drawn == []
    assert flowing.paper.drawn == ["m.gen 96 items, 50/s"]
    assert flowing.ticker.shown == frozenset()
    assert waiting.at(2.6, stream(96)) == ["m.gen 96 items, 37/s"]
    assert flowing.at(9.0, stream(96, is_idle=True)) == []
    assert flowing.at(9.1) == []


def test_the_child_of_a_fork_begins_anew() -> None:
    scene = Scene()
    scene.at(0, running(1))
    scene.at(1, running(1))
    scene.ticker.restart()
    assert (scene.paper.drawn, scene.ticker.shown, scene.ticker.is_awake) == ([], frozenset(), False)


def test_the_wait_in_the_queue_is_guessed_from_those_that_ended() -> None:
    track = Track(1, Sight(1, "m.f", State.QUEUED, 5), 0.0)
    assert track.event(1.0).remaining_s is None
    track.follow(Sight(1, "m.f", State.QUEUED, 3), 4.0)
    assert track.event(4.0).remaining_s == 6.0
    assert track.event(5.0).remaining_s == 5.0
    assert track.event(60.0).remaining_s == 0.0


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ProgressEvent(1, "m.f", "queued", 4, 4, 1), "queued, next, 4 s"),
        (ProgressEvent(1, "m.f", "queued", 4, 4, 12, remaining_s=75.0), "queued, 12th, 4 s, about 1 min 15 s left"),
        (ProgressEvent(1, "m.f", "queued", 4, 4, 22), "queued, 22nd, 4 s"),
        (ProgressEvent(1, "m.f", "running", 9, 3), "running 3 s"),
        (ProgressEvent(1, "m.f", "waiting", 3700, 3700), "waiting 1 h 01 min"),
        (
            ProgressEvent(1, "m.f", "receiving", 9, 3, None, 34_500_000, 80_000_000, 0, 21e6, 2.2, 8_100_000),
            "receiving 34.5 of 80.0 MB (as 8.1 MB), 21.0 MB/s, 2 s left",
        ),
        (
            ProgressEvent(1, "m.f", "receiving", 9, 3, None, 34_500_000, 80_000_000, 0, 21e6, 2.2, 34_500_100),
            "receiving 34.5 of 80.0 MB, 21.0 MB/s, 2 s left",
        ),
        (
            ProgressEvent(1, "m.f", "receiving", 9, 3, None, 34_500_000, 80_000_000, 0, 21e6, 2.2),
            "receiving 34.5 of 80.0 MB, 21.0 MB/s, 2 s left",
        ),
        (ProgressEvent(1, "m.f", "sending", 9, 3, None, 10, 900), "sending 10 of 900 B"),
        (ProgressEvent(1, "m.f", "streaming", 9, 3, items=1), "1 item, 9 s"),
        (ProgressEvent(1, "m.f", "streaming", 9, 3, items=1234, rate=50.2), "1 234 items, 50/s"),
        (ProgressEvent(1, "m.f", "working", 9, 3), "9 s"),
    ],
)
def test_it_is_said_in_plain_words(event: ProgressEvent, text: str) -> None:
    assert phrase(event) == text


def test_objects_and_chains_have_names_for_people() -> None:
    def name(path: str) -> str:
        return Track(1, running(1, path), 0.0).event(0.0).path

    assert name(f"@{'0a' * 16}.head") == "object.head"
    assert name("@m.frame!head!.shape") == "m.frame.head.shape"


def test_lines_are_cut_to_the_terminal_and_obeyed_by_none() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdef", 5) == "abcd…"
    assert cut("行情数据", 5) == "行情…"
    assert cut("a\x1b[2Jb", 9) == "a?[2Jb"


def test_it_is_off_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_watch() is None
    assert find_watch(False) is None
    assert find_watch(True) is not None
    monkeypatch.setenv("KSRPC_PROGRESS", "1")
    assert find_watch() is find_watch(True)
    assert find_watch(False) is None
    monkeypatch.setenv("KSRPC_PROGRESS", "0")
    assert find_watch() is None
    assert find_watch(True) is not None
    assert find_watch(print) is not None


def test_what_shows_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="a function, not str"):
        find_watch("bar")  # type: ignore[arg-type]
    monkeypatch.setenv("KSRPC_PROGRESS", "yes please")
    with pytest.raises(ConfigError, match="KSRPC_PROGRESS is 0"):
        find_watch()


def test_a_request_tells_what_it_calls() -> None:
    scene = Scene()
    trails = Trails(scene.ticker)
    with trails.opened("/api/file?func=m.f&async_remote=false", State.WAITING):
        assert [sight.path for sight in trails.look()] == ["m.f"]
    assert trails.look() == []
