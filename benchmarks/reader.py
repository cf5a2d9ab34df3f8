"""Fetch one huge result without keeping it: HTTP on a bare socket, WebSocket with the session's credit."""

from __future__ import annotations

import socket
import time
from typing import Protocol

from websockets.sync.client import connect

from ksrpc import wire
from ksrpc.protocol import Caller
from ksrpc.protocol.event import Event, Greeted, RaiseCame, ResultCame
from tests.helpers.server import GatewayProcess

_PIECE_BYTES = 1 << 20
_RECEIVE_BUFFER_BYTES = 256 << 10  # small, so that the kernel does not do the waiting


class Reader(Protocol):
    """Take a result piece by piece, as slowly as the caller likes."""

    def take(self) -> int:
        """Read some bytes of the result and forget them. 0 at its end."""

    def close(self) -> None:
        """Let go of the connection."""


class HttpReader:
    """Ask by HTTP for what a path gives, and read the socket."""

    def __init__(self, gateway: GatewayProcess, path: str) -> None:
        self._socket = _connect(gateway)
        head = (
            f"POST /v1/call/{path} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nConnection: close\r\n"
            f"Accept: {wire.MEDIA_TYPE}\r\nContent-Length: 0\r\n\r\n"
        )
        self._socket.sendall(head.encode())
        self._buffer = bytearray(_PIECE_BYTES)

    def take(self) -> int:
        """Read what is there, 1 MiB at most."""
        return self._socket.recv_into(self._buffer)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class WebSocketReader:
    """Ask by WebSocket for what a path gives, and grant credit for what was read."""

    def __init__(self, gateway: GatewayProcess, path: str) -> None:
        url = gateway.ws_url + "/ws/bytes"
        self._socket = connect(url, sock=_connect(gateway), compression=None, max_size=None, max_queue=1)
        self._session = Caller(now=time.monotonic())
        self._session.greet({})
        self._flush()
        while not isinstance(self._receive(), Greeted):
            pass
        self._session.call({"path": path}, [wire.pack_arguments((), {}).join()])
        self._flush()
        self._is_over = False

    def take(self) -> int:
        """Read one slice of the result.

        Raises:
            RuntimeError: The call failed.
        """
        while not self._is_over:
            event = self._receive()
            if isinstance(event, RaiseCame):
                raise RuntimeError(f"the call failed: {event.meta}")
            if isinstance(event, ResultCame):
                self._is_over = event.fin
                if event.credited:
                    self._session.consume(event.call, len(event.body))
                    self._flush()
                if event.body:
                    return len(event.body)
        return 0

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _receive(self) -> Event | None:
        message = self._socket.recv(timeout=60)
        if isinstance(message, str):
            raise TypeError("a text message on a binary protocol")
        return self._session.receive(message, time.monotonic())

    def _flush(self) -> None:
        while (frame := self._session.pull()) is not None:
            self._socket.send(b"".join(frame))


def _connect(gateway: GatewayProcess) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", gateway.port))
    return connection
