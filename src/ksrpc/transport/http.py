"""Blocking HTTP: one call a request, kept-alive connections shared by many threads.

Values are received straight into their buffers. Redirects are not followed: a token goes only where it was sent.

Source: docs/reference/http.md.
"""

from __future__ import annotations

import http.client
import select
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ksrpc import __version__, wire
from ksrpc.errors import DeadlineError, DecodeError, LostError, TooLargeError
from ksrpc.limits import ANSWER_GRACE_S, MIB
from ksrpc.protocol import Buffer
from ksrpc.transport.blocking import HttpConnection
from ksrpc.transport.body import BodyItems
from ksrpc.transport.dial import Address, dial
from ksrpc.transport.held import HEADER, HandleSession
from ksrpc.transport.held import MEDIA_TYPE as HELD_TYPE
from ksrpc.transport.items import RemoteIterator
from ksrpc.transport.problem import lost_answer, parse_problem, throw
from ksrpc.transport.retry import Names, Retry
from ksrpc.transport.upload import pack_body, read_codecs, recompact, send_chunks
from ksrpc.transport.watch import State, Trails, Watch
from ksrpc.wire.item import MEDIA_TYPE as STREAM_TYPE

_JOIN_BYTES = 1 << 16
_ACCEPT = wire.accept_text()
ERROR_BYTES = MIB
_GRACE_S = ANSWER_GRACE_S
#: Where somebody looks, large bodies go and come in pieces of this size.
_LOOK_BYTES = 1 << 18


class Request(NamedTuple):
    """Hold what is asked.

    Attributes:
        headers: Beside those of every request.
        key: The name of the call, so that it can be sent again; empty for what may be asked any number of times.
        retry: Why this is the second attempt, which has a connection of its own.
        codecs: By which the body is compressed while it goes out, in chunks; none: it goes as it lies.
    """

    method: str
    target: str
    headers: dict[str, str]
    pieces: Sequence[Buffer]
    key: str = ""
    retry: Retry | None = None
    codecs: tuple[str, ...] = ()

    def lines(self, common: dict[str, str]) -> list[tuple[str, str]]:
        """Return all headers, the key last: the server looks there."""
        lines = [*self.headers.items(), *common.items()]
        if self.retry is not None and self.key:
            lines.append(("X-Ksrpc-Retry", f"{self.retry.age_s:.3f}"))
        if self.key:
            lines.append(("Idempotency-Key", self.key))
        return lines


