"""A WebSocket on an event loop, shared by any number of its tasks.

It drives the same Conversation as the blocking one; the loop reads, so nobody has to lead. One for each loop.

Source: docs/spec/protocol.md "Carriers".
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

from ksrpc.errors import BusyError, ConnectError, DeadlineError, KsrpcError
from ksrpc.limits import ANSWER_GRACE_S, SESSION
from ksrpc.protocol import Buffer, Meta
from ksrpc.transport.acarrier import Carrier, connect
from ksrpc.transport.backoff import PASSING, Backoff
from ksrpc.transport.conversation import Conversation
from ksrpc.transport.dial import PART_S, Address
from ksrpc.transport.ending import LoopEnd
from ksrpc.transport.feed import Feed
from ksrpc.transport.held import RELEASES
from ksrpc.transport.items import AsyncInlet, AsyncRemoteIterator
from ksrpc.transport.waiter import Pledge
from ksrpc.transport.watch import Watch

_KEEP_S = 5.0
_GRACE_S = ANSWER_GRACE_S


class AsyncSocketShell:
    """Make calls on the loop that opened it; use `open`."""

    def __init__(self, carrier: Carrier, address: Address, connect_s: float | None) -> None:
        self._talk = carrier.talk
        self._address = address
        self._connect_s = connect_s
        self._loop = asyncio.get_running_loop()
        self._released: deque[str] = deque()  # handles that nobody holds any more
        self._keeper = self._loop.call_later(_KEEP_S, _keep, weakref.ref(self))
        self._restoring: asyncio.Task[None] | None = None
        self._end: LoopEnd | None = None

    @classmethod
    async def open(
        cls, address: Address, *, token: str | None, connect_s: float | None, watch: Watch | None = None
    ) -> AsyncSocketShell:
        """Connect, shake hands and greet.

        Raises:
            ConnectError: There is no ksrpc WebSocket.
            KsrpcError: The server refuses; the class says why.
        """
        carrier = await connect(Conversation(address.ws_url, token=token, watch=watch), address, connect_s)
        shell = cls(carrier, address, connect_s)
        await shell._adopt(carrier)
        return shell

    async def _adopt(self, carrier: Carrier) -> None:
        self._carrier = carrier
        carrier.on_end = partial(_tell_end, weakref.ref(self), carrier.talk)
        if self._end is not None:
            self._end.disarm()  # the conversation goes on here
        self._end = LoopEnd(partial(_hang_up, weakref.ref(carrier)))
        await self._end.arm()
        if carrier.failure is not None:
            carrier.on_end(carrier.failure)

    @property
    def is_usable(self) -> bool:
        """Tell whether new calls may be made."""
        return self._talk.is_usable

    async def call(self, meta: Meta, pieces: Sequence[Buffer], timeout_s: float | None) -> Any:
        """Make a call and wait for its value; a cancelled task cancels the call.

        Raises:
            KsrpcError: As the server, the library or the network has it.
        """
        pledge = Pledge(self._loop)
        return await self._await(self._talk.call(meta, pieces, pledge), pledge, timeout_s)

    async def describe(self, path: str, timeout_s: float | None) -> Any:
        """Ask what stands at a path; return the descriptor's fields."""
        pledge = Pledge(self._loop)
        return await self._await(self._talk.describe(path, pledge), pledge, timeout_s)

    def close(self) -> None:
        """Say good-bye and hang up; calls under way fail."""
        self._keeper.cancel()
        if self._talk.loss:
            return
        self._talk.lose("the connection was closed here")
        if self._restoring is None or self._restoring.done():
            self._carrier.part()
        else:  # it says good-bye where it gets through
            self._loop.call_later(PART_S, self._restoring.cancel)

    async def wait_closed(self) -> None:
        """Wait until the server has heard the good-bye, which takes two seconds at most."""
        if self._restoring is not None:
            await asyncio.wait([self._restoring])
        if self._carrier.transport is not None:
            await self._carrier.gone.wait()

    def on_end(self, error: KsrpcError) -> None:
        """Find another connection if this one broke and the server keeps the session for calls under way."""
        if isinstance(error, ConnectError) and self._talk.may_resume:
            self._restoring = self._loop.create_task(self._restore())
        else:
            self._talk.lose(str(error))

    async def _restore(self) -> None:
        """Carry the session on on another connection; who waits does so on."""
        backoff = Backoff(self._talk.resume_s)
        while True:
            is_last = bool(self._talk.loss)  # it was closed: only the server is to be told
            self._talk.restart()
            times_s = (self._connect_s, SESSION.hello_s, backoff.left_s)
            try:
                carrier = await connect(self._talk, self._address, min(t for t in times_s if t is not None))
            except PASSING as exc:
                pause_s = backoff.pause_s(exc)
                if is_last or pause_s is None or not (self._talk.is_wanted or self._talk.loss):
                    self._talk.lose("the connection broke and could not be resumed")
                    return
                await asyncio.sleep(0 if self._talk.loss else pause_s)
            except Exception as exc:  # whatever it is, nobody may wait on
                self._talk.lose(f"the connection broke, and the session cannot be resumed: {exc}")
                return
            else:
                await self._adopt(carrier)
                carrier.part() if self._talk.loss else carrier.flush()
                return

    async def _await(self, call: int, pledge: Pledge, timeout_s: float | None) -> Any:
        began = time.monotonic()
        self._carrier.flush_soon()
        try:
            if timeout_s is None:
                await pledge.done
            else:
                async with asyncio.timeout(timeout_s + _GRACE_S):
                    await pledge.done
        except TimeoutError:
            was_sent = self._abandon(call)
            self._doubt(began)
            raise DeadlineError("no answer within the call's time", maybe_ran=was_sent) from None
        except BaseException:
            self._abandon(call)
            raise
        finally:
            self._talk.settle(call)
        if pledge.feed is not None:
            return AsyncRemoteIterator(_LoopItems(self, call, pledge, timeout_s))
        self._talk.waiters.pop(call, None)
        value = pledge.result()
        return value if pledge.handle is None else self._talk.hold(pledge.handle, value, self.release)

    def _doubt(self, since: float) -> None:
        """Leave a connection from which nothing came for the whole time of a call."""
        self._talk.doubt(since)
        if self._talk.is_suspect and self._talk.waiters and self._talk.may_resume:
            self._carrier.fail(ConnectError("nothing was heard from the server"))

    async def take_items(self, call: int, pledge: Pledge, timeout_s: float | None) -> list[bytes]:
        """Wait for the next items of a stream; none at the end.

        Raises:
            BaseException: What ended it.
        """
        feed = pledge.feed or Feed()
        if not feed.has_news:
            pledge.renew()
            try:
                async with asyncio.timeout(None if timeout_s is None else timeout_s + _GRACE_S):
                    await pledge.done
            except TimeoutError:
                raise DeadlineError("no item within the call's time") from None
            finally:
                self._talk.settle(call)
        try:
            return self._talk.take_items(call, feed)
        finally:
            self._carrier.flush()

    def drop(self, call: int) -> None:
        """Give a stream up; from anywhere."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._abandon, call)

    def release(self, handle: str) -> None:
        """Let the server forget an object, soon; from anywhere."""
        self._released.append(handle)
        if len(self._released) == 1 and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it closes at this moment: all ends with it
                self._loop.call_soon_threadsafe(self._sweep)

    def _sweep(self) -> None:
        while self._released and not self._talk.loss:
            count = min(RELEASES, len(self._released))
            with contextlib.suppress(BusyError):  # the connection ends, and all that was kept for it
                self._talk.release([self._released.popleft() for _ in range(count)])
        self._carrier.flush()

    def _abandon(self, call: int) -> bool:
        was_sent = self._talk.abandon(call)
        self._carrier.flush()
        return was_sent

    def keep(self) -> bool:
        """Keep an idle connection alive; return whether it still lives."""
        if self._carrier.failure is None:
            self._carrier.tick()
        self._keeper = self._loop.call_later(_KEEP_S, _keep, weakref.ref(self))
        return not self._talk.loss


class _LoopItems(AsyncInlet):
    """Be the way in of one stream; holds the connection until it is over."""

    def __init__(self, shell: AsyncSocketShell, call: int, pledge: Pledge, timeout_s: float | None) -> None:
        self._shell = shell
        self._call = call
        self._pledge = pledge
        self._timeout_s = timeout_s

    async def next_bodies(self) -> list[bytes]:
        """Wait for the next items."""
        return await self._shell.take_items(self._call, self._pledge, self._timeout_s)

    def close(self) -> None:
        """Cancel the call."""
        self._shell.drop(self._call)


def _tell_end(reference: weakref.ref[AsyncSocketShell], talk: Conversation, error: KsrpcError) -> None:
    shell = reference()
    if shell is not None:
        shell.on_end(error)
    else:
        talk.lose(str(error))


def _hang_up(reference: weakref.ref[Carrier]) -> None:
    carrier = reference()
    if carrier is not None:
        carrier.talk.lose("its event loop has ended")  # nobody is left who could go on elsewhere
        carrier.leave()


def _keep(reference: weakref.ref[AsyncSocketShell]) -> None:
    shell = reference()
    if shell is not None:
        shell.keep()
