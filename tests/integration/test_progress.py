"""What is seen of calls that last: on a terminal, in a pipe, by a function; and what Ctrl-C does to them."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ksrpc
from ksrpc.client.display.event import ProgressEvent
from ksrpc.client.progress import follow
from ksrpc.connections.base import Connection, Options
from tests.helpers import launch
from tests.helpers.awaited import LOOP, Awaited
from tests.helpers.chaos import throttled
from tests.helpers.kernel import Cell, Kernel
from tests.helpers.server import GatewayProcess, clean_environment
from tests.helpers.terminal import CTRL_C, Shown, run_on_terminal
from tests.integration.conftest import connection_to

CONFIG = """
[server]
port = 0
[call]
enabled = true
place = "open"
timeout_s = 90
[access]
anonymous = true
allow = ["slow", "math"]
[module.slow]
path = "slow.py"
processes = 1
arguments = "any"
"""

MODULE = '''
"""Functions that take their time."""
import pathlib, threading
import numpy as np

def nap(seconds, began=None):
    """Wait; make a file when it begins."""
    if began:
        pathlib.Path(began).touch()
    threading.Event().wait(seconds)
    return seconds

def hello():
    return "hello"

def block(nbytes):
    return np.random.default_rng(1).integers(0, 256, nbytes, dtype="uint8")

def weigh(data):
    return data.nbytes

def count(n, seconds):
    for i in range(n):
        threading.Event().wait(seconds)
        yield i
'''

#: What a program needs to call in each way; `wait` prints a word when a file is there.
PRELUDE = f"""
import os, sys, threading
from {LOOP} import run
import numpy as np
import ksrpc
way, url = sys.argv[1:3]
address = "ws" + url.removeprefix("http") if "websocket" in way else url
def make(**options):
    return (ksrpc.aconnect if "awaited" in way else ksrpc.connect)(address, **options)
def call(*args):
    return run(gw.call(*args)) if "awaited" in way else gw.call(*args)
def tell(path):
    def look():
        while not os.path.exists(path):
            threading.Event().wait(0.02)
        print("begun")
    threading.Thread(target=look, daemon=True).start()
"""
LOGGED = r"ksrpc: slow\.nap: running \d s\n"
LINE = re.compile(r"\x1b\[36m[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]\x1b\[0m ([^\r\x1b]*)")


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("slow")
    (folder / "slow.py").write_text(MODULE)
    with GatewayProcess(folder, CONFIG) as gateway:
        yield gateway


def play(program: str, way: str, url: str, folder: Path, *, typed: Any = None, **env: str) -> Shown:
    """Run a program on a terminal."""
    script = folder / "program.py"
    script.write_text(PRELUDE + program)
    command = [sys.executable, str(script), way, url]
    return run_on_terminal(command, cwd=folder, env=clean_environment() | env, typed=typed or [])


def pipe(program: str, url: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program of which nobody sees a terminal."""
    script = folder / "program.py"
    script.write_text(PRELUDE + program)
    command = [sys.executable, str(script), "websocket", url]
    env = clean_environment() | env
    return launch.run(command, env=env)


def in_order(text: str, *parts: str) -> bool:
    """Tell whether parts stand in a text one after the other."""
    return re.search(".*?".join(map(re.escape, parts)), text, re.DOTALL) is not None


NAP = 'gw = make()\nprint("before")\nprint(call("slow.nap", 2.5))\nprint("after")\n'


def test_a_call_that_lasts_is_shown_and_leaves_nothing(slow: GatewayProcess, way: str, tmp_path: Path) -> None:
    shown = play(NAP, way, slow.url, tmp_path)
    state = "running" if "websocket" in way else "waiting"
    assert {f"slow.nap  {state} 1 s", f"slow.nap  {state} 2 s"} <= set(LINE.findall(shown.text))
    assert shown.screen.split() == ["before", "2.5", "after"]
    assert shown.status == 0


