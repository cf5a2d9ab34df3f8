"""Start a worker: put the process in its place, greet the gateway, serve (gate D as far as it goes).

Source: docs/spec/policy.md "Gate D", docs/spec/protocol.md "Boot".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import resource
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from ksrpc import __version__
from ksrpc.errors import ProtocolError
from ksrpc.expose import ModuleSource
from ksrpc.limits import RESULT
from ksrpc.model import HandleClass, Reach, Rules
from ksrpc.protocol import Callee, Meta
from ksrpc.protocol.event import Greeted
from ksrpc.transport.pair import BlockingPair
from ksrpc.vault import hand_over
from ksrpc.worker.concurrent import ConcurrentWorker
from ksrpc.worker.host import Host
from ksrpc.worker.serial import SerialWorker

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_DESCRIPTORS = 4096


def main(argv: list[str]) -> int:
    """Serve over the two inherited descriptors named in `argv`: frames, and descriptors for large values."""
    frames, channel = (socket.socket(fileno=int(fd)) for fd in argv[1:3])
    settle()
    session = Callee(now=time.monotonic())
    pair = BlockingPair(frames, session)
    try:
        boot = _await_hello(pair)
        host = make_host(boot)  # before the greeting: who greets is ready
        session.welcome({"ksrpc": __version__, "python": platform.python_version(), "pid": os.getpid()})
        pair.flush()
        if boot.get("role") == "concurrent":
            asyncio.run(ConcurrentWorker(session, host, channel).serve(frames))
        else:
            SerialWorker(pair, host, channel).serve()
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return 0
    except ProtocolError as exc:
        sys.stderr.write(f"ksrpc worker: {exc}\n")
        return 1
    return 0


def settle() -> None:
    """Bind this process's life to the gateway's, bound its files, make it yield to the gateway."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's to act on
    with contextlib.suppress(OSError):
        os.nice(10)
    size = RESULT.message_bytes + (1 << 20)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size if hard < 0 else min(size, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = _DESCRIPTORS if hard < 0 else min(_DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only here, and before any caller's code

        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def make_host(boot: Meta) -> Host:
    """Make the host from what the gateway said in its HELLO."""
    rules: dict[str, Any] = boot.get("rules", {})
    hand_over(boot.get("secrets", {}))
    sources = {
        name: ModuleSource(Path(entry["path"]), entry.get("arguments", "data"), entry.get("edition", ""))
        for name, entry in boot.get("sources", {}).items()
    }
    return Host(
        Rules(**{key: tuple(value) for key, value in rules.items()}),
        sources=sources,
        generation=int(boot.get("generation", 0)),
        shows_traceback=bool(boot.get("traceback", False)),
        handles=[
            HandleClass(path, tuple(told["methods"]), tuple(told["attributes"]), told["context"])
            for path, told in boot.get("handles", {}).items()
        ],
        reaches={root: _read_reach(told) for root, told in boot.get("reaches", {}).items()},
    )


def _read_reach(told: dict[str, Any]) -> Reach:
    """Read what arguments may name; what may be written is this process's own folder."""
    return Reach(
        tuple(told["roots"]), tuple(told["closed"]), os.environ["HOME"], tuple(told["hosts"]), dict(told["classes"])
    )


def _await_hello(pair: BlockingPair) -> Meta:
    for event in pair.events():
        if isinstance(event, Greeted):
            return event.meta
        raise ProtocolError("the gateway did not greet")
    raise EOFError
