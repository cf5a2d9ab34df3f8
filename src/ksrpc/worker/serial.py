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
from ksrpc.worker.ferry import Ferry
from ksrpc.worker.holding import PULL, STEPS
from ksrpc.worker.host import NOTHING, Host, Outcome, refused
from ksrpc.worker.intake import Intake


class SerialWorker:
    """Serve the gateway until it closes its end."""

    def __init__(self, pair: BlockingPair, host: Host, channel: socket.socket) -> None:
        self._pair = pair
        self._host = host
        self._intake = Intake(host)
        self._ferry = Ferry(self._send_early)
        self._channel = channel

    def serve(self) -> None:
        """Take events until the gateway is gone."""
        for event in self._pair.events():
            self._act(event)

    def _act(self, event: Event) -> None:
        if isinstance(event, Called) and event.meta["path"] in STEPS:
            self._reply(event.call, self._use(event.call, event.meta["path"], event.meta.get("held", 0)))
        elif isinstance(event, Called | BodyCame):
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

    def _use(self, call: int, what: str, number: int | list[int]) -> Outcome:
        """Take a step with something that is kept here."""
        holding = self._host.holding
        try:
            if what == PULL:
                return self._ferry.pull(call, holding.get(number))
            for kept in holding.drop(number):
                kept.close()
            return NOTHING
        except Exception as exc:
            return refused(exc)

    def _send_early(self, call: int, message: Message) -> None:
        """Send items while the main thread waits for the next one."""
        session = self._pair.session
        if not session.is_answering(call):
            session.open_answer(call, {})
        session.send_answer(call, message.segments, ended=False)
        self._pair.flush()

    def _describe(self, path: str) -> Outcome:
        try:
            return Outcome(self._host.describe(path))
        except Exception as exc:
            return refused(exc)

    def _reply(self, call: int, outcome: Outcome) -> None:
        session = self._pair.session
        if outcome.fault is not None:
            session.fail(call, outcome.fault, outcome.message.join())
        elif session.is_answering(call):
            session.send_answer(call, outcome.message.segments, ended=True)
        elif outcome.message.nbytes > HANDOVER_BYTES:
            self._hand_over(call, outcome.message)
        else:
            session.answer(call, outcome.message.segments, size=outcome.message.nbytes, meta=outcome.label)

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
