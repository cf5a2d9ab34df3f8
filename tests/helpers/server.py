"""Run a real gateway for a test: `python -m ksrpc serve` in a directory of its own, on a port of its own."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from tests.helpers import launch
from tests.helpers.launch import ROOT, clean_environment
from tests.helpers.process import child_pids, is_running, rss_anon_bytes

READY = "ksrpc ready: "

#: What most tests want: a loopback server on a free port that answers anybody, for `demo` and `math`.
OPEN_CONFIG = """
[server]
port = 0
[call]
enabled = true
[access]
anonymous = true
allow = ["demo", "math"]
"""

__all__ = ["OPEN_CONFIG", "ROOT", "GatewayProcess", "StartError", "clean_environment"]


class StartError(RuntimeError):
    """The server ended, or stayed silent, before its ready line; the text holds its output."""


class GatewayProcess:
    """Start a gateway, wait for its ready line, stop it at the end: `with GatewayProcess(tmp_path) as gw:`.

    Attributes:
        folder: Its current directory; holds ksrpc.toml and everything it writes.
        url: "http://127.0.0.1:PORT", once it is ready.
        arguments: What follows `python -m ksrpc`.
        running: All that run now, of this process.
    """

    running: ClassVar[set[GatewayProcess]] = set()

    def __init__(
        self,
        folder: Path,
        config: str | None = OPEN_CONFIG,
        *,
        arguments: Sequence[str] = ("serve",),
        python: Sequence[str] = (sys.executable,),
        env: Mapping[str, str] | None = None,
        ready_within_s: float = 60.0,
    ) -> None:
        self.folder = folder
        self.arguments = list(arguments)
        self.url = ""
        self._config = config
        self._python = list(python)
        self._env = {**clean_environment(), **(env or {})}
        self._is_usual = not env and self._python == [sys.executable]
        self._ready_within_s = ready_within_s
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._printed = threading.Condition()
        self._ready: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None and self.log:
            error.add_note(f"output of the gateway:\n{self.log}")

    def start(self) -> None:
        """Start the process and wait for its ready line.

        Raises:
            StartError: It ended or said nothing within the time allowed.
        """
        self._ready = queue.SimpleQueue()  # a second start must not read what the first one left
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._config is not None:
            (self.folder / "ksrpc.toml").write_text(self._config, encoding="utf-8")
        begin = launch.start if self._is_usual else subprocess.Popen
        self._process = begin(
            [*self._python, "-m", "ksrpc", *self.arguments],
            cwd=self.folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout, self._ready), daemon=True)
        self._reader.start()
        self.url = self._await_ready()
        self.running.add(self)

    def _read(self, output: IO[str], ready: queue.SimpleQueue[str | None]) -> None:
        for line in output:
            with self._printed:
                self._lines.append(line)
                self._printed.notify_all()
            if line.startswith(READY):
                ready.put(line[len(READY) :].split()[0])
        ready.put(None)

    def _await_ready(self) -> str:
        try:
            url = self._ready.get(timeout=self._ready_within_s)
        except queue.Empty:
            url = None
        if url is None:
            self.stop()
            raise StartError(f"no line {READY!r}… from `ksrpc {' '.join(self.arguments)}`; it printed:\n{self.log}")
        return url.rstrip("/")

    def stop(self, *, within_s: float = 15.0) -> int:
        """Ask the process to end by SIGTERM, and end it by SIGKILL if it does not within the time.

        Returns:
            Its exit code, negative for a signal.
        """
        if self._process is None:
            raise RuntimeError("the gateway was not started")
        self.running.discard(self)
        self._process.terminate()
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._lines.append(f"still there {within_s} s after SIGTERM, killed\n")
            self.kill()
        self._close()
        return self._process.returncode

    def kill(self) -> None:
        """End the process by SIGKILL, as a crash would."""
        if self._process is None:
            raise RuntimeError("the gateway was not started")
        self.running.discard(self)
        self._process.kill()
        self._process.wait()

    def _close(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._reader.join(5)  # a worker that outlives the gateway would hold the pipe open
            if not self._reader.is_alive():
                self._process.stdout.close()

    @property
    def ws_url(self) -> str:
        """Give the address with the scheme of WebSockets."""
        return "ws" + self.url.removeprefix("http")

    @property
    def port(self) -> int:
        """Give the port that the system chose."""
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """Give the process id of the gateway itself."""
        if self._process is None:
            raise RuntimeError("the gateway was not started")
        return self._process.pid

    @property
    def worker_pids(self) -> list[int]:
        """List the worker processes that the gateway holds now."""
        return [pid for pid in child_pids(self.pid) if is_running(pid)]

    @property
    def rss_anon_bytes(self) -> int:
        """Read the private memory of the gateway itself, its workers not counted."""
        return rss_anon_bytes(self.pid)

    @property
    def log(self) -> str:
        """Give everything it has printed so far."""
        return "".join(self._lines)

    def await_log(self, text: str, *, times: int = 1, within_s: float = 30.0) -> None:
        """Wait until it has printed a text so many times in all.

        Raises:
            TimeoutError: It has not within the time.
        """
        with self._printed:
            if not self._printed.wait_for(lambda: self.log.count(text) >= times, within_s):
                raise TimeoutError(f"{text!r} was not printed {times} times; the output was:\n{self.log}")

    def run(self, *arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run another `ksrpc` command in the gateway's directory; a failure is for the caller to see."""
        return launch.run([*self._python, "-m", "ksrpc", *arguments], cwd=self.folder, env=self._env, timeout=timeout_s)

    def create_token(self, name: str, *options: str) -> str:
        """Make a user's token with `ksrpc token create` and return its text.

        Raises:
            StartError: The command failed; the text holds its output.
        """
        done = self.run("token", "create", name, "--print", *options)
        found = [word for word in done.stdout.split() if word.startswith("ksr_")]
        if done.returncode or not found:
            raise StartError(f"`ksrpc token create {name}` gave no token:\n{done.stdout}{done.stderr}")
        return found[0]
