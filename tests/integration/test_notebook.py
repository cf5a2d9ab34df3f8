"""A real Jupyter kernel runs sync and async cells; its stop button cancels a call and leaves the connection usable."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.kernel import Cell, Kernel
from tests.helpers.process import is_running
from tests.helpers.server import GatewayProcess, clean_environment

pytestmark = pytest.mark.leaves("sessions_connected", "tasks")  # the kernel is a program that goes on
MODULE = """
import asyncio, os, time

def _note(log, word):
    with open(log, "a") as file:
        file.write(word + "\\n")

def work(log, seconds):
    _note(log, f"began {os.getpid()}")
    time.sleep(seconds)
    _note(log, "done")
    return seconds

async def async_work(log, seconds):
    _note(log, f"began {os.getpid()}")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        _note(log, "cancelled")
        raise
    _note(log, "done")
    return seconds
"""
CONFIG = """
[server]
port = 0
[call]
enabled = true
place = "open"
processes = 1
timeout_s = 60
[access]
anonymous = true
allow = ["office", "math", "demo"]
[module.office]
path = "office.py"
arguments = "any"
"""
CELLS = [
    "import ksrpc\nimport asyncio",
    "gw = ksrpc.connect(URL)\nmath = gw.module('math')\noffice = gw.module('office')",
    "agw = await ksrpc.aconnect(URL)\naoffice = agw.module('office')",
]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("office")
    (folder / "office.py").write_text(MODULE)
    with GatewayProcess(folder, CONFIG) as process:
        yield process


@pytest.fixture(scope="module")
def kernel(office: GatewayProcess, transport: str) -> Iterator[Kernel]:
    """Start a kernel with a blocking and an awaited gateway in it, as first cells of a notebook make them."""
    with Kernel(clean_environment()) as started:
        url = office.ws_url if transport == "websocket" else office.url
        for code in (f"URL = {url!r}", *CELLS):
            assert started.run(code) == Cell("ok", "", "", "", [])
        yield started


def interrupting(kernel: Kernel, log: Path) -> Callable[[], bool]:
    """Press the stop button as soon as the call runs on the server."""

    def press() -> bool:
        if not (log.exists() and "began" in log.read_text()):
            return False
        kernel.interrupt()
        return True

    return press


def is_over(log: Path) -> bool:
    """Tell whether the call was told to stop, or its process is ended, as one is whose library cannot be told."""
    text = log.read_text()
    return "cancelled" in text or not is_running(int(text.split()[1]))


def wait_for(condition: Callable[[], bool], within_s: float = 20.0) -> bool:
    """Look again and again until it is true, or the time is over."""
    tick, left = threading.Event(), int(within_s / 0.05)
    while not condition() and left:
        tick.wait(0.05)
        left -= 1
    return condition()


def test_sync_and_async_cells(kernel: Kernel) -> None:
    assert kernel.run("math.pow(2, 3)").value == "8.0"
    assert kernel.run("await agw.call('math.pow', 2, 4)").value == "16.0"
    cell = kernel.run("await asyncio.gather(*(agw.module('demo').echo(n) for n in range(20)))")
    assert cell.value == str(list(range(20)))
    assert kernel.run("math.pow(2, 5), await agw.module('math').sqrt(9)").value == "(32.0, 3.0)"


def test_a_remote_error_is_one_of_the_cell(kernel: Kernel) -> None:
    assert kernel.run("gw.call('demo.div', 1, 0)").error == "ZeroDivisionError"
    assert kernel.run("await agw.call('demo.div', 1, 0)").error == "ZeroDivisionError"
    assert kernel.run("math.pow(2, 3)").value == "8.0"


@pytest.mark.parametrize("remote", ["work", "async_work"])
@pytest.mark.parametrize("local", ["office", "await aoffice"])
def test_the_stop_button(kernel: Kernel, tmp_path: Path, local: str, remote: str) -> None:
    log = tmp_path / "log"
    cell = kernel.run(f"{local}.{remote}({str(log)!r}, 50)", meanwhile=interrupting(kernel, log))
    assert cell.status == "error"
    assert cell.error in ("KeyboardInterrupt", "CancelledError")
    assert kernel.run("math.pow(2, 3)").value == "8.0"
    assert kernel.run("await agw.call('math.pow', 2, 4)").value == "16.0"
    assert wait_for(lambda: is_over(log))
    assert "done" not in log.read_text()


def test_a_background_task_goes_on_between_cells(kernel: Kernel, tmp_path: Path) -> None:
    log = tmp_path / "log"
    kernel.run(f"task = asyncio.ensure_future(aoffice.async_work({str(log)!r}, 0.2))")
    assert kernel.run("math.pow(2, 3)").value == "8.0"
    assert kernel.run("await task").value == "0.2"


def test_the_tab_key_knows_the_remote_module(kernel: Kernel) -> None:
    assert {"math.sin", "math.sinh"} <= {f"math.{found.rpartition('.')[2]}" for found in kernel.complete("math.si")}
    assert "office.work" in {f"office.{found.rpartition('.')[2]}" for found in kernel.complete("office.w")}
    assert [found for found in kernel.complete("aoffice.async_w") if found.endswith("async_work")]


def test_a_long_call_shows_that_it_runs(kernel: Kernel, tmp_path: Path) -> None:
    cell = kernel.run(f"office.work({str(tmp_path / 'log')!r}, 4)")
    assert cell.value == "4"
    assert cell.shown or cell.text


def test_progress_can_be_switched_off(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("import os\nos.environ['KSRPC_PROGRESS'] = '0'\nquiet = ksrpc.connect(URL).module('office')")
    try:
        assert kernel.run(f"quiet.work({str(tmp_path / 'log')!r}, 4)") == Cell("ok", "", "4", "", [])
    finally:
        kernel.run("del os.environ['KSRPC_PROGRESS'], quiet")


@pytest.mark.leaves("sessions_waiting")  # for half a minute: a kernel that is killed says no good-bye
def test_a_kernel_that_ends_in_the_middle_of_a_call_leaves_none_on_the_server(
    office: GatewayProcess, tmp_path: Path, transport: str
) -> None:
    log = tmp_path / "log"
    url = office.ws_url if transport == "websocket" else office.url

    def die() -> bool:
        if not (log.exists() and "began" in log.read_text()):
            return False
        raise InterruptedError

    with Kernel(clean_environment()) as kernel, pytest.raises(InterruptedError):
        kernel.run(f"import ksrpc; ksrpc.connect({url!r}).call('office.async_work', {str(log)!r}, 50)", meanwhile=die)
    assert wait_for(lambda: is_over(log), within_s=60)


def test_the_kernel_is_a_process_of_its_own(kernel: Kernel) -> None:
    assert kernel.run("import os; os.getpid()").value != str(os.getpid())
