"""Serve real libraries over a real data set, call them, and show what is safe: `make demo`.

Starts a gateway of its own in a temporary folder on a free port, and stops it at the end. Every line that is printed
was checked; the exit status is 1 if one was not as it claims.
"""

from __future__ import annotations

import io
import os
import queue
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import arch.data.sp500
    import numpy as np
    import pandas as pd
    from rich.console import Console
    from rich.text import Text

    import ksrpc
    from ksrpc.errors import DeadlineError, ForbiddenError, KsrpcError, LostError, NotFoundError, QuotaError
except ImportError as error:
    sys.exit(f"{error}; `make demo` installs what the demo needs and runs it")

CONFIG = f"""
[server]
port = 0

[call]
enabled = true

[access]
anonymous = true
allow = ["demo", "math", "numpy", "pandas", "arch.data.sp500", "flawed"]

[quota."demo.test"]
rows_per_day = 10

[module.flawed]
path = '{Path(__file__).with_name("flawed.py")}'
"""
READY = "ksrpc ready: "
START_S = 60
NAME_WIDTH = 17
INDENT = NAME_WIDTH + 4
LINE_WIDTH = 100

console = Console(highlight=False, width=None if sys.stdout.isatty() else LINE_WIDTH)


class ClaimError(Exception):
    """Say what was not as the demo claims."""


def claim(holds: bool, text: str) -> None:
    """Stop this part of the demo if a claim does not hold."""
    if not holds:
        raise ClaimError(text)


def say(name: str, text: str, remark: str = "", *, mark: str = "✓") -> None:
    """Print a mark, what is shown, what was called, and what came of it: below if the line would be too long."""
    line = Text.assemble((f" {mark} ", "green" if mark == "✓" else "red"), (f"{name:<{NAME_WIDTH}} ", "bold"), text)
    is_short = line.cell_len + len(remark) < LINE_WIDTH
    if remark and is_short:
        line.append("  " + remark, style="cyan")
    console.print(line, soft_wrap=True)
    if not is_short:
        width = max(60, min(console.width, LINE_WIDTH) - INDENT)
        detail(textwrap.fill(remark, width), "cyan")


def detail(text: str, style: str = "dim") -> None:
    """Print lines below the last one, under its text."""
    for line in text.splitlines():
        console.print(Text(" " * INDENT + line, style=style), soft_wrap=True)