@pytest.mark.parametrize(
    ("program", "env"),
    [
        (NAP, {"KSRPC_PROGRESS": "0"}),
        (NAP.replace("make()", "make(progress=False)"), {}),
        (NAP.replace("make()", "make(progress=False)"), {"KSRPC_PROGRESS": "1"}),
    ],
    ids=["variable", "argument", "argument before variable"],
)
def test_it_can_be_switched_off(program: str, env: dict[str, str], slow: GatewayProcess, tmp_path: Path) -> None:
    shown = play(program, "websocket", slow.url, tmp_path, **env)
    assert "\x1b" not in shown.text
    assert shown.text.split() == ["before", "2.5", "after"]


def test_a_pipe_gets_nothing_but_what_was_asked_for(slow: GatewayProcess, tmp_path: Path) -> None:
    assert pipe(NAP, slow.url, tmp_path).stderr == ""
    assert re.fullmatch(LOGGED, pipe(NAP, slow.url, tmp_path, KSRPC_PROGRESS="1").stderr)
    asked = pipe(NAP.replace("make()", "make(progress=True)"), slow.url, tmp_path)
    assert re.fullmatch(LOGGED, asked.stderr)
    wrong = pipe(NAP, slow.url, tmp_path, KSRPC_PROGRESS="maybe")
    assert "ConfigError: KSRPC_PROGRESS is 0 (show nothing) or 1 (show in any case), not 'maybe'" in wrong.stderr


def test_a_terminal_that_can_do_nothing_gets_nothing(slow: GatewayProcess, tmp_path: Path) -> None:
    assert play(NAP, "websocket", slow.url, tmp_path, TERM="dumb").text.split() == ["before", "2.5", "after"]


QUEUE = """
gw = make()
threads = [threading.Thread(target=call, args=("slow.nap", 1.0)) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("over")
"""


@pytest.mark.parametrize("way", ["websocket", "websocket awaited"], indirect=True)
def test_the_place_in_the_queue_counts_down(slow: GatewayProcess, way: str, tmp_path: Path) -> None:
    shown = play(QUEUE, way, slow.url, tmp_path)
    assert in_order(shown.text, "queued, 3rd", "queued, 2nd", "queued, next", "running")
    assert shown.screen.split() == ["over"]


def test_more_calls_than_lines_are_counted(slow: GatewayProcess, tmp_path: Path) -> None:
    shown = play(QUEUE.replace("range(4)", "range(9)").replace("1.0", "0.4"), "websocket", slow.url, tmp_path)
    assert re.search(r"\+ [2-4] more", shown.text)


def test_what_comes_is_shown_with_rate_and_rest(slow: GatewayProcess, way: str, tmp_path: Path) -> None:
    with throttled(slow.port, bytes_s=30_000_000) as port:
        program = 'gw = make()\nprint(len(call("slow.block", 80_000_000)))\n'
        shown = play(program, way, f"http://127.0.0.1:{port}", tmp_path)
    assert re.search(r"slow\.block .*━.*  receiving [\d.]+ of 80\.0 MB, [\d.]+ MB/s, \d+ s left", shown.text)
    done = [float(number) for number in re.findall(r"receiving ([\d.]+) of 80\.0 MB", shown.text)]
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert shown.screen.split() == ["80000000"]


@pytest.mark.leaves("sessions_waiting")  # the slow network goes with what it has not passed on, a good-bye perhaps
def test_what_goes_is_shown_with_rate_and_rest(slow: GatewayProcess, way: str, tmp_path: Path) -> None:
    with throttled(slow.port, bytes_s=20_000_000) as port:
        program = 'data = np.random.default_rng(1).integers(0, 256, 60_000_000, dtype="uint8")\n'
        program += 'gw = make()\nprint(call("slow.weigh", data))\n'
        shown = play(program, way, f"http://127.0.0.1:{port}", tmp_path)
    assert re.search(r"slow\.weigh .*━.*  sending [\d.]+ of 60\.0 MB, [\d.]+ MB/s, \d+ s left", shown.text)
    assert shown.screen.split() == ["60000000"]