class HttpShell:
    """Send requests to one server. Usable from any number of threads at once."""

    def __init__(
        self,
        address: Address,
        *,
        token: str | None,
        handles: HandleSession | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._trails = Trails(watch)
        self._address = address
        self._token = token
        self._handles = handles or HandleSession()
        self._names = Names()
        self._codecs: tuple[str, ...] = ()  # what the server inflates, and wants
        self._idle: list[HttpConnection] = []
        self._lock = threading.Lock()
        self._is_closed = False

    def post(self, target: str, message: wire.Message, *, connect_s: float | None, timeout_s: float | None) -> Any:
        """Send encoded arguments and return the value of the answer.

        Raises:
            ConnectError: No connection; nothing was sent.
            LostError: The connection broke; `maybe_ran` tells whether the call may have run.
            KsrpcError: As the server or the library has it.
        """
        lines, pieces, codecs = pack_body(message, self._codecs)
        headers = {"Content-Type": wire.MEDIA_TYPE, **lines, **self._handles.headers()}
        request = Request("POST", target, headers, pieces, self._names.next(), codecs=codecs)
        return self._deliver(request, connect_s, timeout_s)

    def get(self, target: str, *, connect_s: float | None, timeout_s: float | None) -> Any:
        """Return the value at an address that is read only."""
        return self._deliver(Request("GET", target, {}, ()), connect_s, timeout_s)

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

    def _deliver(self, request: Request, connect_s: float | None, timeout_s: float | None) -> Any:
        """Exchange a request, once more if its connection broke."""
        began = time.monotonic()
        try:
            value = self._exchange(request, connect_s, timeout_s)
        except LostError as exc:
            retry = Retry(exc, began, timeout_s)
            time.sleep(retry.pause_s)
            with retry:
                value = self._exchange(request._replace(retry=retry), retry.connect_s(connect_s), retry.left_s)
                retry.check(value.error if isinstance(value, Failure) else None)
        return unwrap(value)

    def _exchange(self, request: Request, connect_s: float | None, timeout_s: float | None) -> Any:
        trail = self._trails.open(request.target, State.CONNECTING)
        connection: HttpConnection | None = None
        keep: bool | None = False
        try:
            connection = self._connect(connect_s) if request.retry else self._borrow(connect_s)
            connection.trail = trail
            connection.begin(None if timeout_s is None else timeout_s + _GRACE_S)
            was_sent = self._send(connection, request, call_headers(self._address, self._token, timeout_s))
            value, keep = self._receive(connection, was_sent=was_sent)
            if isinstance(value, http.client.HTTPResponse):
                keep = None  # the stream has it
                release = partial(_give_back, weakref.ref(self), connection)
                return RemoteIterator(BodyItems(value, release, trail))
        finally:
            if keep is not None:
                trail.close()
                if connection is not None:
                    self.give_back(connection, keep=keep)
        return value

    def give_back(self, connection: HttpConnection, *, keep: bool) -> None:
        """Take a connection for the next call, or close it."""
        with self._lock:
            if keep and not self._is_closed:
                self._idle.append(connection)
                return
        connection.close()

    def _borrow(self, connect_s: float | None) -> HttpConnection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect(connect_s)
            if connection.sock is not None and not select.select([connection.sock], [], [], 0)[0]:
                return connection
            connection.close()  # the server closed it meanwhile

    def _connect(self, connect_s: float | None) -> HttpConnection:
        connection = HttpConnection(self._address.host, self._address.port)
        connection.sock = dial(self._address, connect_s)
        return connection

    def _send(self, connection: HttpConnection, request: Request, common: dict[str, str]) -> bool:
        """Send a request; return False if the server took it by half: then its answer says why."""
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        if connection.is_curious is None and request.method == "POST":
            connection.is_curious = True
        for name, text in request.lines(common):
            connection.putheader(name, text)
        body = [] if request.codecs else list(joined(request.pieces))
        try:
            if len(body) == 1 and len(body[0]) <= _JOIN_BYTES:
                connection.send_whole(body[0])
                return True
            connection.endheaders()
            if request.codecs:
                send_chunks(connection.send, connection.trail, recompact(request.pieces, request.codecs))
            else:
                _send_body(connection, body)
        except (BrokenPipeError, ConnectionResetError):
            return False
        except TimeoutError as exc:
            raise DeadlineError("the call could not be sent within its time", maybe_ran=False) from exc
        except OSError as exc:
            raise LostError(f"the connection broke while the call was sent: {exc}", maybe_ran=False) from exc
        return True

    def _receive(self, connection: HttpConnection, *, was_sent: bool) -> tuple[Any, bool]:
        response: http.client.HTTPResponse | None = None
        connection.trail.turn(State.WAITING)
        try:
            response = connection.getresponse()
            if connection.is_curious and response.status == 200:
                connection.is_curious = False
                self._codecs = read_codecs(response.getheader("Accept-Post"))
            if response.status == 200 and response.getheader("Content-Type") == STREAM_TYPE:
                connection.go_on()
                stream, response = response, None
                return stream, False
            value = (
                _read_value(response, self._handles, connection) if response.status == 200 else _read_error(response)
            )
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
    headers = {"Host": address.netloc, "User-Agent": f"ksrpc/{__version__}", "Accept": _ACCEPT, "X-Ksrpc": "1"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if timeout_s is not None:
        headers["X-Ksrpc-Timeout"] = f"{timeout_s:g}"
    return headers


class Failure:
    """Hold an error that was received whole, until the connection is put back."""

    def __init__(self, error: BaseException) -> None:
        self.error: BaseException | None = error

    def take(self) -> BaseException:
        """Give the error away."""
        error, self.error = self.error, None
        return error or LostError("the answer was taken already")


def unwrap(value: Any) -> Any:
    """Return a value, or raise the error that came in its place."""
    if isinstance(value, Failure):
        throw(value.take())
    return value


def _give_back(reference: weakref.ref[HttpShell], connection: HttpConnection, keep: bool) -> None:
    shell = reference() if keep else None
    if shell is None:
        connection.close()
    else:
        shell.give_back(connection, keep=True)


def _read_value(response: http.client.HTTPResponse, handles: HandleSession, connection: HttpConnection) -> Any:
    media_type = response.getheader("Content-Type", "")
    if media_type == HELD_TYPE:
        return handles.adopt(response.getheader(HEADER), _read_body(response, connection))
    if media_type != wire.MEDIA_TYPE:
        if any(ours.startswith(media_type) for ours in (wire.MEDIA_TYPE, HELD_TYPE, STREAM_TYPE)):
            raise LostError("the server broke off inside its headers")  # http.client takes the end for their end
        return parse_failure(200, media_type, response.read(ERROR_BYTES))
    return _read_body(response, connection)


def _send_body(connection: HttpConnection, body: list[Buffer]) -> None:
    sent, total = 0, sum(map(len, body))
    connection.trail.turn(State.SENDING, lambda: (sent, total, sent))
    step = _LOOK_BYTES if connection.trail.is_watched else total
    for piece in body:
        for start in range(0, len(piece), step):
            part = memoryview(piece)[start : start + step]
            connection.send(part)
            sent += len(part)


def _read_body(response: http.client.HTTPResponse, connection: HttpConnection) -> Any:
    reader, trail = wire.Reader(wire.RESULT_TABLE), connection.trail
    came = 0
    trail.turn(State.RECEIVING, lambda: (reader.filled_bytes, reader.total_bytes or 0, came))
    most = _LOOK_BYTES if trail.is_watched else None
    while not reader.done:
        count = response.readinto(reader.get_buffer()[:most])
        if not count:
            raise LostError("the server broke the answer off")
        came += count
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
