"""A client that speaks the protocol by hand, so that tests can do what the real client never does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

from ksrpc import wire
from ksrpc.protocol import Caller
from ksrpc.protocol.event import Event, Greeted, RaiseCame, ResultCame
from ksrpc.protocol.fault import parse_fault


class RawSession:
    """Hold one WebSocket and its Caller session; nothing is consumed unless a test says so."""

    def __init__(self, ws_url: str, *, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else None
        url = ws_url + "/ws/bytes"
        self._stack = ExitStack()
        self.socket: ClientConnection = self._stack.enter_context(
            connect(url, additional_headers=headers, max_size=None, compression=None)
        )
        self.session = Caller(now=time.monotonic())
        self.session.greet({})
        self._held: dict[int, int] = {}
        for event in self.events(until=lambda: self.session.peer is not None):
            assert isinstance(event, Greeted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def flush(self) -> None:
        """Send all that the session has."""
        while (frame := self.session.pull()) is not None:
            self.socket.send(b"".join(frame))

    def events(self, *, until: Callable[[], bool], timeout_s: float = 60.0) -> Iterator[Event]:
        """Send and receive until the condition holds."""
        self.flush()
        while not until():
            message = self.socket.recv(timeout=timeout_s)
            assert isinstance(message, bytes)
            event = self.session.receive(message, time.monotonic())
            self.flush()
            if event is not None:
                yield event

    def ask(self, path: str, *args: Any, drip: tuple[int, int] | None = None) -> Any:
        """Make one call; `drip` = (call, bytes) grants that much to another call meanwhile, as a slow reader does."""
        call = self.session.call({"path": path}, wire.pack_arguments(args, {}).segments)
        done: list[Any] = []
        for event in self.events(until=lambda: bool(done)):
            if isinstance(event, ResultCame) and event.call == call:
                done.append(wire.parse(event.body))
            elif isinstance(event, RaiseCame) and event.call == call:
                raise parse_fault(event.meta)
            elif isinstance(event, ResultCame):
                self._held[event.call] = self._held.get(event.call, 0) + len(event.body)
        if drip is not None:
            count = min(drip[1], self._held.get(drip[0], 0))
            self._held[drip[0]] = self._held.get(drip[0], 0) - count
            self.session.consume(drip[0], count)
        return done[0]

    def await_first_piece(self, call: int) -> None:
        """Wait until the answer of a call begins to come."""
        for event in self.events(until=lambda: call in self._held):
            if isinstance(event, ResultCame):
                self._held[event.call] = self._held.get(event.call, 0) + len(event.body)
