"""Run a program on a terminal, as a person would: what it shows, what is typed, how it ends."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.helpers import launch

#: Makes the terminal its own, so that Ctrl-C reaches it, and becomes the program.
_START = "import os,sys,fcntl,termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
CTRL_C = "\x03"


_STYLE = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]")
_MOVE = re.compile(r"(\n|\r|\x1b\[2K|\x1b\[J|\x1b\[[0-9]*A|\x1bD|\x1b7|\x1b8)")


class Screen:
    """Be as much of a terminal as our programs use; it grows downwards and never scrolls."""

    def __init__(self) -> None:
        self._lines = [""]
        self._row = self._at = 0
        self._saved = (0, 0)

    def write(self, text: str) -> None:
        """Take what a program sends."""
        for part in _MOVE.split(_STYLE.sub("", text)):
            if _MOVE.fullmatch(part):
                self._move(part)
            else:
                line = self._lines[self._row]
                self._lines[self._row] = line[: self._at].ljust(self._at) + part + line[self._at + len(part) :]
                self._at += len(part)

    @property
    def text(self) -> str:
        """Give what stands there."""
        return "\n".join(line.rstrip() for line in self._lines)

    def _move(self, order: str) -> None:
        if order in ("\n", "\x1bD"):
            self._row, self._at = self._row + 1, 0 if order == "\n" else self._at
            self._lines += [""] * (self._row == len(self._lines))
        elif order == "\r":
            self._at = 0
        elif order == "\x1b[2K":
            self._lines[self._row] = ""
        elif order == "\x1b[J":
            self._lines[self._row :] = [self._lines[self._row][: self._at]]
        elif order == "\x1b7":
            self._saved = (self._row, self._at)
        elif order == "\x1b8":
            self._row, self._at = self._saved
        else:
            self._row = max(0, self._row - int(order[2:-1] or 1))


class Shown(NamedTuple):
    """Hold everything that a terminal was sent, and the exit status."""

    text: str
    status: int

    @property
    def screen(self) -> str:
        """Give what stands there in the end: lines that were erased are gone, styles too."""
        screen = Screen()
        screen.write(self.text)
        return screen.text


def run_on_terminal(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    typed: Sequence[tuple[str, str]] = (),
    columns: int = 100,
    within_s: float = 60.0,
) -> Shown:
    """Run a program on a new terminal.

    Args:
        command: The program and its arguments.
        cwd: Its current folder.
        env: Its environment.
        typed: What to wait for, and what to type then, in order.
        columns: The terminal's width.
        within_s: How long it may take.

    Raises:
        TimeoutError: It did not end within the time; the text holds what it showed.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {"TERM": "xterm-256color"} | {name: text for name, text in env.items() if name not in ("COLUMNS", "LINES")}
    process = launch.start(
        list(command) if launch.parent_of(command, env) else [sys.executable, "-c", _START, *command],
        cwd=cwd,
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        text = _converse(ours, list(typed), time.monotonic() + within_s)
    finally:
        os.close(ours)
        if sys.exc_info()[0] is not None:
            process.kill()
        status = process.wait(10)
    return Shown(text.replace("\r\n", "\n"), status)


def _converse(terminal: int, typed: list[tuple[str, str]], end: float) -> str:
    """Read what comes and type what is due, until the other side hangs up."""
    shown = b""
    seen = 0
    while True:
        if not select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError(f"the program did not end; it showed:\n{shown.decode(errors='replace')}")
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # Linux says so when the last one on the other side has gone
            data = b""
        if not data:
            return shown.decode(errors="replace")
        shown += data
        if typed and (at := shown.find(typed[0][0].encode(), seen)) >= 0:
            seen = at
            os.write(terminal, typed.pop(0)[1].encode())
