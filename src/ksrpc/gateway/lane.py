"""Worker processes of one kind and the calls that wait for them, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from ksrpc.errors import BusyError, DeadlineError, LostError
from ksrpc.gateway.call import Call
from ksrpc.gateway.child import Child
from ksrpc.protocol import Meta

_IDLE_S = 300.0
_MEMORY_IDLE_S = 10.0
#: Who waits is told its place so often at most: what is over sooner costs nothing.
_TELL_S = 0.25


@dataclass(slots=True, eq=False)
class _Turn:
    """Wait for a process: any, or the one that keeps what the call is about."""

    call: Call
    future: asyncio.Future[Child]
    wanted: Child | None
    told_place: int = 0


class Lane:
    """Lend processes out, one call each; start more while calls wait and the bound allows."""

    def __init__(self, boot: Meta, *, processes: int, queue: int, shows_output: bool = False) -> None:
        self._boot = boot
        self._max_processes = processes
        self._max_queue = queue
        self._shows_output = shows_output
        self._free: list[Child] = []
        self._waiting: deque[_Turn] = deque()
        self._teller: asyncio.TimerHandle | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._reaping: set[asyncio.Task[str]] = set()
        self._is_closed = False
        self.children: set[Child] = set()

    async def acquire(self, call: Call, wanted: Child | None = None) -> Child:
        """Get a process for this call alone; give it back with `release`.

        Args:
            call: What is to run.
            wanted: The only process that will do.

        Raises:
            BusyError: Too many calls wait, or no process could be started.
            DeadlineError: The call's time was over before its turn; it has not run.
            LostError: The wanted process has ended.
        """
        if wanted is not None:
            if wanted not in self.children:
                raise _gone()
            if wanted in self._free and not wanted.link.is_lost:
                self._free.remove(wanted)
                return wanted
            return await self._wait(call, wanted)
        while self._free:
            child = self._pick()
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
        for turn in list(self._waiting):
            if turn.wanted is None or turn.wanted is child:
                self._waiting.remove(turn)
                if not turn.future.done():
                    turn.future.set_result(child)
                    return
        child.idle_since = asyncio.get_running_loop().time()
        self._free.append(child)

    async def reap(self, child: Child) -> str:
        """Wait for a lost process; return why it ended."""
        self._forget(child)
        return await child.reap()

    def retire_idle(self, now: float) -> None:
        """End processes that nobody has needed for a while, and their large memory sooner; one stays warm."""
        for child in self._free:
            if now - child.idle_since > _MEMORY_IDLE_S:
                child.link.forget_regions()
        while len(self._free) > 1 and now - self._free[0].idle_since > _IDLE_S and not self._free[0].held:
            self._discard(self._free.pop(0))

    async def close(self) -> None:
        """End all processes; calls that wait for one are refused."""
        self._is_closed = True
        if self._teller is not None:
            self._teller.cancel()
        self._refuse_waiting(BusyError("the gateway stops"))
        for task in self._starting:
            task.cancel()
        for child in self.children:
            child.kill("the gateway stops")
        await asyncio.gather(*self._starting, *(child.reap() for child in self.children), return_exceptions=True)
        await asyncio.gather(*self._reaping, return_exceptions=True)

    def _pick(self) -> Child:
        """Take a free process, rather one that keeps nothing: a call may be the end of its process."""
        last = self._free[-1]
        if last.held and (empty := next((child for child in reversed(self._free) if not child.held), None)):
            last = empty
        self._free.remove(last)
        return last

    async def _wait(self, call: Call, wanted: Child | None = None) -> Child:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Child] = loop.create_future()
        turn = _Turn(call, future, wanted)
        self._waiting.append(turn)
        self._start_if_wanted()
        if self._teller is None:
            self._teller = loop.call_later(_TELL_S, self._tell_places)
        try:
            async with asyncio.timeout_at(call.deadline):
                child = await asyncio.shield(future)
        except TimeoutError:
            self._give_up(turn)
            raise DeadlineError("the call's time was over while it waited for a worker", maybe_ran=False) from None
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        return child

    def _tell_places(self) -> None:
        """Tell who waits its place when that is a new one; those for whom a process is being started are not queued."""
        for place, turn in enumerate(self._waiting, 1):
            if place > len(self._starting) and place != turn.told_place:
                turn.told_place = place
                turn.call.is_queued = True
                turn.call.tell("queued", {"position": place})
        again = bool(self._waiting) and not self._is_closed
        self._teller = asyncio.get_running_loop().call_later(_TELL_S, self._tell_places) if again else None

    def _give_up(self, turn: _Turn) -> None:
        """Leave the queue; a process that was lent in the same moment goes back."""
        future = turn.future
        if not future.done():
            self._waiting.remove(turn)
            future.cancel()
        elif not future.cancelled() and future.exception() is None:
            self.release(future.result())

    def _start_if_wanted(self) -> None:
        wanted = sum(turn.wanted is None for turn in self._waiting) - len(self._starting)
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
            future = self._waiting.popleft().future
            if not future.done():
                future.set_exception(error)

    def _forget(self, child: Child) -> None:
        """Count a process out; who waits for this very one waits in vain."""
        self.children.discard(child)
        for turn in [turn for turn in self._waiting if turn.wanted is child]:
            self._waiting.remove(turn)
            if not turn.future.done():
                turn.future.set_exception(_gone())

    def _discard(self, child: Child) -> None:
        self._forget(child)
        task = asyncio.get_running_loop().create_task(child.reap())
        self._reaping.add(task)
        task.add_done_callback(self._reaping.discard)


def _gone() -> LostError:
    return LostError("the worker process that kept it has ended", maybe_ran=False)
