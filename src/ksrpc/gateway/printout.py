"""What libraries print in a worker process, for `ksrpc serve --worker-output`: line by line, cut, without secrets.

Rules: nothing printed can steer a terminal, or pass as a line of the gateway's own; a process that prints without end
costs a bounded amount of memory and never waits for a reader that is slow.

Source: docs/reference/cli.md "ksrpc serve".
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Final

from ksrpc.text import clean
from ksrpc.vault import forms_of

__all__ = ["Printout"]

_LINE_BYTES: Final = 8192


class Printout:
    """Pass on what is written to a pipe, from a thread of its own; it ends when nobody has the pipe open any more.

    Args:
        label: Stands before each line.
        secrets: Texts that are not to be shown, in any of the usual encodings.
        write: Takes each line; standard error by default.
    """

    def __init__(
        self, label: str, secrets: Iterable[str] = (), *, write: Callable[[str], object] | None = None
    ) -> None:
        forms = sorted((form for text in secrets for form in forms_of(text)), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, forms))) if forms else None
        self._longest = max(map(len, forms), default=1)
        self._label = label
        self._write = write or _say
        self._reader, self.writer = os.pipe()
        threading.Thread(target=self._follow, name="ksrpc-printout", daemon=True).start()

    def hand_over(self) -> None:
        """Close our end of the pipe, after a process was given its own."""
        os.close(self.writer)

    def _follow(self) -> None:
        with open(self._reader, "rb") as pipe:
            while line := pipe.readline(_LINE_BYTES):
                rest = line
                while rest and not rest.endswith(b"\n"):  # of a longer line only the beginning is kept
                    rest = pipe.readline(_LINE_BYTES)
                self._write(f"[{self._label}] {self._plain(line)}\n")

    def _plain(self, line: bytes) -> str:
        text = line.decode("utf-8", "replace")
        if self._secrets is not None:
            text = self._secrets.sub("<secret>", text)
        if not line.endswith(b"\n") and len(line) == _LINE_BYTES:
            text = f"{text[: -self._longest]}…"  # it may have been cut within a secret
        return clean(text.rstrip("\n"))


def _say(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()