STREAM = """
gw = make()
if "awaited" in way:
    async def main():
        async for item in await gw.call("slow.count", 3, 1.2): print("item", item)
    run(main())
else:
    for item in gw.call("slow.count", 3, 1.2): print("item", item)
"""


def test_a_slow_stream_is_shown_between_its_items(slow: GatewayProcess, way: str, tmp_path: Path) -> None:
    shown = play(STREAM, way, slow.url, tmp_path)
    assert in_order(shown.text, "slow.count", "item 0", "slow.count  1 item", "item 1", "slow.count  2 items", "item 2")
    assert shown.screen == "item 0\nitem 1\nitem 2\n"


def test_what_others_print_stands_where_it_belongs(slow: GatewayProcess, tmp_path: Path) -> None:
    program = f"""
gw = make()
began = {str(tmp_path / "began")!r}
tell(began)
print("> ", end="", flush=True)
call("slow.nap", 2.0, began)
print("after")
"""
    shown = play(program, "websocket", slow.url, tmp_path)
    assert "slow.nap  running" in shown.text
    assert shown.screen == "> begun\nafter\n"


INTERRUPTED = """
gw = make()
began = sys.argv[0] + ".began"
tell(began)
try:
    call("slow.nap", 80, began)
except KeyboardInterrupt:
    print("interrupted")
print(call("slow.hello"))
"""


def test_ctrl_c_ends_the_call_there_and_the_next_one_goes_on(slow: GatewayProcess, way: str, tmp_path: Path) -> None:
    """The module has one process: it answers within the time only if the call in it was ended."""
    typed = [("begun", ""), ("slow.nap", CTRL_C)]
    shown = play(INTERRUPTED, way, slow.url, tmp_path, typed=typed)
    assert shown.screen.replace("^C", "").split() == ["begun", "interrupted", "hello"]
    assert shown.status == 0


