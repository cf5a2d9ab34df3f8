"""Look at real processes through /proc: children, private memory, life."""

from __future__ import annotations

from pathlib import Path


def child_pids(pid: int) -> list[int]:
    """List the direct children of a process, of all its threads. Empty when it is gone."""
    found: set[int] = set()
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found.update(map(int, listing.read_text().split()))
        except OSError:  # the thread ended while we looked
            continue
    return sorted(found)


def descendant_pids(pid: int) -> list[int]:
    """List all processes below one, children first."""
    found = child_pids(pid)
    for child in list(found):
        found += descendant_pids(child)
    return found


def is_running(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    return _state(pid) not in ("", "Z", "X")


def is_stopped(pid: int) -> bool:
    """Tell whether a process was stopped by a signal, to go on by another one."""
    return _state(pid) == "T"


def _state(pid: int) -> str:
    """Return the letter that ps shows for it; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def rss_anon_bytes(pid: int) -> int:
    """Read how much private memory a process really holds; pages of files and descriptors do not count.

    Raises:
        ProcessLookupError: There is no such process.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError as error:
        raise ProcessLookupError(pid) from error
    for line in lines:
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)  # a zombie has no memory
