"""Run one call at a time on the process's main thread: the default for functions that are not coroutines.

Some libraries insist on the main thread (signals, COM), and a call that crashes, spins or must be killed takes no
other call with it, since there is none.
"""

from __future__ import annotations

import os
import socket

from ksrpc.errors import KsrpcError, TooLargeError
from ksrpc.limits import HANDOVER_BYTES
from ksrpc.protocol.event import BodyCame, Called, CancelCame, Described, Event
from ksrpc.transport.descriptor import receive_descriptor, write_descriptor
from ksrpc.transport.pair import BlockingPair
from ksrpc.wire import Message
from ksrpc.worker.host import Host, Outcome, refused
from ksrpc.worker.intake import Intake


class SerialWorker:
    """Serve the gateway until it closes its end."""

    def __init__(self, pair: BlockingPair, host: Host, channel: socket.socket) -> None:
        self._pair = pair
        self._host = host
        self._intake = Intake(host)
        self._channel = channel

    def serve(self) -> None:
        """Take events until the gateway is gone."""
        for event in self._pair.events():
            self._act(event)

    def _act(self, event: Event) -> None:
        if isinstance(event, Called | BodyCame):
            step = self._intake.take(event)
            if isinstance(event, BodyCame):
                self._pair.session.consume(event.call, len(event.body))
            if step is not None:
                self._reply(event.call, step if isinstance(step, Outcome) else self._host.run(step))
        elif isinstance(event, Described):
            self._reply(event.call, self._describe(event.meta["path"]))
        elif isinstance(event, CancelCame):
            self._intake.drop(event.call)
            self._pair.session.fail(event.call, {"code": "cancelled", "maybe_ran": False})

    def _describe(self, path: str) -> Outcome:
        try:
            return Outcome(self._host.describe(path))
        except Exception as exc:
            return refused(exc)

    def _reply(self, call: int, outcome: Outcome) -> None:
        session = self._pair.session
        if outcome.fault is not None:
            session.fail(call, outcome.fault, outcome.message.join())
        elif outcome.message.nbytes > HANDOVER_BYTES:
            self._hand_over(call, outcome.message)
        else:
            session.answer(call, outcome.message.segments, size=outcome.message.nbytes)

    def _hand_over(self, call: int, message: Message) -> None:
        session = self._pair.session
        session.handover(call, message.nbytes)
        self._pair.flush()
        try:
            _, fd = receive_descriptor(self._channel)
            if fd is None:
                raise TooLargeError("the result is larger than the gateway takes")
            try:
                write_descriptor(fd, message.segments)
            finally:
                os.close(fd)
        except (KsrpcError, OSError) as exc:
            outcome = refused(exc, maybe_ran=True)
            session.fail(call, outcome.fault or {})
        else:
            session.answer(call, [b""], size=0, meta={"descriptor": message.nbytes})