def test_the_command_line_shows_its_calls_too(slow: GatewayProcess, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ksrpc", "call", "slow.nap", ":=2", "--url", slow.url]
    shown = run_on_terminal(command, cwd=tmp_path, env=clean_environment())
    assert "slow.nap  waiting 1 s" in shown.text
    assert shown.screen.split() == ["2"]


class Told:
    """Keep what a function is told."""

    def __init__(self) -> None:
        self.events: list[ProgressEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: ProgressEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, is_there: Callable[[ProgressEvent], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(is_there, self.events)), 30), self.events


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def followed(slow: GatewayProcess, way: str, told: Told) -> Iterator[Connection]:
    made = connection_to(slow, way)
    follow(made._inner if isinstance(made, Awaited) else made, told)
    with made:
        yield made
    if isinstance(made, Awaited):
        made.stop()


def test_a_function_is_told(followed: Connection, told: Told, way: str) -> None:
    began = time.monotonic()
    assert followed.call("math.pow", (2, 3), {}, Options()) == 8.0
    quick_s = time.monotonic() - began
    assert followed.call("slow.nap", (1.5,), {}, Options()) == 1.5
    took_s = time.monotonic() - began
    state = "running" if "websocket" in way else "waiting"
    assert [event.state for event in told.events[-2:]] == [state, "done"]
    naps = [event for event in told.events if event.path == "slow.nap"]
    assert {event.call for event in naps} == {naps[-1].call}
    assert naps == told.events or quick_s > 0.5, "a call is told of only if it takes its time"
    spans = [event.elapsed_s for event in naps]
    assert spans == sorted(spans)
    assert 0.5 < spans[0] <= spans[-1] <= took_s


def test_a_function_is_told_of_streams_and_their_end(followed: Connection, told: Told) -> None:
    assert list(followed.call("slow.count", (40, 0.05), {}, Options())) == list(range(40))
    told.wait_for(lambda event: event.state == "done")
    counts = [event.items for event in told.events if event.state == "streaming"]
    assert counts == sorted(counts)
    assert 0 < counts[0] < counts[-1] <= 40
    assert max(event.rate for event in told.events) > 5


def test_a_failing_call_is_over_as_well(followed: Connection, told: Told) -> None:
    with pytest.raises(TypeError):
        followed.call("slow.nap", (1.5, 5), {}, Options())
    with pytest.raises(TimeoutError):
        followed.call("slow.nap", (60,), {}, Options(timeout_s=1.5))
    assert [event.state for event in told.events][-1:] == ["done"]


def test_a_function_that_fails_harms_no_call(slow: GatewayProcess, caplog: pytest.LogCaptureFixture) -> None:
    counts = []

    def fail(event: ProgressEvent) -> None:
        counts.append(event.call)
        raise ValueError("my own bug")

    with caplog.at_level(logging.ERROR), ksrpc.connect(slow.ws_url, progress=fail) as gw:
        assert gw.call("slow.nap", 1.5) == 1.5
    assert len(counts) == 1
    assert "progress=" in caplog.text


def test_the_child_of_a_fork_shows_its_own(slow: GatewayProcess, tmp_path: Path) -> None:
    program = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on a fork beside threads warns
gw = make()
call("slow.nap", 1.2)
child = os.fork()
print(call("slow.nap", 1.2 if child else 1.4))
if child:
    os.waitpid(child, 0)
"""
    shown = play(program, "websocket", slow.url, tmp_path)
    assert sorted(shown.screen.split()) == ["1.2", "1.4"]
    assert shown.text.count("slow.nap") > 6


def test_nothing_is_loaded_where_nothing_is_shown(tmp_path: Path) -> None:
    program = 'gw = make()\nprint([name for name in sys.modules if "display" in name or name in ("rich", "IPython")])'
    # Not by pipe(): what it starts has modules that a new interpreter has not.
    command = [sys.executable, "-c", PRELUDE + program, "websocket", "http://127.0.0.1:1"]
    assert subprocess.check_output(command, cwd=tmp_path, env=clean_environment(), text=True) == "[]\n"


def test_nobody_looks_where_nobody_sees(slow: GatewayProcess, way: str) -> None:
    made: Any = connection_to(slow, way)
    with made:
        inner = follow(made._inner if isinstance(made, Awaited) else made)
        assert inner.watch is None, os.environ
        assert made.call("slow.hello", (), {}, Options()) == "hello"
    if isinstance(made, Awaited):
        made.stop()


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel(clean_environment()) as started:
        yield started


@pytest.mark.leaves("sessions_connected", "tasks")  # the kernel is a program that goes on
def test_a_notebook_shows_calls_in_one_output_that_is_empty_in_the_end(
    slow: GatewayProcess, way: str, kernel: Kernel
) -> None:
    address = slow.ws_url if "websocket" in way else slow.url
    make, wait = ("ksrpc.aconnect", "await ") if "awaited" in way else ("ksrpc.connect", "")
    kernel.run(f"import ksrpc; gw = {make}({address!r}); print('made')")
    assert kernel.run(f"{wait}gw.call('slow.hello')") == Cell("ok", "", "'hello'", "", [])
    cell = kernel.run(f"{wait}gw.call('slow.nap', 2.0)")
    texts = [data["text/plain"] for data in cell.shown]
    state = "running" if "websocket" in way else "waiting"
    assert (cell.status, cell.text, cell.value) == ("ok", "", "2.0")
    assert f"slow.nap  {state} 1 s" in texts
    assert f"<div>slow.nap {state} 1 s</div>" in cell.shown[0]["text/html"]
    assert cell.shown[-1] == {"text/plain": "", "text/html": ""}
