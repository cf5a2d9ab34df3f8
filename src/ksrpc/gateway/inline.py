"""Steps with an iterator that an inline module returned: read on the gateway's own loop.

Source: docs/spec/protocol.md "Streams".
"""

from __future__ import annotations

import asyncio

from ksrpc.errors import DeadlineError, KsrpcError
from ksrpc.gateway.flow import Sink
from ksrpc.protocol import Buffer
from ksrpc.protocol.fault import RAISED, parse_fault
from ksrpc.transport.link import RaisedError
from ksrpc.worker.ferry import apull
from ksrpc.worker.host import Host, Outcome


class InlineSteps:
    """Take steps with one iterator that the inline host keeps.

    Args:
        host: What keeps it.
        number: Its number there.
        span_s: How long each step may take, as far as it awaits.
    """

    def __init__(self, host: Host, number: int, span_s: float) -> None:
        self._host = host
        self._number = number
        self._span_s = span_s

    async def pull(self, sink: Sink) -> tuple[Buffer, ...]:
        """Read on.

        Raises:
            RaisedError: The library raised.
            KsrpcError: It took too long, or an item cannot travel.
        """
        source = self._host.holding.get(self._number)
        try:
            async with asyncio.timeout(self._span_s):
                outcome = await apull(0, source, lambda _, message: sink(message.join()))
        except TimeoutError:
            raise DeadlineError("the next item took longer than the call's time") from None
        if outcome.fault is not None:
            raise fault_of(outcome)
        await asyncio.sleep(0)  # others' turn: what reads without awaiting holds the loop for one pull at most
        return tuple(outcome.message.segments)

    async def drop(self) -> None:
        """Forget it."""
        for source in self._host.holding.drop(self._number):
            await source.aclose()


def fault_of(outcome: Outcome) -> KsrpcError:
    """Return the error that an outcome without a value stands for."""
    fault = outcome.fault or {}
    return RaisedError(fault, outcome.message.join()) if fault.get("code") == RAISED else parse_fault(fault)
