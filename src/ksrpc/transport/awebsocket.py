"""A WebSocket on an event loop, shared by any number of its tasks.

It drives the same Conversation as the blocking one; the loop reads, so nobody has to lead. One for each loop.

Source: docs/spec/protocol.md "Carriers".
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from ksrpc.errors import ConnectError, DeadlineError, KsrpcError
from ksrpc.limits import ANSWER_GRACE_S, SESSION
from ksrpc.protocol import Buffer, Meta
from ksrpc.transport.conversation import Conversation
from ksrpc.transport.dial import explain_silence, join, parse_url
from ksrpc.transport.ending import LoopEnd
from ksrpc.transport.waiter import Pledge

_KEEP_S = 5.0
_GRACE_S = ANSWER_GRACE_S


class _Carrier(asyncio.BufferedProtocol):
    """Move bytes between the loop's transport and a conversation."""

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.transport: asyncio.WriteTransport | None = None
        self.changed = asyncio.Event()  # the handshake or the greeting went on, or the connection is lost
        self.failure: KsrpcError | None = None
        self.is_open = False
        self._may_write = True
        self._room = memoryview(b"")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the handshake."""
        self.transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one without saying so
        self.transport.write(self.talk.request())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the room for what comes."""
        self._room = self.talk.room()
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Take it in; a server that breaks a rule is cut off."""
        data = self._room[:nbytes]
        try:
            if self.is_open:
                self.talk.receive(data)
            else:
                self.is_open = self.talk.shake(data)
        except KsrpcError as exc:
            self.fail(exc)
            return
        self.flush()
        self.changed.set()

    def eof_received(self) -> None:
        """Take note that the server hung up."""
        self.fail(ConnectError("the server closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        self.fail(ConnectError(f"the connection broke: {exc}" if exc else "the server closed the connection"))

    def pause_writing(self) -> None:
        """Hold frames back."""
        self._may_write = False

    def resume_writing(self) -> None:
        """Go on."""
        self._may_write = True
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as the carrier takes it."""
        outbox = self.talk.session.outbox
        more = self.is_open and not outbox.is_empty
        while more and self._may_write and self.transport is not None and not self.talk.loss:
            data, more = self.talk.pull()
            self.transport.write(data)

    def tick(self) -> None:
        """Send a heartbeat if one is due; give a silent server up."""
        try:
            self.talk.tick(time.monotonic())
        except KsrpcError as exc:
            self.fail(exc)
        self.flush()

    def fail(self, error: KsrpcError) -> None:
        """End the connection and every call on it."""
        if not self.talk.loss:
            self.failure = error
            self.talk.lose(str(error))
        self.changed.set()
        if self.transport is not None:
            self.transport.abort()


class AsyncSocketShell:
    """Make calls on the loop that opened it; use `open`."""

    def __init__(self, carrier: _Carrier) -> None:
        self._carrier = carrier
        self._talk = carrier.talk
        self._loop = asyncio.get_running_loop()
        self._keeper = self._loop.call_later(_KEEP_S, _keep, weakref.ref(self))
        self._end = LoopEnd(partial(_hang_up, weakref.ref(carrier)))

    @classmethod
    async def open(cls, url: str, *, token: str | None, connect_s: float | None) -> AsyncSocketShell:
        """Connect, shake hands and greet.

        Raises:
            ConnectError: There is no ksrpc WebSocket.
            KsrpcError: The server refuses; the class says why.
        """
        address = parse_url(url, ("ws", "wss"))
        carrier = _Carrier(Conversation(url, token=token))
        try:
            async with asyncio.timeout(connect_s):
                await join(address, carrier)
            async with asyncio.timeout(connect_s if connect_s is not None else SESSION.hello_s):
                await _greet(carrier)
        except TimeoutError:
            carrier.fail(ConnectError("too late"))
            said = "the server accepted the connection and then said nothing"
            raise ConnectError(said if carrier.transport else explain_silence(address, connect_s)) from None
        except BaseException:
            carrier.fail(ConnectError("given up"))
            raise
        shell = cls(carrier)
        await shell._end.arm()
        return shell

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
        carrier = self._carrier
        self._keeper.cancel()
        if carrier.transport is not None and not self._talk.loss:
            carrier.transport.write(self._talk.part())
            self._talk.lose("the connection was closed here")
            carrier.transport.close()

    async def _await(self, call: int, pledge: Pledge, timeout_s: float | None) -> Any:
        began = time.monotonic()
        self._carrier.flush()
        try:
            if timeout_s is None:
                await pledge.done
            else:
                async with asyncio.timeout(timeout_s + _GRACE_S):
                    await pledge.done
        except TimeoutError:
            self._talk.doubt(began)
            raise DeadlineError("no answer within the call's time", maybe_ran=self._abandon(call)) from None
        except BaseException:
            self._abandon(call)
            raise
        self._talk.waiters.pop(call, None)
        return pledge.result()

    def _abandon(self, call: int) -> bool:
        was_sent = self._talk.abandon(call)
        self._carrier.flush()
        return was_sent

    def keep(self) -> bool:
        """Keep an idle connection alive; return whether it still lives."""
        self._carrier.tick()
        self._keeper = self._loop.call_later(_KEEP_S, _keep, weakref.ref(self))
        return not self._talk.loss


async def _greet(carrier: _Carrier) -> None:
    while not carrier.talk.welcome:
        if carrier.failure is not None:
            text = str(carrier.failure)
            greets = f"the server did not greet: {text}" if carrier.is_open else text
            raise carrier.failure if not isinstance(carrier.failure, ConnectError) else ConnectError(greets)
        carrier.changed.clear()
        await carrier.changed.wait()


def _hang_up(reference: weakref.ref[_Carrier]) -> None:
    carrier = reference()
    if carrier is not None and carrier.transport is not None:
        carrier.transport.abort()


def _keep(reference: weakref.ref[AsyncSocketShell]) -> None:
    shell = reference()
    if shell is not None:
        shell.keep()
