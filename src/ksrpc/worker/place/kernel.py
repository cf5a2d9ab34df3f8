"""Landlock: a process gives up what it will not need, for itself and all that comes of it, for good.

Rights that a kernel does not know yet cannot be given up there: `WEAKER` says what that means for each version.

Source: https://docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION = 1
_BENEATH_PATH, _AT_PORT = 1, 2
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPES = 0b11  # abstract sockets, signals
#: The rights that mean something for a file that is no folder.
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE

#: What may be done with what may be read, and with what may be written. Programs may be started nowhere.
READ = _READ_FILE | _READ_DIR
USE = READ | _WRITE_FILE
WRITE = ((1 << 16) - 1) & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEVICE)

#: Since which version of Landlock something is kept in; before, it is not.
WEAKER = {
    1: "files are bounded by the rights of the server's user alone",
    3: "files can be cut off",
    4: "TCP ports are not bounded where there is a network",
    6: "signals reach other processes of the same user",
}


def landlock_version() -> int:
    """Return the version of Landlock that this kernel has; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    version: int = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_GET_VERSION))
    return max(0, version)


def weaknesses(version: int) -> list[str]:
    """Say what a kernel of this version leaves open that others close."""
    return [text for since, text in WEAKER.items() if version < since]


class Fence:
    """Collect what stays allowed, then shut out everything else.

    Args:
        version: Of Landlock; at least 1.

    Raises:
        OSError: The kernel refuses.
    """

    def __init__(self, version: int) -> None:
        self._files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
        self._ports = _BIND_TCP | _CONNECT_TCP if version >= 4 else 0
        values = (self._files, self._ports, _SCOPES if version >= 6 else 0)
        attributes = struct.pack("=QQQ", *values)[: 8 * (1 + (version >= 4) + (version >= 6))]
        self._ruleset = _checked(
            _libc().syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
        )
        self._held: list[int] = []

    def allow(self, paths: Iterable[str], rights: int) -> None:
        """Allow what lies at or below these paths; what is not there, or cannot be looked at, is left out."""
        for path in paths:
            try:
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            self._allow_below(fd, rights)
            if path.startswith("/proc/"):
                self._held.append(fd)  # the kernel makes these anew, without the rule, once nobody holds them
            else:
                os.close(fd)

    def allow_ports(self, ports: Iterable[int]) -> None:
        """Allow to connect to these TCP ports, from any port that the system chooses."""
        if self._ports:
            self._add(_AT_PORT, struct.pack("=QQ", _BIND_TCP, 0))
            for port in ports:
                self._add(_AT_PORT, struct.pack("=QQ", _CONNECT_TCP, port))

    def shut(self) -> None:
        """Give up everything else."""
        libc = _libc()
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ctypes.c_int(self._ruleset), ctypes.c_uint(0)))
        os.close(self._ruleset)

    def _allow_below(self, fd: int, rights: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        kept = rights & self._files & (-1 if is_folder else _OF_FILES)
        self._add(_BENEATH_PATH, struct.pack("=Qi", kept, fd))

    def _add(self, kind: int, attributes: bytes) -> None:
        _checked(
            _libc().syscall(_ADD_RULE, ctypes.c_int(self._ruleset), ctypes.c_int(kind), attributes, ctypes.c_uint(0))
        )


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock: {os.strerror(code)}")
    return result