def seconds(duration_s: float) -> str:
    """Show a duration with three digits and its unit."""
    unit, scale = ("s", 1) if duration_s >= 1 else ("ms", 1e3) if duration_s >= 1e-3 else ("µs", 1e6)
    return f"{duration_s * scale:.3g} {unit}"


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call gives and how long it took [s]."""
    start = time.perf_counter()
    return call(), time.perf_counter() - start


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a gateway in a process of its own; give its address and the process."""
    (folder / "ksrpc.toml").write_text(CONFIG, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "ksrpc", "serve"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield wait_ready(process), process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_ready(process: subprocess.Popen[str]) -> str:
    """Return the address of the ready line, reading on so that the gateway never waits for us."""
    found: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        printed = []
        for line in process.stdout or ():
            printed.append(line)
            if line.startswith(READY):
                found.put(line.removeprefix(READY).strip())
        found.put("".join(printed[-5:]))

    threading.Thread(target=read, daemon=True).start()
    try:
        answer = found.get(timeout=START_S)
    except queue.Empty:
        answer = ""
    claim(answer.startswith("http://"), f"the gateway did not start: {answer.strip() or 'it said nothing'}")
    return answer


class Demo:
    """Show one thing a method, on one gateway, over HTTP and WebSocket."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.process = process
        self.http = ksrpc.connect(url)
        self.socket = ksrpc.connect(url.replace("http", "ws", 1))

    def parts(self) -> list[tuple[str, Callable[[], None]]]:
        """List what is shown, in order."""
        return [
            ("first call", self.first_call),
            ("daily bars", self.daily_bars),
            ("numpy, pandas", self.toolkits),
            ("80 MB, HTTP", lambda: self.large_frame("80 MB, HTTP", self.http)),
            ("80 MB, WebSocket", lambda: self.large_frame("80 MB, WebSocket", self.socket)),
            ("16 threads", self.many_threads),
            ("library's error", self.library_error),
            ("asked once", self.asked_once),
            ("quota", self.quota),
            ("refused", self.refused),
            ("unknown", self.unknown),
            ("crash", self.crash),
            ("endless loop", self.endless_loop),
            ("curl", self.curl),
        ]

    def first_call(self) -> None:
        """Call a function as if its module were here."""
        math = self.http.module("math")
        value, first_s = timed(lambda: math.pow(2, 3))
        claim(value == 8.0, f"math.pow(2, 3) gave {value!r}")
        claim(math.pi() == 3.141592653589793, "math.pi() is another number")
        socket_math = self.socket.module("math")
        warm_s = statistics.median(timed(lambda: socket_math.pow(2, 3))[1] for _ in range(200))
        say(
            "first call",
            "math.pow(2, 3) → 8.0",
            f"{seconds(first_s)} with the start of its worker process, then {seconds(warm_s)}",
        )

    def daily_bars(self) -> None:
        """Fetch real data that a real, unmodified library gives."""
        bars, took_s = timed(self.http.module("arch.data.sp500").load)
        local = arch.data.sp500.load()
        pd.testing.assert_frame_equal(bars, local, check_exact=True, check_freq=True)
        span = f"{bars.index[0]:%Y-%m-%d} … {bars.index[-1]:%Y-%m-%d}"
        say(
            "daily bars",
            f"arch.data.sp500.load() → {bars.shape[0]:,} × {bars.shape[1]}, {span}",
            f"equal to the local frame in values, dtypes and index; {seconds(took_s)} with its import",
        )
        detail(bars.head(3).round(2).reset_index().to_string(index=False))

    def toolkits(self) -> None:
        """Let remote numpy and pandas work on data that is sent to them."""
        rng = np.random.default_rng(1)
        a, b = rng.normal(size=(200, 200)), rng.normal(size=200)
        solved = self.socket.module("numpy").linalg.solve(a, b)
        claim(np.array_equal(solved, np.linalg.solve(a, b)), "numpy.linalg.solve differs")
        close = arch.data.sp500.load()["Close"]
        change = self.socket.module("pandas").Series.pct_change(close)
        pd.testing.assert_series_equal(change, close.pct_change(), check_exact=True)
        say("numpy, pandas", "numpy.linalg.solve(a, b), pandas.Series.pct_change(close)", "equal to the local results")

    def large_frame(self, name: str, gateway: ksrpc.RemoteGateway) -> None:
        """Move 80 MB, and look at every number of them."""
        demo = gateway.module("demo")
        expected = np.arange(10_000_000, dtype="float64").reshape(1_000_000, 10)
        best_s = float("inf")
        for _ in range(3):
            frame, took_s = timed(lambda: demo.frame(1_000_000))
            claim(np.array_equal(frame.to_numpy(), expected), "the frame differs")
            best_s = min(best_s, took_s)
        rate = expected.nbytes / best_s / 1e6
        say(name, f"demo.frame(1_000_000) → {frame.shape[0]:,} × {frame.shape[1]}", f"{rate:,.0f} MB/s")

    def many_threads(self) -> None:
        """Use one connection from many threads, and match each answer with its question."""
        demo = self.socket.module("demo")

        def ask(number: int) -> bool:
            return all(demo.echo([number, turn]) == [number, turn] for turn in range(100))

        with ThreadPoolExecutor(16) as threads:
            right, took_s = timed(lambda: all(threads.map(ask, range(16))))
        claim(right, "an answer came to the wrong question")
        say("16 threads", "1,600 calls on one WebSocket, each answer to its question", f"{1600 / took_s:,.0f} calls/s")

    def library_error(self) -> None:
        """Get a library's exception as the builtin that it is."""
        try:
            self.http.module("demo").div(1, 0)
        except ZeroDivisionError as error:
            say("library's error", "demo.div(1, 0)", f"except ZeroDivisionError: {error}")
        else:
            raise ClaimError("demo.div(1, 0) raised nothing")

    def asked_once(self) -> None:
        """Let the second who asks have the kept answer, over the other transport."""
        first, second = self.http.module("demo"), self.socket.module("demo")
        first.cache_expire = second.cache_expire = 3600
        _, asked_s = timed(lambda: first.sleep(1))
        _, kept_s = timed(lambda: second.sleep(seconds=1))
        claim(kept_s < 0.5, "the library was asked again")
        say("asked once", "demo.sleep(1), then sleep(seconds=1)", f"{seconds(asked_s)}, then {seconds(kept_s)}: kept")

    def quota(self) -> None:
        """Stop whoever has had the rows of the day."""
        demo, rows = self.http.module("demo"), 0
        try:
            for _ in range(100):
                rows += len(demo.test())
        except QuotaError as error:
            say("quota", f"demo.test() over and over, {rows} rows", f"{error.status}: {error}")
        else:
            raise ClaimError(f"{rows} rows were given")

    def refused(self) -> None:
        """Try the ways out of an open module."""
        module, path = self.http.module("numpy"), self.socket
        say("refused", "numpy.f2py.os.system('id')", self.refusal(lambda: module.f2py.os.system("id")))
        say("", "pandas.read_pickle('x.pkl')", self.refusal(lambda: path.call("pandas.read_pickle", "x.pkl")))

    def refusal(self, call: Callable[[], Any]) -> str:
        """Return the text with which a call is refused."""
        try:
            call()
        except ForbiddenError as error:
            claim(bool(error.gate and error.rule), "the refusal names no rule")
            return f"{error.status}: {error}"
        raise ClaimError("this was not refused")

    def unknown(self) -> None:
        """See that a module that is not for us looks like one that does not exist."""
        texts = set()
        for path in ("os.getcwd", "no_such_module.function"):
            try:
                self.http.call(path)
            except NotFoundError as error:
                texts.add(f"{error.status}: {error}")
            else:
                raise ClaimError(f"{path} was called")
        claim(len(texts) == 1, f"two texts: {texts}")
        say("not for you", "os.getcwd(), no_such_module.function()", texts.pop())

    def crash(self) -> None:
        """Let the library die while other calls of it run."""
        flawed = self.socket.module("flawed")
        with ThreadPoolExecutor(2) as threads:
            others = [threads.submit(flawed.work, 1.0) for _ in range(2)]
            try:
                flawed.crash()
            except LostError as error:
                text, maybe_ran = str(error), error.maybe_ran
            else:
                raise ClaimError("the crash went unnoticed")
            claim(maybe_ran is True, "a call that was running may have run")
            claim([other.result(30) for other in others] == [1.0, 1.0], "another call suffered")
        claim(self.process.poll() is None, "the gateway is gone")
        claim(flawed.work(0.0) == 0.0, "the next call failed")
        say("crash", "flawed.crash()", text)
        detail("2 other calls of the same module went on, the next one works, the gateway lives", "cyan")

    def endless_loop(self) -> None:
        """End what does not end by itself."""
        try:
            self.socket.call("flawed.spin", timeout_s=1.0)
        except DeadlineError as error:
            say("endless loop", 'gw.call("flawed.spin", timeout_s=1)', str(error))
        else:
            raise ClaimError("the endless loop came to an end")

    def curl(self) -> None:
        """Make the same calls without Python."""
        power = self.fetch("math.pow", "-H", "Content-Type: application/json", "-d", '{"args": [2, 3]}')
        claim(power == "8.0", f"math.pow gave {power!r}")
        bars = self.fetch("arch.data.sp500.load").splitlines()
        local = arch.data.sp500.load()
        claim(len(bars) == len(local) + 1, f"{len(bars)} lines")
        claim(float(bars[1].split(",")[1]) == local["Open"].iloc[0], "another first row")
        shown = [line[:68] + " …" * (len(line) > 68) for line in bars[:3]]
        detail("\n".join([*shown, f"… {len(bars) - 3:,} more lines"]))

    def fetch(self, function: str, *options: str) -> str:
        """Run curl, or do what it would; print the command line, and a short answer."""
        url, program = f"{self.url}/v1/call/{function}", shutil.which("curl")
        if program:
            command = [program, "-sS", url, *options]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            claim(done.returncode == 0, f"curl: {done.stderr.strip()}")
            answer = done.stdout
        else:
            answer = fetch_without_curl(url, options)
        say("curl" if program else "urllib (no curl)", f"curl -s {url}" + (" \\" if options else ""))
        detail("     " + shlex.join(options) if options else "", style="default")
        detail("" if "\n" in answer else answer, "cyan")
        return answer


def fetch_without_curl(url: str, options: tuple[str, ...]) -> str:
    """Send the request that curl would send."""
    data = options[options.index("-d") + 1].encode() if "-d" in options else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return str(reply.read().decode())


def run(demo: Demo) -> int:
    """Show every part; return how many were not as claimed."""
    failed = 0
    for name, show in demo.parts():
        try:
            show()
        except (ClaimError, KsrpcError, AssertionError, OSError, ValueError) as error:
            failed += 1
            say(name, " ".join(f"{type(error).__name__}: {error}".split())[:400], mark="✗")
    return failed


def clear_environment() -> None:
    """Leave out what would change the demo: tokens and addresses of other gateways, proxies on the way to ours."""
    for key in [key for key in os.environ if key.startswith("KSRPC")]:
        del os.environ[key]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


def main() -> int:
    """Run the demo; return its exit status."""
    start = time.perf_counter()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ shows ?
    clear_environment()
    console.print(Text(f"\nksrpc {ksrpc.__version__}: any Python library of one machine, called from anywhere\n"))
    with tempfile.TemporaryDirectory(prefix="ksrpc-demo-") as folder:
        try:
            with serving(Path(folder)) as (url, process):
                say("gateway", url, f"ready after {seconds(time.perf_counter() - start)}")
                failed = run(Demo(url, process))
        except ClaimError as error:
            say("gateway", str(error), mark="✗")
            failed = 1
    took = seconds(time.perf_counter() - start)
    console.print(
        f"\n{failed} not as claimed\n" if failed else f"\nAll as claimed, in {took}. The gateway is stopped.\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
