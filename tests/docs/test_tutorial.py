"""The tutorials are played from the first command to the last, on a terminal, in one folder, with one server."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import play
from tests.docs.page import Block, is_tutorial, load_blocks, missing_line, pages
from tests.docs.test_readme import PRINTED, env, runnable_lines, write_files
from tests.helpers.server import GatewayProcess
from tests.helpers.terminal import run_on_terminal

__all__ = ["env"]

TUTORIALS = [page for page in pages() if is_tutorial(page)]
_TOKEN = re.compile(r"ksr_[0-9A-Za-z_]{40,}")


class Player:
    """Do what a reader does, block after block.

    Attributes:
        gateway: The server, once the page has started it.
        token: The last token that was shown.
        changes: How often the configuration was changed while the server ran.
    """

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env
        self.gateway: GatewayProcess | None = None
        self.token = ""
        self.changes = 0

    def play(self, block: Block) -> None:
        if "file" in block.marks:
            write_files(self.folder, {block.marks["file"]: block.code})
        elif "serves" in block.marks:
            self.serve(block)
        elif block.language == "console":
            for command, wanted in commands(block):
                self.type(block, command, wanted)
        elif block.language == "python":
            script = self.folder / "block.py"
            script.write_text(self.fill_in(block.code), encoding="utf-8")
            self.check(block, [sys.executable, play.__file__, str(script)], told(block.code))
            script.unlink()
        elif block.language == "bash":
            self.check(block, ["bash", "-euo", "pipefail", "-c", runnable_lines(self.fill_in(block.code))], [])

    def serve(self, block: Block) -> None:
        """Start the server of the page on a free port; it stays until the page ends."""
        words = block.code.removeprefix("$ ").splitlines()[0].split()
        assert words[0] == "ksrpc", f"{block.id}: only `ksrpc …` serves"
        self.gateway = GatewayProcess(self.folder, None, arguments=[*words[1:], "--port", "0"])
        self.gateway.start()
        for line in block.code.splitlines()[1:]:
            if PRINTED not in line:
                self.gateway.await_log(line.strip())

    def type(self, block: Block, command: str, wanted: list[str]) -> None:
        self.check(block, ["bash", "-c", self.fill_in(command)], wanted)

    def check(self, block: Block, command: list[str], wanted: list[str]) -> None:
        """Run a command on a terminal and compare what stands there in the end."""
        typed = [("oken", f"{self.token}\n")] if " login " in command[-1] else []
        before = self.stamp()
        shown = run_on_terminal(command, cwd=self.folder, env=self.env, typed=typed, columns=100)
        if self.gateway is not None and self.stamp() != before:
            self.changes += 1  # a reader is not so quick: the server has taken the change in by the next command
            self.gateway.await_log("the configuration", times=self.changes)
        fails = "raises" in block.marks
        assert (shown.status != 0) == fails, f"{block.id}: {command[-1]}\n{shown.screen}"
        anywhere = [line.replace(PRINTED, "127.0.0.1:…") for line in wanted]
        missing = missing_line(anywhere, shown.screen)
        assert missing is None, f"{block.id}: {command[-1]}\nnot shown: {missing}\n{shown.screen}"
        if found := _TOKEN.findall(shown.screen):
            self.token = found[-1]

    def stamp(self) -> bytes:
        """Give what the configuration says now."""
        path = self.folder / "ksrpc.toml"
        return path.read_bytes() if path.exists() else b""

    def fill_in(self, text: str) -> str:
        """Put the real address and token where the page prints examples."""
        port = self.gateway.port if self.gateway is not None else 8000
        return text.replace(PRINTED, f"127.0.0.1:{port}").replace("ksr_…", self.token)


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Give each command of a console block with the lines that it is to show."""
    command = ""
    wanted: list[str] = []
    for line in block.code.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, wanted
            command, wanted = line[2:], []
        elif line.strip():
            wanted.append(line)
    if command:
        yield command, wanted


def told(code: str) -> list[str]:
    """Give the lines that a Python block says it prints."""
    return [line.partition("# → ")[2] for line in code.splitlines() if "# → " in line]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_goes_as_it_says(page: Path, env: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:  # its path is short, so that lines break as on the page
        player = Player(Path(folder), env)
        try:
            for block in load_blocks(page):
                player.play(block)
        finally:
            if player.gateway is not None:
                player.gateway.stop()


def test_there_is_a_tutorial_that_types_commands() -> None:
    assert sum(block.language == "console" for page in TUTORIALS for block in load_blocks(page)) > 5
