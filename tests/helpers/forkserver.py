"""Be the parent of the programs that tests start: what each of them imports first is imported once, here.

`python forkserver.py FD FD MODULE…` imports the modules and then forks a child for each request that comes on the first
socket, or on a connection to the second (see launch.py and forked.py). A child has the folder, the environment, the
streams and the arguments of the request and runs what `python -m ksrpc …` or `python FILE …` would run: a process of
its own, without the second or more of processor time that its imports take.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_REQUEST_BYTES_MAX = 1 << 20
_STREAMS = 3

Program = Callable[[], object]


def serve(control: socket.socket, others: socket.socket) -> Program | None:
    """Fork a child for each request until nobody can ask any more.

    Args:
        control: Where the one who started this process asks; its end is that of this process.
        others: Where others that it started connect to, each for one request.

    Returns:
        In a child: the program that it is to run. In this process, at its end: None.
    """
    ended, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told: dict[int, int] = {}
    while True:
        ready = select.select([control, others, ended], [], [])[0]
        if ended in ready:
            ended.recv(4096)
            _bury(told)
        if control in ready:
            data, fds = _receive(control)
            if not data:
                return None
        elif others in ready:
            with others.accept()[0] as asking:
                data, fds = _receive(asking)
        else:
            continue
        status = fds.pop()
        pid = os.fork()
        if pid == 0:
            for own in (control, others, ended, wake):
                own.close()
            for other in (*told.values(), status):
                os.close(other)
            return _become(json.loads(data), fds)
        os.write(status, f"{pid}\n".encode())
        told[pid] = status
        for fd in fds:
            os.close(fd)


def _receive(control: socket.socket) -> tuple[bytes, list[int]]:
    data, fds, _, _ = socket.recv_fds(control, _REQUEST_BYTES_MAX, _STREAMS + 1)
    return data, fds


def _bury(told: dict[int, int]) -> None:
    """Tell how the children ended that have."""
    while told:
        pid, ending = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        status = told.pop(pid)
        with suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(status, f"{ending}\n".encode())
        os.close(status)


def _become(request: dict[str, Any], fds: list[int]) -> Program:
    """Make this child what a new interpreter would be; return what it is to run."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["session"]:
        os.setsid()
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    if request["session"] and os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    _open_streams()
    return _program(request["words"])


def _open_streams() -> None:
    """Make the three streams, as -u does, for what the descriptors are now."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _writer(1, "strict")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2, "backslashreplace")  # type: ignore[misc]


def _writer(fd: int, errors: str) -> io.TextIOWrapper:
    raw = io.FileIO(fd, "w", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", errors, line_buffering=os.isatty(fd), write_through=True)


def _program(words: list[str]) -> Program:
    if words[0] == "-m":
        sys.path[0] = os.getcwd()
        sys.argv = words[1:]
        return lambda: runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    sys.path[0] = str(Path(words[0]).parent)
    sys.argv = words
    return lambda: runpy.run_path(words[0], run_name="__main__")


def main() -> None:
    """Serve; a child runs its program."""
    for name in sys.argv[3:]:
        with suppress(ImportError):  # an extra that is not installed is for the child to find out
            importlib.import_module(name)
    with socket.socket(fileno=int(sys.argv[1])) as control, socket.socket(fileno=int(sys.argv[2])) as others:
        program = serve(control, others)
    if program is not None:
        _run(program)


def _run(program: Program) -> None:
    """Run it and end as an interpreter does, but for taking its modules apart, which takes longer than many a command.

    What is no usual end, a traceback or a signal, is left to the interpreter.
    """
    status = 0
    try:
        program()
    except SystemExit as exc:
        if not isinstance(exc.code, int | None):
            raise
        status = exc.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
