"""What an answer is that stands for an object on the server.

Source: docs/spec/protocol.md "Handles".
"""

from __future__ import annotations

import os
import re
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ksrpc.errors import LostError

#: Path of the call that lets objects go; its arguments are one list of handles.
RELEASE = "@release"
#: Media type of such an answer over HTTP; the handle is in the header.
MEDIA_TYPE = "application/vnd.ksrpc.v1.handle"
HEADER = "X-Ksrpc-Handle"
#: Names the session that handles of a client belong to, over HTTP.
SESSION_HEADER = "X-Ksrpc-Session"
#: Handles that are let go with a request, over HTTP.
RELEASE_HEADER = "X-Ksrpc-Release"
#: So many are let go at once.
RELEASES = 100

#: What a header of them is at most.
_RELEASE_HANDLES = 50
_HANDLE = re.compile(r"[0-9a-f]{32}")
SESSION_NAME = _HANDLE


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Hold a handle, and what the server tells of its object.

    Attributes:
        id: The handle.
        description: A dict of `class`, `doc`, `members` and `context`.
        release: Lets the server know, soon, that nobody needs it; never waits, and may be called from anywhere.
    """

    id: str
    description: dict[str, Any]
    release: Callable[[str], None]


def check_handle(text: object) -> str:
    """Return a handle as the server sent it.

    Raises:
        LostError: It is none.
    """
    if not isinstance(text, str) or not _HANDLE.fullmatch(text):
        raise LostError("the server sent an object without its handle")
    return text


class HandleSession:
    """Be what handles of one HTTP client belong to: its name, and what is to be let go with the next request.

    Attributes:
        name: Random; the server takes no other client's handles with it.
        is_used: Whether an object was kept for it.
        pid: Which process it was kept for.
    """

    def __init__(self) -> None:
        self.name = secrets.token_hex(16)
        self.is_used = False
        self.pid = 0
        self._released: deque[str] = deque()

    def adopt(self, handle: object, description: Any) -> Held:
        """Make what an answer stands for."""
        self.is_used, self.pid = True, os.getpid()
        return Held(check_handle(handle), description, self._released.append)

    def headers(self) -> dict[str, str]:
        """Return the headers of the next request."""
        found = {SESSION_HEADER: self.name}
        if self._released:
            count = min(_RELEASE_HANDLES, len(self._released))
            found[RELEASE_HEADER] = ",".join(self._released.popleft() for _ in range(count))
        return found
