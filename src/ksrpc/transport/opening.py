"""Open the socket of a conversation, blocking: connect, shake hands, and greet or go on where the last one broke.

Source: docs/spec/protocol.md "Greeting", "Resume".
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from threading import Lock

from ksrpc.errors import ConnectError, KsrpcError, LostError
from ksrpc.limits import SESSION
from ksrpc.transport.backoff import PASSING, Backoff
from ksrpc.transport.conversation import Conversation
from ksrpc.transport.dial import Address, dial, hang_up
from ksrpc.transport.intake import arm


def open_socket(talk: Conversation, lock: Lock, address: Address, connect_s: float | None) -> socket.socket:
    """Return a socket on which the conversation can go on.

    Args:
        talk: A new conversation, or one that was restarted.
        lock: Held while what comes is taken in.
        address: Where to connect to.
        connect_s: The time for it; None waits for the connection as long as the system does.

    Raises:
        ConnectError: There is no ksrpc WebSocket now.
        KsrpcError: The server refuses; the class says why. LostError: it does not have the session any more.
    """
    sock = dial(address, connect_s)
    try:
        until = time.monotonic() + (connect_s if connect_s is not None else SESSION.hello_s)
        _shake_hands(talk, sock, until)
        _greet(talk, lock, sock, until)
    except TimeoutError:
        hang_up(sock)
        raise ConnectError("the server accepted the connection and then said nothing") from None
    except BaseException:
        hang_up(sock)
        raise
    return sock


def reopen_socket(
    talk: Conversation, lock: Lock, address: Address, connect_s: float | None, pause: Callable[[float], bool]
) -> socket.socket:
    """Return another socket on which the conversation can go on.

    Args:
        talk: As for `open_socket`; so the others.
        lock: Held while the conversation is touched.
        address: Where to connect to.
        connect_s: The time for one attempt; no more than for a greeting in any case.
        pause: Waits so many seconds, and tells whether anybody wants this still.

    Raises:
        LostError: The session is lost.
    """
    backoff = Backoff(talk.resume_s)
    while True:
        times_s = (connect_s, SESSION.hello_s, backoff.left_s)
        try:
            with lock:
                talk.restart()
            return open_socket(talk, lock, address, min(t for t in times_s if t is not None))
        except PASSING as exc:
            pause_s = backoff.pause_s(exc)
            if pause_s is None or not pause(pause_s):
                raise LostError("the connection broke and could not be resumed") from None
        except KsrpcError as exc:
            raise LostError(f"the connection broke, and the session cannot be resumed: {exc}") from None


def _shake_hands(talk: Conversation, sock: socket.socket, until: float) -> None:
    try:
        sock.settimeout(_left_s(until))
        sock.sendall(talk.request())
        is_over = False
        while not is_over:
            is_over = talk.shake(_receive(talk, sock, until))
    except OSError as exc:
        if isinstance(exc, KsrpcError | TimeoutError):
            raise
        raise ConnectError(f"the connection broke during the handshake: {exc}") from exc


def _greet(talk: Conversation, lock: Lock, sock: socket.socket, until: float) -> None:
    is_new = not talk.welcome
    try:
        sock.sendall(talk.pull()[0] if is_new else talk.attach())
        while not talk.is_attached:
            data = _receive(talk, sock, until)
            if not data:
                raise ConnectError("the server did not greet: the server closed the connection")
            with lock:
                talk.receive(data)
        arm(sock)
    except KsrpcError as exc:
        if not is_new or isinstance(exc, ConnectError):
            raise
        raise ConnectError(f"the server did not greet: {exc}") from None
    except OSError as exc:
        if isinstance(exc, TimeoutError):
            raise
        raise ConnectError(f"the server did not greet: the connection broke: {exc}") from exc


def _receive(talk: Conversation, sock: socket.socket, until: float) -> memoryview:
    sock.settimeout(_left_s(until))
    room = talk.room()
    return room[: sock.recv_into(room)]


def _left_s(until: float) -> float:
    left_s = until - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
