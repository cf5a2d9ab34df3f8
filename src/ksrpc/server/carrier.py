"""One WebSocket connection that carries a session: one that begins on it, or one whose last connection broke.

Source: docs/spec/protocol.md "Carriers", "Resume".
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any

from ksrpc.errors import LostError, ProtocolError
from ksrpc.gateway import Gateway
from ksrpc.gateway.identify import Visitor
from ksrpc.limits import SESSION
from ksrpc.model import User
from ksrpc.protocol import FrameType, parse_frame
from ksrpc.server.negotiation import OLD_CLIENT, PICKLE_STARTS
from ksrpc.server.resume import Sessions
from ksrpc.server.shell import Message, Receive, Send, Shell
from ksrpc.server.websocket import SessionShell

_ATTACH = int(FrameType.ATTACH)
#: The peer hung up without saying that it wanted to (RFC 6455 section 7.4.1: no code, or none came).
_UNSAID = (1005, 1006)


class Carrier(Shell):
    """Own one connection and hand its messages to the session on it.

    Attributes:
        visitor: Who is at the other end.
        is_writing: Whether a task is sending on it.
    """

    def __init__(self, sessions: Sessions, gateway: Gateway, user: User, visitor: Visitor, send: Send) -> None:
        super().__init__(gateway, user, visitor, send)
        self.visitor = visitor
        self.is_writing = False
        self._sessions = sessions
        self._opened_at = time.monotonic()
        self._session: SessionShell | None = None
        self._fault: Exception | None = None
        self._is_broken = False

    async def serve(self, receive: Receive) -> None:
        """Take messages by plain calls where the connection offers that, by `receive` where it does not."""
        if self.steady is not None:
            self.steady.divert(self._take_now)
        try:
            await super().serve(receive)
            self._is_broken = self._fault is None and self.end_code in _UNSAID
        finally:
            if self.steady is not None:
                self.steady.divert(None)
            if self._session is not None:
                self._session.leave(self, is_broken=self._is_broken)
        if self._fault is not None:
            raise self._fault

    def drop(self) -> None:
        """Hang up without a word: the session has another connection now."""
        if self.steady is not None:
            self.steady.divert(None)
            self.steady.transport.abort()

    async def send(self, frame: Message) -> None:
        """Send a message the way of every ASGI server."""
        await self._send(frame)

    def _take_now(self, message: Message) -> None:
        try:
            rest = self._take(message)
        except Exception as exc:
            self._fault = exc
            if self.steady is not None:
                self.steady.stop()
        else:
            if rest is not None and self._session is not None:
                self._session.spawn(rest)

    def _take(self, message: Message) -> Coroutine[Any, Any, None] | None:
        data: bytes | None = message.get("bytes")
        if data is None:
            raise ProtocolError("text messages are not spoken here, only binary ones")
        session = self._session
        if session is None:
            session = self._session = self._open(data)
            if data[:1] == bytes((_ATTACH,)):
                return None
        return session.take(data) if session.carrier is self else None

    def _open(self, data: bytes) -> SessionShell:
        """Find the session to which the first message belongs, or make one."""
        if data.startswith(PICKLE_STARTS):
            raise ProtocolError(OLD_CLIENT)
        if data[:1] != bytes((_ATTACH,)):
            return SessionShell(self._gateway, self._user, self._sessions, self)
        frame = parse_frame(data)
        session = self._sessions.find(frame.meta.get("session"), self._user)
        session.attach(self, frame.offset)
        return session

    def _tick(self, now: float) -> None:
        if self._session is None:
            if now - self._opened_at >= SESSION.hello_s:
                raise LostError(f"no HELLO within {SESSION.hello_s:g} s")
        elif self._session.carrier is self:
            self._session.tick(now)

    async def _say_end(self, error: Exception) -> None:
        """Close; a peer that fell silent may come back, so it is not told that this is the end."""
        may_return = self._session is not None and bool(self._session.name)
        if may_return and self.steady is not None and isinstance(error, LostError):
            self._is_broken = True
            self.steady.transport.abort()
        else:
            await super()._say_end(error)
