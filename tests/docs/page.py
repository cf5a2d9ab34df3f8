"""Find the code blocks of a page, and what its author says about testing them.

The convention: a line `<!-- test: MARK -->` before a fence; several marks have commas between them.
Source: docs/contributing.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.style.rule import ROOT

RUNNABLE = {"python", "bash", "sh", "console"}
MARKS = {"tokened", "libraries", "own", "file", "serves", "continues", "skip", "raises"}
TELLING = {"skip", "raises", "file"}  # marks that something must follow
_MARK = re.compile(r"<!-- test: (?P<marks>.*?) -->\s*$")
_FENCE = re.compile(r"(?P<indent> *)(?P<fence>```+)(?P<language>[\w-]*)")


@dataclass(frozen=True)
class Block:
    """Hold one fenced block.

    Attributes:
        line: Number of the line with the fence, from 1.
        marks: Mark → what follows it: the reason of `skip`, the class of `raises`, the name of `file`; else "".
    """

    page: str
    line: int
    language: str
    code: str
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name the block in a test's id."""
        return f"{self.page}:{self.line}"

    @property
    def is_runnable(self) -> bool:
        """Tell whether it is a program, rather than a file or an output to look at."""
        return self.language in RUNNABLE and "file" not in self.marks


def parse_marks(text: str) -> dict[str, str]:
    """Read what stands in a test comment.

    Raises:
        ValueError: The mark is unknown, a skip gives no reason, a raise no class, or a file no name.
    """
    marks = {}
    for part in re.split(r",\s*(?![^(]*\))", text):
        word, _, rest = part.partition(" ")
        if word not in MARKS or (word in TELLING) != bool(rest.strip("() ")):
            raise ValueError(f"test comment {part!r}")
        marks[word] = rest.strip("() ")
    return marks


def parse_blocks(page: str, text: str) -> list[Block]:
    """Find every fenced block of a Markdown text, in order."""
    blocks: list[Block] = []
    marks: dict[str, str] = {}
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if mark := _MARK.search(line):
            marks = parse_marks(mark["marks"])
        elif opening := _FENCE.match(line):
            code = []
            for _, inner in lines:
                if inner.strip() == opening["fence"]:
                    break
                code.append(inner.removeprefix(opening["indent"]))
            blocks.append(Block(page, number, opening["language"], "\n".join(code) + "\n", marks))
            marks = {}
    return blocks


def load_blocks(path: Path) -> list[Block]:
    """Read the blocks of one file of the project."""
    return parse_blocks(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


def pages() -> list[Path]:
    """List the pages whose blocks are executed."""
    return [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def is_tutorial(page: Path) -> bool:
    """Tell whether a page is played as a whole, by test_tutorial.py."""
    return page.parent.name == "tutorial"


def strip_comments(code: str) -> list[str]:
    """Give the lines of a program without its comments, so that translations can be compared."""
    lines = [re.sub(r"(^|\s+)#.*", "", line).rstrip() for line in code.splitlines()]
    return [line for line in lines if line]


def expected_lines(block: Block) -> list[str]:
    """Give what a block says it prints: after `# → ` in Python, the lines without `$ ` of a console."""
    lines = block.code.splitlines()
    if block.language == "console":
        return [line for line in lines if line and not line.startswith("$ ")]
    return [line.partition("# → ")[2].rstrip() for line in lines if "# → " in line]


def missing_line(expected: list[str], printed: str) -> str | None:
    """Find the first expected line that was not printed, in order; `…` in it stands for anything."""
    rest = iter(printed.splitlines())
    for line in expected:
        pattern = re.compile(".*".join(map(re.escape, line.strip().split("…"))))
        if not any(pattern.fullmatch(other.strip()) for other in rest):
            return line
    return None
