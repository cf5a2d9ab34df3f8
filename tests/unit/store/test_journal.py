"""Records that are bound to each other: what is written stays, and what was changed shows."""

from __future__ import annotations

import json
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ksrpc.store.journal import Journal, journal_files, read_lines, verify


def journal(folder: Path, *, file_bytes: int = 1 << 20, keep_days: int = 1) -> Journal:
    return Journal(folder, file_bytes=file_bytes, keep_days=keep_days)


def records(*numbers: int) -> Iterator[bytes]:
    return (json.dumps({"n": number}).encode() for number in numbers)


def fill(folder: Path, *numbers: int) -> Path:
    with closing(journal(folder)) as made:
        made.append(records(*numbers))
    return journal_files(folder)[-1]


def faults(folder: Path) -> list[str]:
    return [verdict.fault for verdict in verify(folder)]


def test_what_is_written_is_read_and_bound(tmp_path: Path) -> None:
    path = fill(tmp_path / "audit", 1, 2, 3)
    lines = list(read_lines(path))
    assert [line.record.get("n") for line in lines] == [None, 1, 2, 3]
    assert lines[0].record["event"] == "opened"
    assert len({line.chain for line in lines}) == 4
    assert faults(path.parent) == [""]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [line.record["n"] for line in read_lines(path, lines[1].end)] == [2, 3]


@pytest.mark.parametrize("change", ["edit", "drop", "swap", "add"])
def test_a_changed_line_shows(tmp_path: Path, change: str) -> None:
    path = fill(tmp_path, 1, 2, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    if change == "edit":
        lines[2] = lines[2].replace(b'"n": 2', b'"n": 7')
    elif change == "drop":
        del lines[2]
    elif change == "swap":
        lines[2], lines[3] = lines[3], lines[2]
    else:
        lines.insert(2, lines[1])
    path.write_bytes(b"".join(lines))
    assert faults(tmp_path) == ["line 3 was changed, or one before it is missing"]


def test_a_missing_or_shortened_file_shows_in_the_next(tmp_path: Path) -> None:
    first, _, _ = (fill(tmp_path, number) for number in range(3))
    assert faults(tmp_path) == ["", "", ""]
    second = journal_files(tmp_path)[1]
    kept = second.read_bytes()
    second.write_bytes(b"".join(kept.splitlines(keepends=True)[:-1]))
    assert [bool(fault) for fault in faults(tmp_path)] == [False, False, True]
    second.write_bytes(kept)
    second.unlink()
    assert faults(tmp_path) == ["", f"the file before it, {second.name}, is not there"]
    first.unlink()
    assert faults(tmp_path) == [""], "the oldest go in time; then nothing is there to compare with"


def test_half_a_line_at_the_end_is_told_apart_from_a_change(tmp_path: Path) -> None:
    path = fill(tmp_path, 1, 2)
    path.write_bytes(path.read_bytes()[:-20])
    (verdict,) = verify(tmp_path)
    assert (verdict.fault, verdict.is_cut) == ("", True)
    fill(tmp_path, 3)
    assert faults(tmp_path) == ["", ""], "the next file is bound to the last whole line"


def test_a_full_file_is_followed_by_another_and_old_ones_go(tmp_path: Path) -> None:
    with closing(journal(tmp_path, file_bytes=500)) as made:
        for number in range(20):
            made.append(records(number))
    files = journal_files(tmp_path)
    assert len(files) > 2
    assert [line.record["n"] for path in files for line in read_lines(path) if "n" in line.record] == [*range(20)]
    assert set(faults(tmp_path)) == {""}
    for path in files[:2]:
        os.utime(path, (0, 0))
    fill(tmp_path, 99)
    assert journal_files(tmp_path)[0] == files[2]


def test_a_full_disk_leaves_no_half_and_loses_nothing(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as made:
        made.append(records(1))
        path = journal_files(tmp_path)[0]
        size, limits = path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                made.append(records(*range(2, 40)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.stat().st_size == size
        made.append(records(*range(2, 40)))
    assert [line.record["n"] for line in read_lines(path) if "n" in line.record] == [*range(1, 40)]
    assert faults(tmp_path) == [""]
