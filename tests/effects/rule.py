"""Say which effects a call may have: the package's own code is read, nothing else is touched."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Iterable

#: What pandas and we import when it is first needed, under literal names: done before the observers listen → why.
LAZY: dict[str, str] = {
    "ksrpc.wire.columnar.stream": "parts of the codec, with the first value that needs them",
    "ksrpc.wire.tabular": "the same",
    "pyarrow.compute": "pandas keeps texts in its arrays where it is installed",
    "pyarrow.pandas_compat": "the same",
    "scipy.interpolate": "pandas interpolates with it",
    "scipy.stats": "pandas ranks with it, for correlations",
}
#: Packages whose modules may be imported later, too → why.
LATER: dict[str, str] = {
    "importlib": "zoneinfo looks for its data in the package tzdata",
    "ksrpc": "parts of the codec",
    "narwhals": "scikit-learn looks with it what kind of table it was given",
    "pyarrow": "parts of it, by literal names",
    "pytz": "pyarrow knows zones by it, where it is installed",
    "scipy": "parts of it, by literal names",
    "tzdata": "the data of time zones, where the system has none",
}
#: Functions that make code, as "module.function" → why. What they make must not hold a caller's text.
MAKERS: dict[str, str] = {
    "ast.parse": "inspect reads the signatures that C functions were built with",
    "collections.namedtuple": "makes the constructor of a class that a library declares",
    "typing.__init__": "annotations that a library wrote as texts",
}
#: Other events of our own code → why.
OWN: dict[str, str] = {
    "os.listdir / for ksrpc.expose.veil._any_place": "covers places in texts of errors: knows the top folders",
}
#: Where a name of a time zone may lead; gate C lets no step upwards through (class `zone`).
ZONES = ("/usr/share/zoneinfo/", "/usr/lib/zoneinfo/", "/usr/share/lib/zoneinfo/", "/etc/zoneinfo/")
_ZONE_MODULES = "import tzdata.zoneinfo."
#: Stands in every text that names a file, a module or code: what shows it acts on a caller's word.
CANARY = "canary"
_READ = tuple(
    dict.fromkeys((
        sys.prefix, sys.base_prefix, sys.exec_prefix, *(sysconfig.get_paths().values()), *filter(None, sys.path),
        "/usr/share/zoneinfo", "/usr/lib", "/lib", "/sys/devices/system", "/sys/fs/cgroup", "/proc/self",
        "/proc/meminfo", "/proc/cpuinfo", "/proc/sys/vm/overcommit_memory", "/etc/localtime", "/dev/null",
        "/dev/urandom",
    ))
)  # fmt: skip


def is_finding(event: str, roots: Iterable[str]) -> bool:
    """Tell whether an event of the observer within is outside the rules."""
    if event in OWN or (event.startswith(_ZONE_MODULES) and event.removeprefix(_ZONE_MODULES).isidentifier()):
        return False
    if event.startswith("open ") and _is_zone(event[5:].rpartition(" ")[0]):
        return False
    if CANARY in event or event.endswith("of the caller's text"):
        return True
    kind, _, rest = event.partition(" ")
    if kind == "import":
        root = rest.partition(".")[0]
        return root not in roots and root not in LATER
    if kind == "open":
        path, _, mode = rest.rpartition(" ")
        return not (may_read(path) and (mode in ("r", "rb") or (mode.isdigit() and not int(mode) & 3)))
    if kind in ("exec", "compile"):
        source, _, maker = rest.partition(" for ")
        return not may_read(source) and maker not in MAKERS
    if kind in ("os.listdir", "os.scandir"):  # the finder looks where a module may be
        return not may_read(rest.partition(" for ")[0])
    return True


def may_read(path: str) -> bool:
    """Tell whether a path is the interpreter's, a package's or the system's libraries."""
    plain = os.path.normpath(path)
    return any(plain == known or plain.startswith(known.rstrip("/") + "/") for known in _READ)


def _is_zone(path: str) -> bool:
    return os.path.normpath(path).startswith(ZONES)


_CALL = re.compile(r"(?:\d+ +)?(\w+)\((.*)")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WRITES = re.compile(r"O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)")
#: System calls that name a file and only look.
_LOOKS = frozenset((
    "access", "faccessat", "faccessat2", "getcwd", "lstat", "newfstatat", "open", "openat", "openat2", "readlink",
    "readlinkat", "stat", "statfs", "statx",
))  # fmt: skip


def is_foreign(line: str) -> bool:
    """Tell whether a line of strace is outside the rules."""
    found = _CALL.match(line)
    if found is None or "resumed>" in line:
        return False
    name, rest = found.groups()
    if name in ("clone", "clone3"):
        return "CLONE_THREAD" not in rest
    if name not in _LOOKS:
        return True
    path = _TEXT.search(rest)
    if path is not None and _is_zone(path[1]) and not _WRITES.search(rest):
        return False
    if CANARY in rest or _WRITES.search(rest):
        return True
    return path is not None and not (may_read(path[1]) or path[1] in ("", "/"))
