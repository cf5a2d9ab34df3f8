"""Checks of the machine and of what is installed, and of settings that are dangerous.

Source: docs/reference/cli.md "ksrpc doctor".
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import resource
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from ksrpc import __version__
from ksrpc.cli.amount import show_bytes
from ksrpc.cli.doctor.finding import Case, Findings, fail, ok, warn

_PACKAGES = ("numpy", "pandas", "uvicorn", "msgspec", "msgpack", "websockets", "pydantic", "click", "rich", "tomlkit")
#: Package → the extra that brings it, and what for.
_EXTRAS = {
    "pyarrow": ("arrow", "Parquet and Arrow files"),
    "lz4": ("compression", "fast compression"),
    "zstandard": ("compression", "strong compression"),
}
_FILES = 4096
#: Before this ksrpc was not there: Unix time of 2026-01-01.
_EPOCH = 1_767_225_600


def check_versions(_case: Case | None = None) -> Findings:
    """Say what is installed."""
    yield ok("versions", f"ksrpc {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}")
    yield ok("versions", ", ".join(f"{name} {_version_of(name)}" for name in _PACKAGES))
    for name, (extra, purpose) in _EXTRAS.items():
        if importlib.util.find_spec(name) is None:
            yield ok("versions", f"{name} is not installed ({purpose})", f"pip install 'ksrpc[{extra}]'")
        else:
            yield ok("versions", f"{name} {_version_of(name)} ({purpose})")


def check_clock(case: Case) -> Findings:
    """See whether the clock can be right, and say in which zone days begin."""
    name = case.settings.server.time_zone
    now = datetime.now(ZoneInfo(name))
    told = f"{now:%Y-%m-%d %H:%M} in {name} (server.time_zone)"
    if time.time() < _EPOCH:
        yield fail("clock", f"{told} cannot be: tokens and kept answers would not end", "set the clock (NTP)")
    else:
        yield ok("clock", told)


def check_memory(_case: Case | None = None) -> Findings:
    """See how large answers can be handed over."""
    if not hasattr(os, "memfd_create"):
        text = "this system has no memfd: large answers are handed over through temporary files"
        yield warn("memory files", text, "serve on Linux where speed matters")
        return
    try:
        os.close(os.memfd_create("ksrpc-doctor"))
    except OSError as exc:
        cure = "allow the system call memfd_create (container, seccomp)"
        yield fail("memory files", f"memfd_create: {exc.strerror}", cure)
    else:
        yield ok("memory files", "memfd works: large answers are handed over without a copy")


def check_files(_case: Case | None = None) -> Findings:
    """See how many connections and files the process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{'unlimited' if soft < 0 else soft} open files"
    if 0 <= soft < _FILES:
        may = "" if hard < 0 or hard >= _FILES else " (as root)"
        cure = f"ulimit -n {_FILES}{may}, or LimitNOFILE={_FILES} in the systemd unit"
        yield warn("open files", f"{text}: each connection takes one", cure)
    else:
        yield ok("open files", text)


def check_dangers(case: Case) -> Findings:
    """Say aloud what gives power away."""
    settings = case.settings
    holders = {"everybody": settings.access.unsafe} | {name: user.unsafe for name, user in settings.user.items()}
    for name, roots in holders.items():
        if roots:
            text = f"UNSAFE for {name}: {', '.join(roots)}: whoever may call these owns the worker processes"
            yield warn("danger", text, "keep it to users whom you would give a shell on this machine")
    if settings.access.anonymous:
        text = "ANONYMOUS: whoever can log in to this machine may call, no token needed"
        yield warn("danger", text, "access.anonymous = false, then ksrpc user add NAME")
    if settings.call.traceback:
        text = "TRACEBACK: callers see source lines and paths of this machine"
        yield warn("danger", text, "call.traceback = false")


def check_memory_limit(case: Case) -> Findings:
    """Compare what workers may take with what the machine has."""
    try:
        have = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return
    limit = case.settings.call.memory_mb << 20
    text = f"{show_bytes(have)} of memory; a worker process may take {show_bytes(limit)} (call.memory_mb)"
    if limit > have:
        yield warn("memory", text, "set call.memory_mb below what the machine has")
    else:
        yield ok("memory", text)


def _version_of(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
