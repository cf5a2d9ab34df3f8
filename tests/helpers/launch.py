"""Start `python -m ksrpc …` in a process of its own, without the time that its imports take (see forkserver.py).

A new interpreter is started all the same for what depends on its start: other options or variables of Python.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.helpers import forked, forkserver

ROOT = Path(__file__).resolve().parents[2]
#: What every command imports sooner or later; pandas is not among it, for a gateway has to do without.
COMMAND = (
    *(f"ksrpc.cli.{file.stem}" for file in sorted((ROOT / "src/ksrpc/cli").glob("[!_]*.py"))),
    "ksrpc.cli.doctor",
    "encodings.idna",
    "rich.prompt",
    "rich.table",
    "uvloop",
)
#: What a user's program imports.
PROGRAM = (
    "asyncio",
    "pandas",
    "ksrpc.client",
    "ksrpc.client.progress",
    "ksrpc.connections.http",
    "ksrpc.connections.websocket",
)
_STARTED: list[subprocess.Popen[bytes]] = []


def clean_environment() -> dict[str, str]:
    """Copy the environment without the settings of ksrpc, and with `src` importable."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("KSRPC")}
    env["PYTHONPATH"] = str(ROOT / "src")
    env["PYTHONUNBUFFERED"] = "1"
    return env


class Nursery:
    """Hold a process that has imported some modules, and ask it for children.

    Args:
        modules: What it imports before the first child; those that are missing here are left out.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._folder = tempfile.TemporaryDirectory(prefix="ksrpc-tests-")
        self._place = f"{self._folder.name}/socket"
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as others:
            others.bind(self._place)
            others.listen()
            fds = [theirs.fileno(), others.fileno()]
            command = [sys.executable, forkserver.__file__, *map(str, fds), *modules]
            self._process = subprocess.Popen(
                command, env=clean_environment(), stdin=subprocess.DEVNULL, pass_fds=fds, cwd="/"
            )
        _STARTED.append(self._process)
        self._owner = os.getpid()
        atexit.register(self.close)

    def ask(self, request: dict[str, Any], fds: list[int]) -> None:
        """Ask for a child; `fds` are its streams and where its id and its end are told."""
        socket.send_fds(self._control, [json.dumps(request).encode()], fds)

    @property
    def words(self) -> list[str]:
        """List the words that ask for a child in a shell script; those of the command follow."""
        return [sys.executable, "-I", "-S", forked.__file__, self._place]

    def close(self) -> None:
        """Let it end; its children go on."""
        self._control.close()
        if self._owner == os.getpid():
            self._process.wait()
            self._folder.cleanup()
            _STARTED.remove(self._process)


@cache
def commands() -> Nursery:
    """Return the parent of this test run's commands; it is started at the first call."""
    return Nursery(COMMAND)


@cache
def programs() -> Nursery:
    """Return the parent of this test run's programs that call a gateway."""
    return Nursery(PROGRAM)


def parents() -> list[int]:
    """List the processes that are there to start others only."""
    return [process.pid for process in _STARTED]


class Forked(subprocess.Popen[Any]):
    """Be the handle of a child that a nursery forked. All of Popen but preexec_fn and the like works."""

    def __init__(self, nursery: Nursery, command: Sequence[str], **options: Any) -> None:
        self._nursery = nursery
        self._told = -1
        super().__init__(command, **options)

    def _execute_child(  # type: ignore[no-untyped-def]  # noqa: PLR0917 - as it is in the standard library
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, restore_signals, gid, gids, uid, umask,
        start_new_session, *rest,
    ) -> None:  # fmt: skip
        request = {
            "words": list(map(str, args[1:])),
            "cwd": str(cwd or os.getcwd()),
            "env": dict(os.environ if env is None else env),
            "session": bool(start_new_session),
        }
        streams = [own if fd == -1 else fd for own, fd in enumerate((p2cread, c2pwrite, errwrite))]
        self._told, tell = os.pipe()
        try:
            self._nursery.ask(request, [*streams, tell])
        finally:
            os.close(tell)
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]
        self.pid = int(self._read_told())
        self._child_created = True

    def _read_told(self) -> bytes:
        """Read a line, which comes as one; nothing says that the nursery is gone."""
        data = b""
        while not data.endswith(b"\n"):
            part = os.read(self._told, 1)
            if not part:
                break
            data += part
        return data.strip()

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if wait_flags & os.WNOHANG and not select.select([self._told], [], [], 0)[0]:
            return 0, 0
        ending = int(self._read_told() or signal.SIGKILL)
        os.close(self._told)
        return self.pid, ending

    def _internal_poll(self, *_: object, **__: object) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):  # type: ignore[attr-defined]
            try:
                pid, ending = self._try_wait(os.WNOHANG) if self.returncode is None else (0, 0)
                if pid:
                    self._handle_exitstatus(ending)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def _interpreter(env: Mapping[str, str]) -> dict[str, str]:
    """Pick the variables that an interpreter, or a library that is loaded with it, reads at its start."""
    prefixes = ("PYTHON", "LC_", "LANG", "LD_", "OPENBLAS", "OMP_", "MALLOC_")
    return {name: text for name, text in env.items() if name.startswith(prefixes)}


def parent_of(command: Sequence[str], env: Mapping[str, str] | None) -> Nursery | None:
    """Return who can start a command; None if that takes an interpreter of its own."""
    told = os.environ if env is None else env
    if command[0] != sys.executable or _interpreter(told) != _interpreter(clean_environment()):
        return None
    if list(command[1:3]) == ["-m", "ksrpc"]:
        return commands()
    return programs() if command[1].endswith(".py") else None


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a command as `subprocess.Popen` does, sooner where that changes nothing."""
    parent = parent_of(command, options.get("env"))
    return Forked(parent, command, **options) if parent else subprocess.Popen(command, **options)


def run(
    command: Sequence[str], *, timeout: float = 60.0, text: bool = True, typed: str | None = None, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """Run a command to its end and take all it prints, as `subprocess.run` does; a failure is for the caller to see."""
    source = subprocess.DEVNULL if typed is None else subprocess.PIPE
    pipes = {"stdin": source, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(command, text=text, **pipes, **options) as process:
        try:
            output, errors = process.communicate(typed, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
