"""An append-only file of records, each bound to the one before it, so that a changed or missing line shows.

A process writes files of its own, one after the other: `audit-<time>-<pid>-<number>.jsonl`. A line is a JSON object
that ends with `"chain"`, the hash of the chain before and of the line without it. Each file begins with a record that
names the file before it and the chain that this ended with.

Source: docs/explanation/audit.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Journal", "Line", "Verdict", "journal_files", "read_lines", "verify"]

_PREFIX, _SUFFIX = "audit-", ".jsonl"
_CHAIN = b',"chain":"'
_HASH_CHARS = 32
_START = "0" * _HASH_CHARS
_DAY_S = 86_400


class Journal:
    """Write records.

    Args:
        folder: Where the files are; made if there is none.
        file_bytes: After which another file is begun.
        keep_days: How long a file is kept after its last record.
    """

    def __init__(self, folder: Path, *, file_bytes: int, keep_days: int) -> None:
        self._folder = folder
        self._file_bytes = file_bytes
        self._keep_days = keep_days
        self._fd = -1
        self._size = 0
        self._number = 0
        self._chain = _START
        self._name = ""

    def append(self, records: Iterable[bytes]) -> None:
        """Write JSON objects, one a line, and see to it that they are on the disk.

        Raises:
            OSError: They cannot be written; then none of them counts as written.
        """
        if self._fd < 0 or self._size >= self._file_bytes:
            self._open()
        lines, chain = _bind(records, self._chain)
        data = memoryview(b"".join(lines))
        at = self._size
        try:
            while data:
                data = data[os.write(self._fd, data) :]
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, at)
            raise
        self._size = os.fstat(self._fd).st_size
        self._chain = chain

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        """Begin another file, bound to the newest one there is."""
        former, chain = self._name, self._chain
        if not former:
            former, chain = _newest(self._folder)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        moment = time.time()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(moment)) + f"{int(moment % 1 * 1e6):06}Z"
        name = f"{_PREFIX}{stamp}-{os.getpid()}-{self._number}{_SUFFIX}"
        fd = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        opening = json.dumps({"at": moment, "event": "opened", "former": former, "ended": chain}).encode()
        lines, chain = _bind([opening], _START)
        try:
            os.write(fd, lines[0])
        except OSError:
            os.close(fd)
            os.unlink(self._folder / name)
            raise
        self.close()
        self._fd, self._size, self._name, self._chain = fd, len(lines[0]), name, chain
        self._number += 1
        self._tidy(moment)

    def _tidy(self, now: float) -> None:
        for path in journal_files(self._folder):
            if path.name != self._name and path.stat().st_mtime < now - self._keep_days * _DAY_S:
                path.unlink(missing_ok=True)


def _bind(records: Iterable[bytes], chain: str) -> tuple[list[bytes], str]:
    lines = []
    for record in records:
        body = record[:-1]
        chain = hashlib.sha256(chain.encode() + body).hexdigest()[:_HASH_CHARS]
        lines.append(body + _CHAIN + chain.encode() + b'"}\n')
    return lines, chain


def _newest(folder: Path) -> tuple[str, str]:
    """Name the newest file and the chain of its last whole line."""
    for path in reversed(journal_files(folder)):
        chain = _START
        for line in read_lines(path):
            chain = line.chain or chain
        return path.name, chain
    return "", _START


def journal_files(folder: Path) -> list[Path]:
    """List the files, the oldest first."""
    return sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}"))


class Line(NamedTuple):
    """Hold one line.

    Attributes:
        record: What it says; empty if it cannot be read.
        chain: What it is bound by; empty if it cannot be read.
        body: What `chain` is made of, with the chain before.
        end: Where the next line begins in the file.
    """

    record: dict[str, Any]
    chain: str
    body: bytes
    end: int


def read_lines(path: Path, begin: int = 0) -> Iterator[Line]:
    """Read a file, from a line on; a line that is cut off or damaged is an empty one."""
    end = begin
    with path.open("rb") as file:
        file.seek(begin)
        for raw in file:
            end += len(raw)
            body, mark, rest = raw.rpartition(_CHAIN)
            chain = rest[:_HASH_CHARS].decode("ascii", "replace")
            try:
                record = json.loads(body + b"}") if mark and rest == chain.encode() + b'"}\n' else None
            except ValueError:
                record = None
            yield Line(record, chain, body, end) if isinstance(record, dict) else Line({}, "", raw, end)


class Verdict(NamedTuple):
    """Say what is wrong with a file.

    Attributes:
        path: The file.
        lines: How many there are.
        fault: What is wrong; empty if nothing is.
        is_cut: Whether it ends in half a line: its process was ended while it wrote.
    """

    path: Path
    lines: int
    fault: str
    is_cut: bool


def verify(folder: Path) -> list[Verdict]:
    """Compare every line with the one before it, and every file with the one that it names."""
    verdicts: list[Verdict] = []
    ends: dict[str, str] = {}
    for path in journal_files(folder):
        verdict, former, ended, end = _look(path)
        if not verdict.fault and former and ends and ends.get(former) != ended:
            what = "is not there" if former not in ends else "does not end as it did when this one was begun"
            verdict = verdict._replace(fault=f"the file before it, {former}, {what}")
        ends[path.name] = end
        verdicts.append(verdict)
    return verdicts


def _look(path: Path) -> tuple[Verdict, str, str, str]:
    chain, former, ended, number = _START, "", "", 0
    lines = list(read_lines(path))
    is_cut = bool(lines) and not lines[-1].chain and not lines[-1].body.endswith(b"\n")
    for number, line in enumerate(lines[:-1] if is_cut else lines, 1):
        if line.chain != hashlib.sha256(chain.encode() + line.body).hexdigest()[:_HASH_CHARS]:
            return (
                Verdict(path, len(lines), f"line {number} was changed, or one before it is missing", is_cut),
                "",
                "",
                "",
            )
        chain = line.chain
        if number == 1:
            former, ended = str(line.record.get("former", "")), str(line.record.get("ended", ""))
    fault = "" if number else "it is empty"
    return Verdict(path, len(lines), fault, is_cut), former, ended, chain
