"""An object in a worker process: use it there, let it go there.

Source: docs/spec/protocol.md "Kept objects".
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import weakref
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ksrpc.errors import KsrpcError
from ksrpc.gateway.call import Answer, Call
from ksrpc.gateway.child import Child
from ksrpc.gateway.step import Opened
from ksrpc.transport.link import Received
from ksrpc.worker.holding import DROP

#: Runs a call in the process that it needs.
Run: TypeAlias = Callable[[Call], Awaitable[Answer]]
#: Takes a step with what the process keeps, when it is the process's turn.
Step: TypeAlias = Callable[[float, Callable[[], Opened]], Awaitable[Received]]
#: So many objects are let go in one step.
_DROPS = 1000
_DROP_S = 60.0


class ProcessPin:
    """Know one object of one process.

    Args:
        child: The process.
        number: The object's number there.
        class_path: Path of its class.
        run: Runs calls on it.
        step: Takes steps with it.
    """

    def __init__(self, child: Child, number: int, class_path: str, *, run: Run, step: Step) -> None:
        self.class_path = class_path
        self._child = child
        self._number = number
        self._run = run
        self._step = step
        self._is_claimed = False
        child.held += 1

    @property
    def is_lost(self) -> bool:
        """Tell whether its process has ended."""
        return self._child.link.is_lost or bool(self._child.fate)

    def claim(self) -> bool:
        """Tell whether the asker may have it: the first one only."""
        is_mine, self._is_claimed = not self._is_claimed, True
        return is_mine

    async def run(self, call: Call, name: str) -> Answer:
        """Use a name of it.

        Raises:
            RaisedError: The library raised.
            KsrpcError: It was refused, or the process is lost.
        """
        extra = {**(call.extra or {}), "path": name, "held": self._number}
        return await self._run(dataclasses.replace(call, extra=extra))

    def close_unclaimed(self) -> None:
        """Let the process forget it if nobody took it."""
        if self.claim():
            self.close()

    def close(self) -> None:
        """Let the process forget it, together with others that go."""
        sweeper = _sweepers.get(self._child)
        if sweeper is None:
            sweeper = _sweepers[self._child] = _Sweeper(self._child, self._step)
        sweeper.add(self._number)


class _Sweeper:
    """Let one process forget objects, many in one step."""

    def __init__(self, child: Child, step: Step) -> None:
        self._child = weakref.proxy(child)
        self._step = step
        self._numbers: list[int] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, number: int) -> None:
        self._numbers.append(number)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._sweep())

    async def _sweep(self) -> None:
        try:
            while self._numbers:
                numbers, self._numbers = self._numbers[:_DROPS], self._numbers[_DROPS:]
                await self._drop(numbers)
        finally:
            self._task = None

    async def _drop(self, numbers: list[int]) -> None:
        child = self._child

        def begin() -> Opened:
            opened: Opened = child.link.use(numbers, DROP)
            return opened

        with contextlib.suppress(KsrpcError, TimeoutError):  # with its process all is gone
            await self._step(asyncio.get_running_loop().time() + _DROP_S, begin)
        child.held -= len(numbers)


_sweepers: weakref.WeakKeyDictionary[Child, _Sweeper] = weakref.WeakKeyDictionary()
