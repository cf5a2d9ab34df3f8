"""The terminal of the tests shows what a person would see."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.helpers.terminal import CTRL_C, Shown, run_on_terminal


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("a\nb\n", "a\nb\n"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("busy 1\rbusy 2", "busy 2"),
        ("long line\rx", "xong line"),
        ("\x1b[?25lbusy\r\x1b[2Kdone\n\x1b[?25h", "done\n"),
        ("one\nbusy\n\x1b[1A\r\x1b[2Ktwo", "one\ntwo\n"),
        ("\x1b]52;c;aGk=\x07", "\x1b]52;c;aGk=\x07"),
    ],
)
def test_the_screen_is_what_stands_there_in_the_end(sent: str, seen: str) -> None:
    assert Shown(sent, 0).screen == seen


def test_a_program_finds_a_terminal_of_the_given_width_and_gets_what_is_typed(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size().columns); print('got', input('name? '))"
    shown = run_on_terminal(
        [sys.executable, "-c", code], cwd=tmp_path, env=dict(os.environ), typed=[("name?", "zhang\r")], columns=57
    )
    assert shown.status == 0
    assert shown.text.splitlines() == ["True 57", "name? zhang", "got zhang"]


def test_ctrl_c_reaches_the_program(tmp_path: Path) -> None:
    # Waits in short turns: a signal between two system calls is then noticed at the next turn, as `input` would not.
    code = (
        "import threading; wait = threading.Event().wait\n"
        "try:\n    print('ready', flush=True)\n    while True: wait(0.05)\n"
        "except KeyboardInterrupt: print('stopped')"
    )
    shown = run_on_terminal([sys.executable, "-c", code], cwd=tmp_path, env=dict(os.environ), typed=[("ready", CTRL_C)])
    assert "stopped" in shown.text


def test_a_program_that_does_not_end_is_told_with_what_it_showed(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="here I am"):
        run_on_terminal(
            [sys.executable, "-c", "print('here I am'); input()"], cwd=tmp_path, env=dict(os.environ), within_s=2
        )
