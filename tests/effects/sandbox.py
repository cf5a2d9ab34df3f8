"""A worker process as the gateway starts it, observed from within and, where strace is installed, from outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from ksrpc import wire
from ksrpc.errors import ForbiddenError, KsrpcError, LostError
from ksrpc.gateway.child import Child
from ksrpc.transport.link import RaisedError
from ksrpc.worker.place import Plan
from tests.effects import observer
from tests.effects.rule import LAZY, is_finding, is_foreign

#: How a worker ends, which only its own call is to feel.
FATES = ("crash", "time", "memory")
TIME_S = 2.0
_MEMORY_BYTES = 1500 << 20
_TRACED = (
    "%file,clone,clone3,fork,vfork,execve,execveat,socket,connect,bind,listen,kill,tkill,tgkill,ptrace,mknod,?mknodat,"
    "?process_vm_writev,?process_vm_readv,?pidfd_open,?pidfd_send_signal,?io_uring_setup,?bpf,setuid,unshare,"
    "truncate,memfd_create"
)


class Result(NamedTuple):
    """Say what came of a call.

    Attributes:
        kind: "answered", "raised" by the library, "refused" by gate C, "forbidden" by another gate, "other" error of
            ours, or how the process ended: "crash", "time", "memory".
        findings: What is outside the rules.
        text: Of an error.
    """

    kind: str
    findings: tuple[str, ...] = ()
    text: str = ""


class Sandbox:
    """Own one worker after the other.

    Args:
        roots: Packages whose functions are called.
        scratch: Folder for the log of strace.
        files: Name → file that is served, too.
    """

    def __init__(self, roots: list[str], scratch: Path, *, files: Mapping[str, str] = MappingProxyType({})) -> None:
        self.roots = roots
        self._files = {"observer": observer.__file__, **files}
        self.has_strace = False
        self.starts = 0
        self._scratch = scratch
        self._log: Any = None
        self._child: Child | None = None
        self._threads: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def start(self) -> None:
        """Start a worker, let it import what it serves, and begin to watch."""
        self.starts += 1
        boot = {
            "rules": {"allow": [*self.roots, *self._files]},
            "sources": {name: {"path": path, "arguments": "data"} for name, path in self._files.items()},
            "role": "serial",
            "place": Plan("strict", read=tuple(self._files.values())),
        }
        log = self._scratch / "strace"
        log.unlink(missing_ok=True)
        with _traced(self._scratch, log) as self.has_strace:
            self._child = await Child.start(boot)
        for root in (*self.roots, *self._files):
            with contextlib.suppress(KsrpcError):
                await self._child.link.describe(root)[1]
        lazy = list(LAZY) if "pandas" in self.roots else []
        await self._child.link.call({"path": "observer.watch"}, wire.pack_arguments((lazy,), {}).join())[1]
        if self.has_strace:
            self._log = log.open(encoding="utf-8", errors="replace")
            self._log.read()

    async def end(self) -> str:
        """End the worker; return why it ended."""
        child, self._child = self._child, None
        if self._log is not None:
            self._log.close()
            self._log = None
        return await child.reap() if child is not None else ""

    async def call(self, path: str, packed: bytes) -> Result:
        """Call a function, and see what it did; the process is another one afterwards if it did not survive."""
        if self._child is None:
            await self.start()
        child = self._child
        assert child is not None
        _, future = child.link.call({"path": path}, packed)
        _, told = child.link.call({"path": "observer.seen"}, wire.pack_arguments((), {}).join())
        fate = await _watch(child, future, told)
        kind, text = _outcome(future)
        if fate or kind == "lost":
            fate = fate or "crash"
            outside = self._outside()
            told.cancel()
            text = await self.end()
            return Result(fate, tuple(outside), text)
        inside = [event for event in _value(told) if is_finding(event, self.roots)]
        return Result(kind, (*inside, *self._outside()), text)

    def _outside(self) -> list[str]:
        if self._log is None:
            return self._look()
        return [line.rstrip() for line in self._log.readlines() if is_foreign(line)]

    def _look(self) -> list[str]:
        """See, without strace, which processes and files there are now."""
        assert self._child is not None
        place = Path(f"/proc/{self._child.process.pid}")
        found = [f"process {text}" for file in place.glob("task/*/children") if (text := _text(file).strip())]
        with contextlib.suppress(OSError):
            links = [os.readlink(fd) for fd in (place / "fd").iterdir()]
            found += [f"descriptor {link}" for link in links if link.startswith("/") and link != "/dev/null"]
        scratch = self._child._scratch
        return found + [f"file {path.name}" for folder in ("home", "cwd") for path in (scratch / folder).iterdir()]


async def _watch(child: Child, *futures: asyncio.Future[Any]) -> str:
    """Wait for the answers; end a process that takes too long or too much."""
    loop = asyncio.get_running_loop()
    until = loop.time() + TIME_S
    while (await asyncio.wait(futures, timeout=0.25))[1]:
        if child.resident_bytes() > _MEMORY_BYTES:
            child.kill("memory")
            return "memory"
        if loop.time() > until:
            child.kill("time")
            return "time"
    return ""


def _outcome(future: asyncio.Future[Any]) -> tuple[str, str]:
    if not future.done():  # the process was ended
        future.cancel()
        return "lost", ""
    error = future.exception()
    if error is None:
        return "answered", ""
    if isinstance(error, RaisedError):
        return "raised", str(error.meta.get("type", ""))
    if isinstance(error, LostError) and "process ended" in str(error):
        return "lost", ""
    if isinstance(error, ForbiddenError):
        return ("refused" if error.rule.startswith("C") else "forbidden"), str(error)
    return ("refused" if type(error).__name__ == "ArgumentError" else "other"), f"{type(error).__name__}: {error}"


def _value(future: asyncio.Future[Any]) -> list[str]:
    told: list[str] = _parse(future.result().pieces)
    return told


def _parse(pieces: tuple[Any, ...]) -> Any:
    return wire.parse(b"".join(pieces))


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


@contextlib.contextmanager
def _traced(folder: Path, log: Path) -> Iterator[bool]:
    """Let the next process be started under strace, if there is one."""
    strace = shutil.which("strace")
    if strace is None:
        yield False
        return
    python = sys.executable
    wrapper = folder / "python"
    wrapper.write_text(
        f'#!/bin/sh\nexec "{strace}" -D -f -qq -s 300 -e signal=none -e "trace={_TRACED}" -o "{log}" "{python}" "$@"\n'
    )
    wrapper.chmod(stat.S_IRWXU)
    sys.executable = str(wrapper)
    try:
        yield True
    finally:
        sys.executable = python


def make_scratch() -> tempfile.TemporaryDirectory[str]:
    """Make a folder for the log."""
    return tempfile.TemporaryDirectory(prefix="effects-")
