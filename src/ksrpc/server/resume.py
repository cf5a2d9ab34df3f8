"""The sessions that may go on on another connection, and for how long they are kept without one.

Source: docs/spec/protocol.md "Resume".
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

from ksrpc.errors import KsrpcError, NotFoundError
from ksrpc.gateway import Gateway
from ksrpc.limits import RESUME, ResumeLimits
from ksrpc.model import User

if TYPE_CHECKING:
    from ksrpc.server.websocket import SessionShell

_SWEEP_S = 1.0
_ID_BYTES = 16


class Sessions:
    """Find sessions by their id; end those that nobody comes back for."""

    def __init__(self, gateway: Gateway, limits: ResumeLimits = RESUME) -> None:
        self.limits = limits
        self._gateway = gateway
        self._known: dict[str, SessionShell] = {}
        self._kept: dict[str, float] = {}  # id → when it ends; the oldest first
        self._sweeping: asyncio.TimerHandle | None = None

    def add(self, session: SessionShell) -> str:
        """Name a session; the name is a secret of its client."""
        name = secrets.token_hex(_ID_BYTES)
        self._known[name] = session
        return name

    @property
    def connected(self) -> int:
        """Return how many have a connection."""
        return len(self._known) - len(self._kept)

    @property
    def waiting(self) -> int:
        """Return how many have none."""
        return len(self._kept)

    def find(self, name: object, user: User) -> SessionShell:
        """Return the session of this name.

        Raises:
            NotFoundError: There is none, or it began with another user or another token.
        """
        session = self._known.get(name) if isinstance(name, str) else None
        if session is None or (session.user.name, session.user.token_id) != (user.name, user.token_id):
            raise NotFoundError("no session of this name is kept; begin a new one")
        return session

    def keep(self, session: SessionShell) -> None:
        """Keep a session that lost its connection; at the bound the oldest one goes."""
        self._kept[session.name] = time.monotonic() + self.limits.window_s
        mine = [name for name in self._kept if self._known[name].user.name == session.user.name]
        if len(mine) > self.limits.user_sessions:
            self._end(mine[0])
        if len(self._kept) > self.limits.sessions:
            self._end(next(iter(self._kept)))
        self._schedule()

    def resume(self, session: SessionShell) -> None:
        """Take note that a session has a connection again."""
        self._kept.pop(session.name, None)

    def forget(self, session: SessionShell) -> None:
        """Take note that a session has ended."""
        self._known.pop(session.name, None)
        self._kept.pop(session.name, None)

    def close(self) -> None:
        """End all that are kept."""
        for name in list(self._kept):
            self._end(name)
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _schedule(self) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """End what is over its time, has lost its right, or is too much to hold."""
        self._sweeping = None
        now = time.monotonic()
        for name, until in list(self._kept.items()):
            if now >= until or not self._may_stay(self._known[name]):
                self._end(name)
        held_bytes = {name: self._known[name].held_bytes for name in self._kept}
        total_bytes = sum(held_bytes.values())
        for name, size in held_bytes.items():
            if total_bytes <= self.limits.sessions_bytes:
                break
            self._end(name)
            total_bytes -= size
        if self._kept:
            self._schedule()

    def _may_stay(self, session: SessionShell) -> bool:
        try:
            self._gateway.door.renew(session.user)
            self._gateway.door.admit(session.visitor)
        except KsrpcError:
            return False
        return True

    def _end(self, name: str) -> None:
        self._kept.pop(name, None)
        self._known[name].end()
