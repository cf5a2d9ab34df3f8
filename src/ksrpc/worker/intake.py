"""Collect the arguments of the calls that come in, until each is ready to run or refused."""

from __future__ import annotations

from ksrpc import wire
from ksrpc.expose import Target
from ksrpc.protocol import Buffer, Meta
from ksrpc.protocol.event import BodyCame, Called
from ksrpc.worker.host import NOTHING, Host, Outcome, Ready, refused


class Intake:
    """Turn CALL and BODY into calls that are ready; refuse before a byte of the arguments is kept."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._open: dict[int, tuple[Target, wire.Reader, Meta]] = {}

    def take(self, event: Called | BodyCame) -> Ready | Outcome | None:
        """Return the call if it is complete, an outcome if it is refused, None if more is to come."""
        try:
            return self._begin(event) if isinstance(event, Called) else self._feed(event)
        except Exception as exc:
            self._open.pop(event.call, None)
            return refused(exc, maybe_ran=False)

    def drop(self, call: int) -> None:
        """Forget a call whose caller gave up."""
        self._open.pop(call, None)

    def _begin(self, event: Called) -> Ready | Outcome | None:
        target = self._host.find(event.meta)
        if event.fin:
            return self._admit(event.call, target, event.body, event.meta)
        self._open[event.call] = target, wire.Reader(self._host.table(target)), event.meta
        return None

    def _admit(self, call: int, target: Target, arguments: Buffer | wire.Reader, meta: Meta) -> Ready | Outcome:
        """Pass the arguments through gate C; of a trial that is all."""
        ready = self._host.admit(call, target, arguments, may_hold="handles" in meta)
        return NOTHING if "trial" in meta else ready

    def _feed(self, event: BodyCame) -> Ready | Outcome | None:
        entry = self._open.get(event.call)
        if entry is None:
            return None
        target, reader, meta = entry
        reader.feed(event.body)
        if not event.fin:
            return None
        del self._open[event.call]
        return self._admit(event.call, target, reader, meta)
