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
from collections.abc import Sequence
from typing import Any

from ksrpc.errors import ConnectError, DeadlineError, KsrpcError, LostError
from ksrpc.limits import ANSWER_GRACE_S, SESSION
from ksrpc.protocol import Buffer, Meta
from ksrpc.transport.conversation import Conversation
from ksrpc.transport.dial import dial, hang_up, parse_url
from ksrpc.transport.waiter import Waiter

_POLL_S = 1
_KEEP_S = 5.0
_GRACE_S = ANSWER_GRACE_S


class WebSocketShell:
    """Drive a Conversation over one socket. Usable from any number of threads at once."""

    def __init__(self, url: str, *, token: str | None, connect_s: float | None) -> None:
        self.is_lost = False
        self._pid = os.getpid()
        self._lock = threading.Lock()  # the conversation
        self._send_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._gone = gone = threading.Event()
        self._talk = Conversation(url, token=token)
        self._session = self._talk.session
        self._waiters: dict[int, Waiter] = self._talk.waiters  # type: ignore[assignment]
        address = parse_url(url, ("ws", "wss"))
        self._socket = dial(address, connect_s)
        self._socket.settimeout(connect_s if connect_s is not None else SESSION.hello_s)
        self._is_tls = address.is_tls
        try:
            self._shake_hands()
            self._greet()
        except BaseException:
            hang_up(self._socket)
            raise
        mine = weakref.ref(self, lambda _: gone.set())
        threading.Thread(target=_keep, args=(mine, gone), name="ksrpc-keeper", daemon=True).start()

    def call(self, meta: Meta, pieces: Sequence[Buffer], timeout_s: float | None) -> Any:
        """Make a call and wait for its value.

        Raises:
            KsrpcError: As the server, the library or the network has it.
        """
        waiter = Waiter()
        with self._lock:
            call = self._talk.call(meta, pieces, waiter)
        return self._await(call, waiter, timeout_s)

    def describe(self, path: str, timeout_s: float | None) -> Any:
        """Ask what stands at a path; return the descriptor's fields."""
        waiter = Waiter()
        with self._lock:
            call = self._talk.describe(path, waiter)
        return self._await(call, waiter, timeout_s)

    @property
    def is_usable(self) -> bool:
        """Tell whether new calls may be made."""
        return not self.is_lost and self._talk.is_usable

    def close(self) -> None:
        """Say good-bye and hang up; calls under way fail."""
        with contextlib.suppress(Exception):
            with self._lock:
                data = self._talk.part()
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

    def _shake_hands(self) -> None:
        talk = self._talk
        try:
            self._socket.sendall(talk.request())
            is_over = False
            while not is_over:
                room = talk.room()
                is_over = talk.shake(room[: self._socket.recv_into(room)])
        except OSError as exc:
            if isinstance(exc, KsrpcError):
                raise
            raise ConnectError(f"the connection broke during the handshake: {exc}") from exc

    def _greet(self) -> None:
        self._flush()
        with self._reading():
            while not self._talk.welcome and not self.is_lost:
                self._read()
        if self.is_lost:
            raise ConnectError(f"the server did not greet: {self._talk.loss}")
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
        began = time.monotonic()
        deadline = None if timeout_s is None else began + timeout_s + _GRACE_S
        try:
            self._flush()
            self._wait(waiter, deadline)
        except BaseException as exc:
            was_sent = self._abandon(call)
            if isinstance(exc, DeadlineError):
                self._talk.doubt(began)
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
            was_sent = self._talk.abandon(call)
        self._flush()
        return was_sent

    # the socket

    def _read(self) -> bool:
        """Read once; return False if nothing came within the poll time."""
        try:
            if self._is_tls and not self._has_pending() and not select.select([self._socket], [], [], _POLL_S)[0]:
                return False
            room = self._talk.room()
            count = self._socket.recv_into(room)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except (OSError, ValueError) as exc:
            if isinstance(exc, TimeoutError) and not self._talk.welcome:
                raise
            self._lose(f"the connection broke: {exc}")
            return True
        if not count:
            self._lose("the server closed the connection")
            return True
        try:
            with self._lock:
                self._talk.receive(room[:count])
        except KsrpcError as exc:
            self._lose(str(exc))
        except BaseException:  # what was read is taken in by half: nobody can go on from there
            self._lose("interrupted while an answer came in")
            raise
        self._flush()
        return True

    def _has_pending(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

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
        with self._lock:
            return self._talk.pull()

    def _tick(self) -> None:
        try:
            with self._lock:
                self._session.tick(time.monotonic())
        except LostError as exc:
            self._lose(str(exc))
        self._flush()

    def _lose(self, reason: str) -> None:
        """Fail every call under way, each with the truth about whether it may have run."""
        self.is_lost = True
        hang_up(self._socket)
        with self._lock:
            self._talk.lose(reason)
        self._gone.set()


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise DeadlineError("no answer within the call's time")


def _keep(reference: weakref.ref[WebSocketShell], gone: threading.Event) -> None:
    while not gone.wait(_KEEP_S):
        shell = reference()
        if shell is None or not shell.keep():
            return
        del shell
