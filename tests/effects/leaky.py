"""Do what no open function may: the observers must see each of these."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["act"]


def act(way: str) -> str:
    """Do one thing that is outside the rules; what becomes of it does not matter."""
    try:
        _WAYS[way]()
    except Exception as error:
        return type(error).__name__
    return ""


def _fall() -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)


def _spin() -> Any:
    while True:
        pass


def _grow() -> Any:
    held = []
    while True:
        held.append(b"x" * (256 << 20))


_WAYS: dict[str, Callable[[], Any]] = {
    "read a file": lambda: Path("data.csv").read_bytes(),
    "read a file of the system": lambda: Path("/etc/passwd").read_bytes(),
    "write a file": lambda: Path(os.environ["HOME"], "new").write_bytes(b""),
    "start a program": lambda: subprocess.run(["/bin/true"], check=False),
    "start a shell": lambda: os.system("true"),
    "fork": os.fork,
    "open a socket": socket.socket,
    "connect": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
    "import by a name": lambda: importlib.import_module("canary_module"),
    "import a stranger": lambda: importlib.import_module("antigravity"),
    "evaluate": lambda: eval("1 + canary", {"canary": 1}),
    "compile": lambda: compile("1", "<told>", "eval"),
    "load a library": lambda: ctypes.CDLL("canary.so"),
    "look for a file": lambda: os.stat("data.csv"),
    "list a folder": lambda: os.listdir("/etc"),
    "change the folder": lambda: os.chdir("/"),
    "change the environment": lambda: os.putenv("A", "b"),
    "native open": lambda: ctypes.CDLL(None).open(b"/etc/shadow", 0),
    "native fork": lambda: ctypes.CDLL(None).fork(),
    "native socket": lambda: ctypes.CDLL(None).socket(2, 1, 0),
    "crash": _fall,
    "time": _spin,
    "memory": _grow,
}
WAYS = tuple(_WAYS)
