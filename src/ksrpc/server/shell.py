"""One WebSocket connection, whatever is spoken on it: its handshake, its user's right, its end.

Source: docs/reference/websocket.md.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from typing import Any, TypeAlias

import msgspec

from ksrpc.errors import (
    AddressError,
    AuthError,
    BusyError,
    KsrpcError,
    LostError,
    NotFoundError,
    ProtocolError,
    TooLargeError,
)
from ksrpc.gateway import Gateway
from ksrpc.gateway.identify import Visitor
from ksrpc.gateway.ticket import find_ticket
from ksrpc.model import User
from ksrpc.server.exchange import COMMON
from ksrpc.server.problem import pack_problem
from ksrpc.server.request import comes_by_file
from ksrpc.transport.steady import EXTENSION, SteadyProtocol

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_AWAY = 1001
_NO_SESSION = 4004
#: Why the server hangs up, as a code of RFC 6455 section 7.4.1.
_CODES = {
    ProtocolError: 1002,
    LostError: _AWAY,
    AuthError: 1008,
    AddressError: 1008,
    BusyError: 1008,
    TooLargeError: 1009,
    NotFoundError: _NO_SESSION,
}
_REASON_CHARS = 100
_KEEP_S = 1.0


class Shell(ABC):
    """Own one connection and the calls that run on it.

    Attributes:
        steady: The connection itself, where it can be called; None on another server than ours.
        end_code: The code with which the peer closed it, once it did.
    """

    steady: SteadyProtocol | None = None
    end_code = 0

    def __init__(self, gateway: Gateway, user: User, visitor: Visitor, send: Send) -> None:
        self._gateway = gateway
        self._user = user
        self._visitor = visitor
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}

    async def serve(self, receive: Receive) -> None:
        """Take messages until the peer goes, breaks a rule, falls silent or loses its right."""
        keeper = self._loop.create_task(self._keep(asyncio.current_task()))
        try:
            while (message := await receive())["type"] == "websocket.receive":
                if (rest := self._take(message)) is not None:
                    await rest
            self.end_code = message.get("code", 0)
        finally:
            keeper.cancel()
            for task in list(self._tasks.values()):
                task.cancel()

    @abstractmethod
    def _take(self, message: Message) -> Awaitable[None] | None:
        """Act on one message; return what is to be awaited before the next one is taken, if anything.

        Raises:
            KsrpcError: The connection is over; the text is told as the reason.
        """

    @abstractmethod
    def _tick(self, now: float) -> None:
        """Do what is due; called every second.

        Raises:
            LostError: The peer was silent for too long.
        """

    async def _keep(self, server: asyncio.Task[Any] | None) -> None:
        """Notice silence, revoked tokens, and address rules that have become narrower."""
        while True:
            await asyncio.sleep(_KEEP_S)
            try:
                self._gateway.door.renew(self._user)
                self._gateway.door.admit(self._visitor)
                self._tick(time.monotonic())
            except (KsrpcError, OSError) as exc:
                await self._say_end(exc)
                if server is not None:
                    server.cancel()
                return

    async def _say_end(self, error: Exception) -> None:
        """Close and tell the peer why."""
        await self._send(_pack_close(error))


#: Makes the shell of one connection.
MakeShell: TypeAlias = Callable[[Gateway, User, Visitor, Send], Shell]


async def serve_socket(
    gateway: Gateway, scope: Message, receive: Receive, send: Send, *, shell: MakeShell | None
) -> None:
    """Serve one connection from its handshake to its end; without a shell nothing is at its address."""
    await receive()
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope.get("client")
    visitor = Visitor(client[0] if client else "", headers, is_unix=comes_by_file(scope))
    ticket, protocol = find_ticket(headers)
    try:
        user = await _let_in(gateway, visitor, scope["path"], ticket)
        if shell is None:
            raise NotFoundError("no such address; sessions are at /ws/bytes, calls in JSON at /ws/json")
        seats = gateway.door.seats
        seats.take(user.name, gateway.config.access.connections)
    except KsrpcError as exc:
        await _reject(send, exc)
        return
    try:
        await send({"type": "websocket.accept", "subprotocol": protocol} if ticket else {"type": "websocket.accept"})
        made = shell(gateway, user, visitor, send)
        made.steady = scope.get("extensions", {}).get(EXTENSION)
        await made.serve(receive)
    except KsrpcError as exc:
        await send(_pack_close(exc))
    except (OSError, asyncio.CancelledError):
        return
    finally:
        seats.leave(user.name)


async def _let_in(gateway: Gateway, visitor: Visitor, route: str, ticket: str) -> User:
    """Identify who opens a connection: by the token, or by a ticket where there is none."""
    door = gateway.door
    if ticket and "authorization" not in visitor.headers:
        user = door.take_ticket(visitor, route, ticket)
    else:
        await door.prepare(visitor)
        user = door.identify(visitor)
    door.check_origin(visitor)
    return user


def _pack_close(error: BaseException) -> Message:
    code = next((code for cls, code in _CODES.items() if isinstance(error, cls)), _AWAY)
    return {"type": "websocket.close", "code": code, "reason": str(error)[:_REASON_CHARS]}


async def _reject(send: Send, exc: KsrpcError) -> None:
    """Refuse the handshake with a true status and a problem document."""
    problem = pack_problem(exc)
    body = msgspec.json.encode(problem.fields)
    headers = [(b"content-type", b"application/problem+json"), *COMMON, *problem.headers]
    await send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
