"""A blocking WebSocket shared by many threads, without a thread that reads.

Leader and followers: of the threads that wait for answers one, the leader, reads the socket. It hands the others
their answers, and when it has its own it passes the lead on. Whoever finds the send lock taken leaves its frames to
the holder, so that the leader never waits to send. A daemon thread only keeps an idle connection alive.

Source: docs/spec/protocol.md "Blocking client".
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

from ksrpc.errors import DeadlineError, KsrpcError, LostError
from ksrpc.limits import ANSWER_GRACE_S
from ksrpc.protocol import Buffer, Meta
from ksrpc.transport.conversation import Conversation
from ksrpc.transport.dial import PART_S, Address, hang_up, part_from
from ksrpc.transport.feed import Feed
from ksrpc.transport.held import RELEASES
from ksrpc.transport.intake import POLL_S, has_news, receive
from ksrpc.transport.items import Inlet, RemoteIterator
from ksrpc.transport.opening import open_socket, reopen_socket
from ksrpc.transport.waiter import Waiter
from ksrpc.transport.watch import Watch

_KEEP_S = 5.0


class WebSocketShell:
    """Drive a Conversation over one socket. Usable from any number of threads at once."""

    def __init__(
        self, address: Address, *, token: str | None, connect_s: float | None, watch: Watch | None = None
    ) -> None:
        self.is_lost = False
        self._pid = os.getpid()
        self._lock = threading.Lock()  # the conversation
        self._send_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._stir = stir = threading.Event()
        self._parted = threading.Event()  # the keeper looks for no other socket any more
        self._last = iter((True,))
        self._is_broken = False
        self._talk = Conversation(address.ws_url, token=token, watch=watch)
        self._session = self._talk.session
        self._dropped: deque[int] = deque()  # calls that nobody wants any more
        self._released: deque[str] = deque()  # handles that nobody holds any more
        self._waiters: dict[int, Waiter] = self._talk.waiters  # type: ignore[assignment]
        self._address = address
        self._connect_s = connect_s
        self._socket = open_socket(self._talk, self._lock, address, connect_s)
        mine = weakref.ref(self, lambda _: stir.set())
        threading.Thread(target=_keep, args=(mine, stir), name="ksrpc-keeper", daemon=True).start()

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
        with self._lock:
            self.is_lost = True  # whoever reads does not take the server's answer for a break
            is_broken = self._is_broken
            data = b"" if is_broken else self._talk.part()
        if data:
            part_from(self._socket, data)
        self._lose("the connection was closed here")
        if is_broken:
            self._parted.wait(PART_S)

    def __del__(self) -> None:
        """Hang up when nobody holds this connection any more, with a good-bye if that can be said at once.

        The child of a fork leaves that to its parent.
        """
        sock = self.__dict__.get("_socket")
        if sock is not None and self._pid == os.getpid():
            with contextlib.suppress(Exception):
                sock.settimeout(0)
                sock.send(self._talk.part())
            hang_up(sock)
        elif sock is not None:
            sock.close()

    def keep(self) -> bool:
        """Answer and send heartbeats if nobody reads, replace a broken socket; return whether the session still lives.

        For the keeper's thread only.
        """
        if self._is_broken:
            self._restore()
        if self._read_lock.acquire(blocking=False):
            try:
                while not (self.is_lost or self._is_broken) and has_news(self._socket):
                    self._read()
            finally:
                self._read_lock.release()
                self._promote(0)
        self._tick()
        if self.is_lost:
            self._parted.set()
        return not self.is_lost

    # another socket

    def _break(self, reason: str) -> None:
        """Give the socket up; let the keeper find another one, if the server keeps the session for calls under way."""
        with self._lock:
            if self._is_broken or self.is_lost:
                return
            broken, may_go_on = self._socket, self._talk.may_resume and self._pid == os.getpid()
            self._is_broken = may_go_on
        if may_go_on:  # the keeper may have replaced it by now
            hang_up(broken)
            self._stir.set()
        else:
            self._lose(reason)

    def _restore(self) -> None:
        """Carry the session on on another socket. Nobody reads or sends meanwhile; who waits does so on."""
        with self._read_lock, self._send_lock:
            try:
                fresh = reopen_socket(self._talk, self._lock, self._address, self._connect_s, self._pause)
            except Exception as exc:  # whatever it is, nobody may wait on
                self._lose(str(exc))
                return
            with self._lock:
                self._socket, self._is_broken = fresh, False
                farewell = self._talk.part() if self.is_lost else None
            if farewell is not None:  # it was closed meanwhile
                part_from(fresh, farewell)
                hang_up(fresh)
        self._flush()
        self._promote(0)

    def _pause(self, seconds: float) -> bool:
        """Rest between two attempts; tell whether there shall be one: after the connection was closed, a last one."""
        if self._talk.is_wanted and not self.is_lost and self._stir.wait(seconds):
            self._stir.clear()
        return next(self._last, False) if self.is_lost else self._talk.is_wanted

    # waiting: leader and followers

    def _await(self, call: int, waiter: Waiter, timeout_s: float | None) -> Any:
        began = time.monotonic()
        deadline = None if timeout_s is None else began + timeout_s + ANSWER_GRACE_S
        try:
            self._flush()
            self._wait(waiter, deadline)
        except BaseException as exc:
            was_sent = self._abandon(call)
            if isinstance(exc, DeadlineError):
                self._doubt(began)
                exc.maybe_ran = was_sent
            raise
        finally:
            if waiter.feed is None:
                with self._lock:
                    self._waiters.pop(call, None)
            self._talk.settle(call)
        if waiter.feed is not None:
            return RemoteIterator(_SocketItems(self, call, waiter, timeout_s))
        value = waiter.result()
        return value if waiter.handle is None else self._talk.hold(waiter.handle, value, self.release)

    def _doubt(self, since: float) -> None:
        """Leave a socket from which nothing came for the whole time of a call; new calls go elsewhere."""
        with self._lock:
            self._talk.doubt(since)
        if self._talk.is_suspect and self._waiters and self._talk.may_resume:
            self._break("nothing was heard from the server")

    # streams

    def take_items(self, call: int, waiter: Waiter, timeout_s: float | None) -> list[bytes]:
        """Wait for the next items of a stream; none at the end.

        Raises:
            BaseException: What ended it.
        """
        if self._pid != os.getpid():
            raise LostError("this stream belongs to the process before the fork")
        deadline = None if timeout_s is None else time.monotonic() + timeout_s + ANSWER_GRACE_S
        feed = waiter.feed or Feed()
        with self._lock:
            waiter.is_done = feed.has_news
        try:
            self._wait(waiter, deadline)
        except BaseException:
            waiter.is_done = True
            raise
        finally:
            self._talk.settle(call)
        try:
            with self._lock:
                return self._talk.take_items(call, feed)
        finally:
            self._flush()

    def drop(self, call: int) -> None:
        """Give a stream up; from anywhere, also while this thread holds the lock (the collector of garbage may)."""
        if self._pid != os.getpid():
            return
        self._dropped.append(call)
        if self._lock.acquire(blocking=False):
            try:
                self._sweep()
            finally:
                self._lock.release()
            self._flush()

    def release(self, handle: str) -> None:
        """Let the server forget an object, with the next call or when the connection is looked after; from anywhere."""
        if self._pid == os.getpid():
            self._released.append(handle)

    def _sweep(self) -> None:
        while self._dropped:
            self._talk.abandon(self._dropped.popleft())
        while self._released and len(self._session.tracks) < self._session.limits.calls // 2:
            count = min(RELEASES, len(self._released))
            self._talk.release([self._released.popleft() for _ in range(count)])

    def _wait(self, waiter: Waiter, deadline: float | None) -> None:
        while not waiter.is_done:
            if not self._is_broken and self._read_lock.acquire(blocking=False):
                try:
                    self._lead(waiter, deadline)
                finally:
                    self._read_lock.release()
                    self._promote()
            else:
                waiter.wait(POLL_S)
                _check(deadline)

    def _lead(self, waiter: Waiter, deadline: float | None) -> None:
        while not waiter.is_done and not self._is_broken:
            if not self._read():
                self._tick()
            if not waiter.is_done:
                _check(deadline)

    def _promote(self, own: int = 1) -> None:
        """Wake one thread that still waits, so that it takes the lead; `own` = calls of the one that just led."""
        if len(self._waiters) <= own:
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
            room = self._talk.room()
            count = receive(self._socket, room, fill=self._talk.is_landing)
        except (OSError, ValueError) as exc:
            self._break(f"the connection broke: {exc}")
            return True
        if not count:
            if count is not None:
                self._break("the server closed the connection")
            return count is not None
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

    def _flush(self) -> None:
        """Send what waits, unless another thread is at it: that one sends ours too."""
        outbox = self._session.outbox
        if self._dropped or self._released:
            with self._lock:
                self._sweep()
        while not (self.is_lost or self._is_broken or outbox.is_empty) and self._send_lock.acquire(blocking=False):
            try:
                more = True
                while more:
                    with self._lock:
                        data, more = self._talk.pull()
                    more &= self._send(data)
            except BaseException:
                if not self._is_broken:  # a frame may be missing
                    self._lose("interrupted while a call was sent")
                raise
            finally:
                self._send_lock.release()
            if not self._has_sendable():
                return

    def _send(self, data: bytes) -> bool:
        try:
            self._socket.sendall(data)
        except OSError as exc:
            self._break(f"the connection broke: {exc}")
            return False
        except BaseException:  # half a frame may be out
            self._break("interrupted while a call was sent")
            raise
        return True

    def _has_sendable(self) -> bool:
        """Tell whether something waits that may be sent."""
        if self._session.outbox.is_empty:
            return False
        with self._lock:
            return self._talk.has_sendable

    def _tick(self) -> None:
        try:
            with self._lock:
                self._session.tick(time.monotonic())
        except LostError as exc:
            self._break(str(exc))
        self._flush()

    def _lose(self, reason: str) -> None:
        """Fail every call under way, each with the truth about whether it may have run."""
        self.is_lost = True
        hang_up(self._socket)
        with self._lock:
            self._talk.lose(reason)
        self._stir.set()


class _SocketItems(Inlet):
    """Be the way in of one stream; holds the connection until it is over."""

    def __init__(self, shell: WebSocketShell, call: int, waiter: Waiter, timeout_s: float | None) -> None:
        self._shell = shell
        self._call = call
        self._waiter = waiter
        self._timeout_s = timeout_s

    def next_bodies(self) -> list[bytes]:
        """Wait for the next items."""
        return self._shell.take_items(self._call, self._waiter, self._timeout_s)

    def close(self) -> None:
        """Cancel the call."""
        self._shell.drop(self._call)


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise DeadlineError("no answer within the call's time")


def _keep(reference: weakref.ref[WebSocketShell], stir: threading.Event) -> None:
    while True:
        stir.wait(_KEEP_S)
        stir.clear()
        shell = reference()
        if shell is None or not shell.keep():
            return
        del shell
