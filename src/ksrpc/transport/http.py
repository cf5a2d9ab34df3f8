"""Blocking HTTP: one call a request, kept-alive connections shared by many threads.

Values are received straight into their buffers. Redirects are not followed: a token goes only where it was sent.

Source: docs/reference/http.md.
"""

from __future__ import annotations

import http.client
import select
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ksrpc import __version__, wire
from ksrpc.errors import DeadlineError, DecodeError, LostError, TooLargeError
from ksrpc.limits import ANSWER_GRACE_S, MIB
from ksrpc.protocol import Buffer
from ksrpc.transport.dial import Address, dial
from ksrpc.transport.problem import lost_answer, parse_problem

_JOIN_BYTES = 1 << 16
ERROR_BYTES = MIB
_GRACE_S = ANSWER_GRACE_S


class HttpShell:
    """Send requests to one server. Usable from any number of threads at once."""

    def __init__(self, address: Address, *, token: str | None) -> None:
        self._address = address
        self._token = token
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._is_closed = False

    def post(self, target: str, message: wire.Message, *, connect_s: float | None, timeout_s: float | None) -> Any:
        """Send encoded arguments and return the value of the answer.

        Raises:
            ConnectError: No connection; nothing was sent.
            LostError: The connection broke; `maybe_ran` tells whether the call may have run.
            KsrpcError: As the server or the library has it.
        """
        headers = {"Content-Type": wire.MEDIA_TYPE, "Content-Length": str(message.nbytes)}
        return self._exchange("POST", target, headers, message.segments, connect_s, timeout_s)

    def get(self, target: str, *, connect_s: float | None, timeout_s: float | None) -> Any:
        """Return the value at an address that is read only."""
        return self._exchange("GET", target, {}, (), connect_s, timeout_s)

    @property
    def is_usable(self) -> bool:
        """Tell whether new calls may be made: always, each may have a connection of its own."""
        return True

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __del__(self) -> None:
        """Hang up when nobody holds this shell any more."""
        for connection in self.__dict__.get("_idle", ()):
            connection.close()

    def _exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        pieces: Iterable[Buffer],
        connect_s: float | None,
        timeout_s: float | None,
    ) -> Any:
        connection = self._borrow(connect_s)
        keep = False
        try:
            connection.sock.settimeout(None if timeout_s is None else timeout_s + _GRACE_S)
            was_sent = self._send(
                connection, method, target, {**headers, **call_headers(self._address, self._token, timeout_s)}, pieces
            )
            value, keep = self._receive(connection, was_sent=was_sent)
        finally:
            self._give_back(connection, keep=keep)
        return unwrap(value)

    def _give_back(self, connection: http.client.HTTPConnection, *, keep: bool) -> None:
        with self._lock:
            if keep and not self._is_closed:
                self._idle.append(connection)
                return
        connection.close()

    def _borrow(self, connect_s: float | None) -> http.client.HTTPConnection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = http.client.HTTPConnection(self._address.host, self._address.port)
                connection.sock = dial(self._address, connect_s)
                return connection
            if connection.sock is not None and not select.select([connection.sock], [], [], 0)[0]:
                return connection
            connection.close()  # the server closed it meanwhile

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        headers: Mapping[str, str],
        pieces: Iterable[Buffer],
    ) -> bool:
        """Send a request; return False if the server took it by half: then its answer says why."""
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, text in headers.items():
            connection.putheader(name, text)
        body = list(joined(pieces))
        try:
            if len(body) == 1 and len(body[0]) <= _JOIN_BYTES:
                connection.endheaders(body[0])
                return True
            connection.endheaders()
            for piece in body:
                connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            return False
        except TimeoutError as exc:
            raise DeadlineError("the call could not be sent within its time", maybe_ran=False) from exc
        except OSError as exc:
            raise LostError(f"the connection broke while the call was sent: {exc}", maybe_ran=False) from exc
        return True

    def _receive(self, connection: http.client.HTTPConnection, *, was_sent: bool) -> tuple[Any, bool]:
        response: http.client.HTTPResponse | None = None
        try:
            response = connection.getresponse()
            value = _read_value(response) if response.status == 200 else _read_error(response)
            return value, response.isclosed() and not response.will_close
        except TimeoutError as exc:
            raise DeadlineError("no answer within the call's time", maybe_ran=was_sent) from exc
        except LostError:
            raise
        except (DecodeError, TooLargeError) as exc:
            raise lost_answer(exc) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise LostError(f"the connection broke before the answer: {exc}", maybe_ran=was_sent) from exc
        finally:
            if response is not None:
                response.close()


def call_headers(address: Address, token: str | None, timeout_s: float | None) -> dict[str, str]:
    """Return the headers of every request."""
    headers = {"Host": address.netloc, "User-Agent": f"ksrpc/{__version__}", "Accept": wire.MEDIA_TYPE, "X-Ksrpc": "1"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if timeout_s is not None:
        headers["X-Ksrpc-Timeout"] = f"{timeout_s:g}"
    return headers


class Failure:
    """Hold an error that was received whole, until the connection is put back."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def unwrap(value: Any) -> Any:
    """Return a value, or raise the error that came in its place."""
    if isinstance(value, Failure):
        raise value.error
    return value


def _read_value(response: http.client.HTTPResponse) -> Any:
    media_type = response.getheader("Content-Type")
    if media_type is None:
        raise LostError("the server broke off inside its headers")
    if media_type != wire.MEDIA_TYPE:
        return parse_failure(200, media_type, response.read(ERROR_BYTES))
    reader = wire.Reader(wire.RESULT_TABLE)
    while not reader.done:
        count = response.readinto(reader.get_buffer())
        if not count:
            raise LostError("the server broke the answer off")
        reader.advance(count)
    if response.read(1):
        raise LostError("the server sent more than its answer")
    return reader.value()


def _read_error(response: http.client.HTTPResponse) -> Failure:
    return parse_failure(response.status, response.getheader("Content-Type"), response.read(ERROR_BYTES))


def parse_failure(status: int, media_type: str | None, body: bytes) -> Failure:
    """Read the body of an answer that is no value."""
    if media_type == wire.MEDIA_TYPE and status != 200:
        return Failure(wire.parse_error(body))
    return Failure(parse_problem(status, body if status != 200 else b""))


def joined(pieces: Iterable[Buffer]) -> Iterator[Buffer]:
    """Join small neighbours, so that a small call is one segment on the network."""
    small: list[Buffer] = []
    for piece in pieces:
        if len(piece) < _JOIN_BYTES:
            small.append(piece)
            continue
        if small:
            yield b"".join(small)
            small = []
        yield piece
    if small:
        yield small[0] if len(small) == 1 else b"".join(small)
