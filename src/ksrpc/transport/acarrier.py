"""One WebSocket of an event loop: bytes between its transport and a conversation.

Source: docs/spec/protocol.md "Carriers".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

from ksrpc.errors import ConnectError, KsrpcError, LostError
from ksrpc.limits import SESSION
from ksrpc.transport.conversation import Conversation
from ksrpc.transport.dial import PART_S, Address, explain_silence, join

#: With fewer calls under way each is sent at once.
_FEW = 3


class Carrier(asyncio.BufferedProtocol):
    """Move bytes between the loop's transport and a conversation.

    Attributes:
        changed: The handshake or the greeting went on, or the connection is over.
        failure: Why it is over; a ConnectError if it broke, any other if it was ended.
        on_end: Is told of it.
        gone: The transport is closed.
    """

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.transport: asyncio.WriteTransport | None = None
        self.changed = asyncio.Event()
        self.failure: KsrpcError | None = None
        self.on_end: Callable[[KsrpcError], None] | None = None
        self.is_open = False
        self.gone = asyncio.Event()
        self._may_write = True
        self._is_due = False
        self._parting: asyncio.TimerHandle | None = None
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
                self._shake(data)
        except KsrpcError as exc:
            self.fail(exc)
            return
        self.flush()
        self.changed.set()

    def _shake(self, data: memoryview) -> None:
        self.is_open = self.talk.shake(data)
        if self.is_open and self.talk.welcome and self.transport is not None:
            self.transport.write(self.talk.attach())

    def eof_received(self) -> None:
        """Take note that the server hung up."""
        self.fail(ConnectError("the server closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        self.fail(ConnectError(f"the connection broke: {exc}" if exc else "the server closed the connection"))
        if self._parting is not None:
            self._parting.cancel()
        self.gone.set()

    def pause_writing(self) -> None:
        """Hold frames back."""
        self._may_write = False

    def resume_writing(self) -> None:
        """Go on."""
        self._may_write = True
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as the carrier takes it."""
        talk = self.talk
        more = self.is_open and not talk.session.outbox.is_empty and (talk.is_attached or not talk.welcome)
        more = more and not talk.loss  # who waited was told by then that it was not sent
        while more and self._may_write and self.transport is not None and self.failure is None:
            data, more = talk.pull()
            self.transport.write(data)

    def flush_soon(self) -> None:
        """Write what waits: with the loop's next turn, and what comes until then, if other calls are under way."""
        if len(self.talk.waiters) < _FEW:
            self.flush()
        elif not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._flush_due)

    def _flush_due(self) -> None:
        self._is_due = False
        self.flush()

    def tick(self) -> None:
        """Send a heartbeat if one is due; give a silent server up."""
        try:
            self.talk.tick(time.monotonic())
        except LostError as exc:
            self.fail(ConnectError(str(exc)))
        except KsrpcError as exc:
            self.fail(exc)
        self.flush()

    def fail(self, error: KsrpcError) -> None:
        """End the connection."""
        if self.failure is not None:
            return
        self.failure = error
        self.changed.set()
        if self.transport is not None:
            self.transport.abort()
        if self.on_end is not None:
            self.on_end(error)

    def part(self) -> None:
        """Say good-bye; hang up when the server has answered it, or a while later."""
        if self.transport is not None and self.failure is None:
            self.transport.write(self.talk.part())
            self.failure = ConnectError("the connection was closed here")
            self.changed.set()
            self._parting = asyncio.get_running_loop().call_later(PART_S, self.transport.abort)

    def leave(self) -> None:
        """Say good-bye and hang up at once; nobody waits for the answer of one that was said before."""
        if self.transport is not None and self.failure is None:
            self.transport.write(self.talk.part())
            self.fail(ConnectError("the connection was closed here"))
        elif self._parting is not None and self.transport is not None:
            self._parting.cancel()
            self.transport.abort()


async def connect(talk: Conversation, address: Address, connect_s: float | None) -> Carrier:
    """Connect, shake hands, and greet or go on where the last connection broke."""
    carrier = Carrier(talk)
    try:
        async with asyncio.timeout(connect_s):
            await join(address, carrier, connect_s)
        async with asyncio.timeout(connect_s if connect_s is not None else SESSION.hello_s):
            await _greet(carrier)
    except TimeoutError:
        carrier.fail(ConnectError("too late"))
        said = "the server accepted the connection and then said nothing"
        raise ConnectError(said if carrier.transport else explain_silence(address, connect_s)) from None
    except BaseException:
        carrier.fail(ConnectError("given up"))
        raise
    return carrier


async def _greet(carrier: Carrier) -> None:
    while not carrier.talk.is_attached:
        if carrier.failure is not None:
            text = str(carrier.failure)
            greets = f"the server did not greet: {text}" if carrier.is_open else text
            raise carrier.failure if not isinstance(carrier.failure, ConnectError) else ConnectError(greets)
        carrier.changed.clear()
        await carrier.changed.wait()
