"""Notice that the configuration is to be read anew.

Source: docs/howto/serve-a-team.md "Change the configuration".
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

#: Touched in the data folder by `ksrpc config reload`.
SIGNAL_NAME = "reload"

_Stamp: TypeAlias = tuple[int, int, int] | None


class Watch:
    """Look at the files' stamps; the reader reads once they have stood still from one look to the next.

    Make it before the configuration is read for the first time, so that no change falls between the two.

    Args:
        path: The configuration.
    """

    def __init__(self, path: Path) -> None:
        self._paths = [path]
        self._taken = self._seen = self._stamps()

    def include(self, data_dir: Path) -> None:
        """Look at the signal file of a data folder too."""
        signal = data_dir / SIGNAL_NAME
        self._paths.append(signal)
        self._taken += (_stamp(signal),)
        self._seen += (_stamp(signal),)

    def has_news(self) -> bool:
        """Tell, once for each change, whether there is one and nobody is writing at the moment."""
        before, self._seen = self._seen, self._stamps()
        if self._seen == self._taken or self._seen != before:
            return False
        self._taken = self._seen
        return True

    def _stamps(self) -> tuple[_Stamp, ...]:
        return tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
