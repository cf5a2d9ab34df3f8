"""What a check finds, and what a check is given.

Source: docs/reference/cli.md "ksrpc doctor".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ksrpc.config import Config


class Mark(StrEnum):
    """Say how it stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """Tell one thing.

    Attributes:
        subject: What was looked at, in a word or two.
        cure: What to do; empty where nothing has to be done.
    """

    mark: Mark
    subject: str
    text: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """Hold what the checks look at: a configuration that could be read, and where it stands."""

    path: Path
    settings: Config

    @property
    def data_dir(self) -> Path:
        """The data folder."""
        return self.settings.server.data_dir


#: What a check gives: one finding or several.
Findings = Iterator[Finding]


def ok(subject: str, text: str, cure: str = "") -> Finding:
    """Say that something is as it should be."""
    return Finding(Mark.OK, subject, text, cure)


def warn(subject: str, text: str, cure: str = "") -> Finding:
    """Say that something works and should be looked at."""
    return Finding(Mark.WARN, subject, text, cure)


def fail(subject: str, text: str, cure: str = "") -> Finding:
    """Say that something does not work."""
    return Finding(Mark.FAIL, subject, text, cure)
