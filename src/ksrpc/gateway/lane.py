"""Worker processes of one kind and the calls that wait for them, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque

from ksrpc.errors import BusyError, DeadlineError
from ksrpc.gateway.call import Call
from ksrpc.gateway.child import Child
from ksrpc.protocol import Meta

_IDLE_S = 300.0
_MEMORY_IDLE_S = 10.0


class Lane:
    """Lend processes out, one call each; start more while calls wait and the bound allows."""

    def __init__(self, boot: Meta, *, processes: int, queue: int, shows_output: bool = False) -> None:
        self._boot = boot
        self._max_processes = processes
        self._max_queue = queue
        self._shows_output = shows_output
        self._free: list[Child] = []
        self._waiting: deque[asyncio.Future[Child]] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._reaping: set[asyncio.Task[str]] = set()
        self._is_closed = False
        self.children: set[Child] = set()

    async def acquire(self, call: Call) -> Child:
        """Get a process for this call alone; give it back with `release`.

        Raises:
            BusyError: Too many calls wait, or no process could be started.
            DeadlineError: The call's time was over before its turn; it has not run.
        """
        while self._free:
            child = self._free.pop()
            if not child.link.is_lost:
                return child
            self._discard(child)
        if self._is_closed:
            raise BusyError("the gateway stops")
        if len(self._waiting) >= self._max_queue:
            raise BusyError(f"{self._max_queue} calls wait for this module already; try again later")
        return await self._wait(call)

    def release(self, child: Child) -> None:
        """Give a process back; the longest waiting call gets it."""
        child.deadline = None
        if child.link.is_lost or child.fate:
            self._discard(child)
            self._start_if_wanted()
            return
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(child)
                return
        child.idle_since = asyncio.get_running_loop().time()
        self._free.append(child)

    async def reap(self, child: Child) -> str:
        """Wait for a lost process; return why it ended."""
        self.children.discard(child)
        return await child.reap()

    def retire_idle(self, now: float) -> None:
        """End processes that nobody has needed for a while, and their large memory sooner; one stays warm."""
        for child in self._free:
            if now - child.idle_since > _MEMORY_IDLE_S:
                child.link.forget_regions()
        while len(self._free) > 1 and now - self._free[0].idle_since > _IDLE_S:
            self._discard(self._free.pop(0))

    async def close(self) -> None:
        """End all processes; calls that wait for one are refused."""
        self._is_closed = True
        self._refuse_waiting(BusyError("the gateway stops"))
        for task in self._starting:
            task.cancel()
        for child in self.children:
            child.kill("the gateway stops")
        await asyncio.gather(*self._starting, *(child.reap() for child in self.children), return_exceptions=True)
        await asyncio.gather(*self._reaping, return_exceptions=True)

    async def _wait(self, call: Call) -> Child:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Child] = loop.create_future()
        self._waiting.append(future)
        if self.children:
            call.is_queued = True
            call.tell("queued", {"position": len(self._waiting)})
        self._start_if_wanted()
        try:
            async with asyncio.timeout_at(call.deadline):
                child = await asyncio.shield(future)
        except TimeoutError:
            self._give_up(future)
            raise DeadlineError("the call's time was over while it waited for a worker", maybe_ran=False) from None
        except asyncio.CancelledError:
            self._give_up(future)
            raise
        return child

    def _give_up(self, future: asyncio.Future[Child]) -> None:
        """Leave the queue; a process that was lent in the same moment goes back."""
        if not future.done():
            self._waiting.remove(future)
            future.cancel()
        elif not future.cancelled() and future.exception() is None:
            self.release(future.result())

    def _start_if_wanted(self) -> None:
        wanted = len(self._waiting) - len(self._starting)
        room = 0 if self._is_closed else self._max_processes - len(self.children) - len(self._starting)
        for _ in range(min(wanted, room)):
            task = asyncio.get_running_loop().create_task(self._start())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start(self) -> None:
        try:
            child = await Child.start(self._boot, shows_output=self._shows_output)
        except BusyError as exc:
            self._on_start_failed(exc)
            return
        except OSError as exc:
            self._on_start_failed(BusyError(f"no worker process can be started: {exc.strerror}"))
            return
        self.children.add(child)
        self.release(child)

    def _on_start_failed(self, error: BusyError) -> None:
        """Refuse those who wait, unless there is a process that they can wait for."""
        if not self.children:
            self._refuse_waiting(error)

    def _refuse_waiting(self, error: BusyError) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)

    def _discard(self, child: Child) -> None:
        self.children.discard(child)
        task = asyncio.get_running_loop().create_task(child.reap())
        self._reaping.add(task)
        task.add_done_callback(self._reaping.discard)
