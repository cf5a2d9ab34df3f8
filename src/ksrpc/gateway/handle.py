"""Objects that are kept for callers: who may use which, for how long, and how they go.

Rules:
* A handle is 128 random bits and means something to one user in one session only. For everybody else, and when it is
  gone, the answer is the one same error.
* It goes when it is released, when nobody used it for a while, and with its session, its user's token, its process.

Source: docs/spec/policy.md "Handles"; THREATS H9, H11.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ksrpc.errors import BusyError, NotFoundError
from ksrpc.gateway.call import Answer, Call, Pin
from ksrpc.limits import HANDLES
from ksrpc.model import User

__all__ = ["GONE", "MARK", "RELEASE", "Handle", "Handles", "Home", "parse_handle"]

#: What the path of a call begins with that is about a kept object, or a chain.
MARK = "@"
#: The path of a call that lets kept objects go.
RELEASE = "@release"
#: The one text for unknown, somebody else's, released and lost.
GONE = "no such object is kept for you here: it was released or not used for long, its session or process ended"
_PATH = re.compile(r"@([0-9a-f]{32})\.([^.@!\s]{1,80})")


class Home(Protocol):
    """Be what a kept object's process belongs to; it stays as long as something is counted in it."""

    calls: int


@dataclass(slots=True)
class Handle:
    """Hold what is known of one kept object.

    Attributes:
        running: How many calls use it now.
        used_at: When it was last used, on the loop's clock.
        home: What its process belongs to.
    """

    id: str
    user: User
    session: str
    pin: Pin
    home: Home
    used_at: float
    running: int = 0

    def is_for(self, call: Call) -> bool:
        """Tell whether it was given to whoever calls now."""
        user = call.user
        return bool(call.session) and (self.session, self.user.name, self.user.token_id) == (
            call.session,
            user.name,
            user.token_id,
        )

    async def run(self, call: Call, name: str) -> Answer:
        """Use a name of it."""
        loop = asyncio.get_running_loop()
        self.running += 1
        try:
            return await self.pin.run(call, name)
        finally:
            self.running -= 1
            self.used_at = loop.time()


class Handles:
    """Know all kept objects.

    Args:
        per_user: How many one user may have at a time.
        idle_s: How long one is kept that nobody uses [s].
    """

    def __init__(self, *, per_user: int, idle_s: float) -> None:
        self._entries: dict[str, Handle] = {}
        self._counts: Counter[str] = Counter()
        self._sessions: dict[str, set[str]] = {}
        self.adjust(per_user=per_user, idle_s=idle_s)

    def __len__(self) -> int:
        return len(self._entries)

    def adjust(self, *, per_user: int, idle_s: float) -> None:
        """Follow the configuration; what is kept stays."""
        self._per_user, self._idle_s = per_user, idle_s

    def count(self, user: str) -> int:
        """Return how many objects are kept for a user."""
        return self._counts[user]

    def check_room(self, user: str) -> None:
        """See to it that one more may be kept.

        Raises:
            BusyError: The user has too many, or all together have.
        """
        if self._counts[user] >= self._per_user:
            raise BusyError(f"{self._per_user} objects are kept for you already (call.handles): release some")
        if len(self._entries) >= HANDLES:
            raise BusyError(f"this server keeps {HANDLES} objects already; try again later")

    def keep(self, call: Call, pin: Pin, home: Home) -> str:
        """Enter an object and return its handle.

        Raises:
            BusyError: As `check_room`; the object is let go.
        """
        try:
            self.check_room(call.user.name)
        except BusyError:
            pin.close()
            raise
        name = secrets.token_hex(16)
        now = asyncio.get_running_loop().time()
        self._entries[name] = Handle(name, call.user, call.session, pin, home, now)
        home.calls += 1
        self._counts[call.user.name] += 1
        self._sessions.setdefault(call.session, set()).add(name)
        return name

    def find(self, call: Call, name: str) -> Handle:
        """Return the object that a handle means to whoever calls.

        Raises:
            NotFoundError: None; always the same text.
        """
        handle = self._entries.get(name)
        if handle is not None and handle.pin.is_lost:
            self._drop(handle)
            handle = None
        if handle is None or not handle.is_for(call):
            raise NotFoundError(GONE)
        return handle

    def release(self, call: Call, names: Iterable[str]) -> None:
        """Let go of those that are the caller's; nothing is said of others."""
        for name in names:
            handle = self._entries.get(name)
            if handle is not None and handle.is_for(call):
                self._drop(handle)

    def end_session(self, call: Call) -> None:
        """Let go of all that belongs to the caller's session."""
        self.release(call, list(self._sessions.get(call.session, ())))

    def forget_session(self, session: str) -> None:
        """Let go of all that belongs to a session which has ended."""
        for name in list(self._sessions.get(session, ())):
            self._drop(self._entries[name])

    def tick(self, is_valid: Callable[[User], bool]) -> None:
        """Let go of what is idle for long, whose user lost the right, and what is lost; called every second."""
        now = asyncio.get_running_loop().time()
        for handle in list(self._entries.values()):
            is_idle = not handle.running and now - handle.used_at > self._idle_s
            if is_idle or handle.pin.is_lost or not is_valid(handle.user):
                self._drop(handle)

    def _drop(self, handle: Handle) -> None:
        if self._entries.pop(handle.id, None) is None:
            return
        self._counts[handle.user.name] -= 1
        if not self._counts[handle.user.name]:
            del self._counts[handle.user.name]
        names = self._sessions[handle.session]
        names.discard(handle.id)
        if not names:
            del self._sessions[handle.session]
        handle.pin.close()
        handle.home.calls -= 1


def parse_handle(path: str) -> tuple[str, str]:
    """Take the path of a call on a kept object apart: its handle, and the name.

    Raises:
        NotFoundError: It is none; the same text as for one that is not there.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise NotFoundError(GONE)
    return found[1], found[2]
