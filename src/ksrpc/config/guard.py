"""Files that decide what this server does must be changeable by its owner alone.

Source: docs/reference/config.md "Who may write".
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from ksrpc.errors import ConfigError

_EVERYBODY = 0o002
_GROUP = 0o020


def read_guarded(path: Path, *, limit_bytes: int) -> bytes:
    """Read a file that only its owner can have written.

    Raises:
        ConfigError: It is no plain file, over the limit, or others could have written it.
        OSError: It cannot be opened.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{path} cannot be read: it is not a file")
        _check_writers(path, found)
        if found.st_size > limit_bytes:
            raise ConfigError(f"{path} cannot be read: it is over {limit_bytes >> 10} KiB")
        return file.read(limit_bytes)


def check_code(path: Path) -> None:
    """See to it that a file or folder of Python code, and where it truly lies, is nobody else's to change.

    Raises:
        ConfigError: Others can change it; the text names the command that cures it.
        OSError: It cannot be looked at.
    """
    true = path.resolve()
    _check_writers(path, true.stat())
    folder = true.parent.stat()
    if folder.st_mode & _EVERYBODY and not folder.st_mode & stat.S_ISVTX:
        raise ConfigError(
            f"{path} lies in {true.parent}, where every user of this machine can replace it: "
            f"chmod o-w {shlex.quote(str(true.parent))}"
        )


def _check_writers(path: Path, found: os.stat_result) -> None:
    name = shlex.quote(str(path))
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(
            f"{path} belongs to another user (uid {found.st_uid}), who could change it: chown {os.geteuid()} {name}"
        )
    if found.st_mode & _EVERYBODY:
        raise ConfigError(f"{path} can be changed by every user of this machine: chmod go-w {name}")
    is_private = found.st_uid == os.geteuid() and found.st_gid == os.getegid()
    if found.st_mode & _GROUP and not is_private:
        raise ConfigError(f"{path} can be changed by the group {found.st_gid}: chmod g-w {name}")
