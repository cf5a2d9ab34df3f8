"""A blocking WebSocket shared by many threads, without a thread that reads.

Leader and followers: of the threads that wait for answers one, the leader, reads the socket. It hands the others
their answers, and when it has its own it passes the lead on. Whoever finds the send lock taken leaves its frames to
the holder, so that the leader never waits to send. A daemon thread only keeps an idle connection alive.

Source: docs/spec/protocol.md "Blocking client".
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import struct
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State as WsState
from websockets.uri import parse_uri

from ksrpc import __version__, wire
from ksrpc.errors import ConnectError, DeadlineError, KsrpcError, LostError
from ksrpc.limits import SESSION
from ksrpc.protocol import Buffer, Caller, Meta
from ksrpc.protocol.event import Event, GoAwayCame, Greeted, RaiseCame, ResultCame
from ksrpc.transport.dial import dial, hang_up, parse_url
from ksrpc.transport.inlet import Inlet
from ksrpc.transport.problem import parse_problem
from ksrpc.transport.waiter import Waiter

_POLL_S = 1
_KEEP_S = 5.0
#: How long after its deadline a call is waited for; the server ends it by then, or is gone.
_GRACE_S = 3.0
_MAX_MESSAGE = SESSION.frame_bytes + SESSION.meta_bytes + 64


class WebSocketShell:
    """Drive a Caller over one WebSocket connection. Usable from any number of threads at once."""

    def __init__(self, url: str, *, token: str | None, connect_s: float | None) -> None:
        self.welcome: Meta = {}
        self.is_lost = False
        self._loss = ""  # why, once it is
        self._pid = os.getpid()
        self._lock = threading.Lock()  # session, protocol and waiters
        self._send_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._waiters: dict[int, Waiter] = {}
        self._parts: list[Buffer] = []
        self._inlet = Inlet(_MAX_MESSAGE)
        self._session = Caller(now=time.monotonic())
        address = parse_url(url, ("ws", "wss"))
        self._socket = dial(address, connect_s)
        self._socket.settimeout(connect_s if connect_s is not None else SESSION.hello_s)
        self._is_tls = address.is_tls
        try:
            self._protocol = self._shake_hands(url, token)
            self._greet()
        except BaseException:
            hang_up(self._socket)
            raise
        threading.Thread(target=_keep, args=(weakref.ref(self),), name="ksrpc-keeper", daemon=True).start()

    def call(self, meta: Meta, pieces: Sequence[Buffer], timeout_s: float | None) -> Any:
        """Make a call and wait for its value.

        Raises:
            KsrpcError: As the server, the library or the network has it.
        """
        with self._lock:
            call = self._session.call(meta, pieces)
            waiter = self._waiters[call] = Waiter()
        return self._await(call, waiter, timeout_s)

    def describe(self, path: str, timeout_s: float | None) -> Any:
        """Ask what stands at a path; return the descriptor's fields."""
        with self._lock:
            call = self._session.describe(path)
            waiter = self._waiters[call] = Waiter()
        return self._await(call, waiter, timeout_s)

    @property
    def is_usable(self) -> bool:
        """Tell whether new calls may be made."""
        return not self.is_lost and not self._session.is_leaving

    def close(self) -> None:
        """Say good-bye and hang up; calls under way fail."""
        with contextlib.suppress(Exception):
            with self._lock:
                self._protocol.send_close(1000)
                data = b"".join(self._protocol.data_to_send())
            self._socket.settimeout(_POLL_S)
            self._socket.sendall(data)
        self._lose("the connection was closed here")

    def __del__(self) -> None:
        """Hang up when nobody holds this connection any more; the child of a fork leaves it to its parent."""
        if "_socket" not in self.__dict__:
            return
        if self._pid == os.getpid():
            hang_up(self._socket)
        else:
            self._socket.close()

    def keep(self) -> bool:
        """Answer and send heartbeats if nobody reads; return whether the connection still lives."""
        if self._read_lock.acquire(blocking=False):
            try:
                while not self.is_lost and select.select([self._socket], [], [], 0)[0]:
                    self._read()
            finally:
                self._read_lock.release()
                self._promote()
        self._tick()
        return not self.is_lost

    # opening

    def _shake_hands(self, url: str, token: str | None) -> ClientProtocol:
        protocol = ClientProtocol(parse_uri(url), max_size=_MAX_MESSAGE)
        protocol.reader = self._inlet
        protocol.parser = protocol.parse()
        next(protocol.parser)
        request = protocol.connect()
        request.headers["User-Agent"] = f"ksrpc/{__version__}"
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        protocol.send_request(request)
        try:
            self._socket.sendall(b"".join(protocol.data_to_send()))
            while protocol.state is WsState.CONNECTING and protocol.handshake_exc is None:
                room = self._inlet.room()
                count = self._socket.recv_into(room)
                if not count:
                    protocol.receive_eof()
                    break
                protocol.receive_data(room[:count])  # type: ignore[arg-type]  # our inlet takes it
        except OSError as exc:
            raise ConnectError(f"the connection broke during the handshake: {exc}") from exc
        failure = protocol.handshake_exc
        if isinstance(failure, InvalidStatus):
            raise _refusal(parse_problem(failure.response.status_code, bytes(failure.response.body or b"")))
        if failure is not None or protocol.state is not WsState.OPEN:
            reason = failure if isinstance(failure, InvalidHandshake) else "no answer"
            raise ConnectError(f"this is not a ksrpc WebSocket: {reason}")
        return protocol

    def _greet(self) -> None:
        self._session.greet({"ksrpc": __version__, "features": sorted(wire.FEATURES)})
        self._flush()
        with self._reading():
            while not self.welcome and not self.is_lost:
                self._read()
        if self.is_lost:
            raise ConnectError(f"the server did not greet: {self._loss}")
        self._socket.settimeout(None)
        seconds = struct.pack("ll", _POLL_S, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)

    @contextlib.contextmanager
    def _reading(self) -> Any:
        with self._read_lock:
            try:
                yield
            except TimeoutError:
                raise ConnectError("the server accepted the connection and then said nothing") from None

    # waiting: leader and followers

    def _await(self, call: int, waiter: Waiter, timeout_s: float | None) -> Any:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s + _GRACE_S
        try:
            self._flush()
            self._wait(waiter, deadline)
        except BaseException as exc:
            was_sent = self._abandon(call)
            if isinstance(exc, DeadlineError):
                raise DeadlineError(str(exc), maybe_ran=was_sent) from None
            raise
        finally:
            with self._lock:
                self._waiters.pop(call, None)
        return waiter.result()

    def _wait(self, waiter: Waiter, deadline: float | None) -> None:
        while not waiter.is_done:
            if self._read_lock.acquire(blocking=False):
                try:
                    self._lead(waiter, deadline)
                finally:
                    self._read_lock.release()
                    self._promote()
            else:
                waiter.wait(_POLL_S)
                _check(deadline)

    def _lead(self, waiter: Waiter, deadline: float | None) -> None:
        while not waiter.is_done:
            if not self._read():
                self._tick()
            if not waiter.is_done:
                _check(deadline)

    def _promote(self) -> None:
        """Wake one thread that still waits, so that it takes the lead."""
        if len(self._waiters) <= 1:  # the one that just led
            return
        with self._lock:
            heir = next((waiter for waiter in self._waiters.values() if not waiter.is_done), None)
        if heir is not None:
            heir.wake()

    def _abandon(self, call: int) -> bool:
        """Give a call up; return whether the server may have it."""
        with self._lock:
            was_sent = self._session.was_sent(call)
            self._waiters.pop(call, None)
            self._session.abandon(call, "the caller gave up")
        self._flush()
        return was_sent

    # the socket

    def _read(self) -> bool:
        """Read once; return False if nothing came within the poll time."""
        try:
            if self._is_tls and not self._has_pending() and not select.select([self._socket], [], [], _POLL_S)[0]:
                return False
            room = self._inlet.room()
            count = self._socket.recv_into(room)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except (OSError, ValueError) as exc:
            if isinstance(exc, TimeoutError) and not self.welcome:
                raise
            self._lose(f"the connection broke: {exc}")
            return True
        if not count:
            self._lose("the server closed the connection")
            return True
        try:
            with self._lock:
                self._receive(room[:count])
        except KsrpcError as exc:
            self._lose(str(exc))
        except BaseException:  # what was read is taken in by half: nobody can go on from there
            self._lose("interrupted while an answer came in")
            raise
        self._flush()
        return True

    def _has_pending(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _receive(self, data: memoryview) -> None:
        self._protocol.receive_data(data)  # type: ignore[arg-type]  # our inlet takes it
        now = time.monotonic()
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame):
                message = self._assemble(frame)
                if message is not None and (event := self._session.receive(message, now)) is not None:
                    self._act(event)
        if self._protocol.state is not WsState.OPEN:
            close = self._protocol.close_rcvd
            reason = f"{close.code} {close.reason}" if close is not None else "without a reason"
            raise LostError(f"the server closed the connection: {reason}")

    def _assemble(self, frame: Frame) -> Buffer | None:
        """Return a whole message; proxies may cut messages into fragments."""
        if frame.opcode not in (Opcode.BINARY, Opcode.CONT):
            return None
        if frame.fin and not self._parts:
            return frame.data
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        whole, self._parts = b"".join(self._parts), []
        return whole

    def _act(self, event: Event) -> None:
        if isinstance(event, ResultCame):
            waiter = self._waiters.get(event.call)
            if waiter is not None:
                waiter.take(event)
            if event.credited:
                self._session.consume(event.call, len(event.body))
        elif isinstance(event, RaiseCame):
            waiter = self._waiters.get(event.call)
            if waiter is not None:
                waiter.fail(event)
        elif isinstance(event, Greeted):
            self.welcome = event.meta
        elif isinstance(event, GoAwayCame):
            self._session.is_leaving = True

    def _flush(self) -> None:
        """Send what waits, unless another thread is at it: that one sends ours too."""
        outbox = self._session.outbox
        while not self.is_lost and not outbox.is_empty and self._send_lock.acquire(blocking=False):
            try:
                more = True
                while more:
                    data, more = self._pull()
                    self._socket.sendall(data)
            except OSError as exc:
                self._lose(f"the connection broke: {exc}")
            except BaseException:  # half a frame may be out
                self._lose("interrupted while a call was sent")
                raise
            finally:
                self._send_lock.release()
            if not self._has_sendable():
                return

    def _has_sendable(self) -> bool:
        """Tell whether something waits that credit allows to be sent."""
        outbox = self._session.outbox
        if outbox.is_empty:
            return False
        with self._lock:
            return bool(outbox)

    def _pull(self) -> tuple[bytes, bool]:
        """Return the bytes of the next frames, at most one with a body, and whether there is more."""
        with self._lock:
            if self._protocol.state is not WsState.OPEN:
                return b"", False
            while (frame := self._session.pull()) is not None:
                self._protocol.send_binary(b"".join(frame))
                if frame[1]:
                    break
            outbox = self._session.outbox
            return b"".join(self._protocol.data_to_send()), not outbox.is_empty and bool(outbox)

    def _tick(self) -> None:
        try:
            with self._lock:
                self._session.tick(time.monotonic())
        except LostError as exc:
            self._lose(str(exc))
        self._flush()

    def _lose(self, reason: str) -> None:
        """Fail every call under way, each with the truth about whether it may have run."""
        self._loss = self._loss or reason
        self.is_lost = True
        hang_up(self._socket)
        with self._lock:
            for call, waiter in list(self._waiters.items()):
                if not waiter.is_done:
                    waiter.lose(LostError(reason, maybe_ran=self._session.was_sent(call)))
            self._waiters.clear()


def _refusal(error: KsrpcError) -> KsrpcError:
    """Say of a failed handshake what it is: nothing was called yet."""
    return ConnectError(str(error)) if isinstance(error, LostError) else error


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise DeadlineError("no answer within the call's time")


def _keep(reference: weakref.ref[WebSocketShell]) -> None:
    pause: Callable[[float], bool] = threading.Event().wait
    while True:
        pause(_KEEP_S)
        shell = reference()
        if shell is None or not shell.keep():
            return
        del shell
