"""The worker processes of one module: which lane a call takes, and what its end means.

* A function runs alone in a process of the serial lane, on its main thread: a crash, an endless loop or a memory hog
  costs this call and no other.
* A coroutine function shares one process with its like; there are as many of them in flight as the caller wants.
* `async_remote=False`, and every call of a module with one process, runs one at a time in the same process.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from functools import partial

from ksrpc.errors import BusyError, CancelledError, DeadlineError, LostError
from ksrpc.gateway.call import Answer, Arguments, Call, ignore
from ksrpc.gateway.child import Child
from ksrpc.gateway.flow import Flow
from ksrpc.gateway.lane import Lane
from ksrpc.gateway.pin import ProcessPin, Run, Step
from ksrpc.gateway.step import Opened, SerialSteps, SharedSteps, Steps
from ksrpc.protocol import Meta
from ksrpc.transport.link import Received

_GRACE_S = 1.0
#: What runs on the loop of the shared process.
_SHARED = frozenset(("coroutine", "async_generator"))


class Pool:
    """Run calls of one module on its processes."""

    def __init__(
        self, boot: Meta, *, processes: int, queue: int, memory_bytes: int, shows_output: bool = False
    ) -> None:
        def lane(role: str, count: int) -> Lane:
            return Lane({**boot, "role": role}, processes=count, queue=queue, shows_output=shows_output)

        self._memory_bytes = memory_bytes
        self._serial = lane("serial", processes)
        self._main = self._serial if processes == 1 else lane("serial", 1)
        self._shared_lane = None if processes == 1 else lane("concurrent", 1)
        self._shared: Child | None = None
        self._shared_start = asyncio.Lock()

    @property
    def pids(self) -> list[int]:
        """Return the process ids, for status pages and tests."""
        return sorted(child.process.pid for lane in self._lanes for child in lane.children)

    async def run(self, call: Call) -> Answer:
        """Run a call; return its encoded value, or the way to its items.

        Raises:
            RaisedError: The library raised.
            LostError: The process ended, or was ended, during the call.
            RefusedError: The worker refused it, or nothing can run it now.
        """
        await call.arguments.prefetch()
        span_s = call.deadline - asyncio.get_running_loop().time()
        if self._shared_lane and not call.is_main and call.descriptor and call.descriptor.kind in _SHARED:
            child = await self._get_shared(call, self._shared_lane)
            received = await self._run_shared(call, child)
            if "held" in received.meta:
                return self._keep_shared(call, child, received, span_s)
        else:
            lane = self._main if call.is_main else self._serial
            child = await lane.acquire(call)
            received = await self._run_alone(lane, child, call.deadline, self._open(child, call))
            if "held" in received.meta:
                return self._keep_alone(call, lane, child, received, span_s)
        return _whole(received)

    # what a process keeps

    def _keep_alone(self, call: Call, lane: Lane, child: Child, received: Received, span_s: float) -> Answer:
        """Answer with what a process keeps that does one thing at a time."""
        step = partial(self._step, lane, child, dataclasses.replace(call, arguments=Arguments(), tell=ignore))
        if received.meta["kind"] == "stream":
            return _flow(SerialSteps(child, received.meta["held"], span_s, step))

        async def run(later: Call) -> Answer:
            await later.arguments.prefetch()
            await lane.acquire(later, child)
            found = await self._run_alone(lane, child, later.deadline, self._open(child, later))
            left_s = later.deadline - asyncio.get_running_loop().time()
            return self._keep_alone(later, lane, child, found, left_s) if "held" in found.meta else _whole(found)

        return _pinned(child, received, run, step)

    def _keep_shared(self, call: Call, child: Child, received: Received, span_s: float) -> Answer:
        """Answer with what the process keeps that does many things side by side."""
        if received.meta["kind"] == "stream":
            return _flow(SharedSteps(child, received.meta["held"], span_s))

        async def run(later: Call) -> Answer:
            await later.arguments.prefetch()
            found = await self._run_shared(later, child)
            left_s = later.deadline - asyncio.get_running_loop().time()
            return self._keep_shared(later, child, found, left_s) if "held" in found.meta else _whole(found)

        async def step(deadline: float, begin: Callable[[], Opened]) -> Received:
            async with asyncio.timeout_at(deadline):
                return await begin()[1]

        return _pinned(child, received, run, step)

    async def _step(
        self, lane: Lane, child: Child, call: Call, deadline: float, begin: Callable[[], Opened]
    ) -> Received:
        """Take a step with what a process keeps, when it is that process's turn."""
        turn = dataclasses.replace(call, deadline=deadline, arguments=Arguments(), tell=ignore)
        await lane.acquire(turn, child)
        return await self._run_alone(lane, child, deadline, _ready(begin))

    async def _run_alone(self, lane: Lane, child: Child, deadline: float, opening: Awaitable[Opened]) -> Received:
        """Run something on a process that was lent for it, and give that back."""
        child.deadline = deadline
        try:
            _, future = await opening
            try:
                return await future
            except LostError as exc:
                raise await self._explain(lane, child, exc) from None
            except BaseException:
                if not future.done() or future.cancelled():
                    child.kill("its caller gave up")
                raise
        finally:
            lane.release(child)

    async def describe(self, call: Call) -> bytes:
        """Ask a process what the call's path leads to; return the packed descriptor."""
        lane = self._serial
        child = await lane.acquire(dataclasses.replace(call, tell=ignore))
        opening = _ready(lambda: child.link.describe(call.path))
        return b"".join((await self._run_alone(lane, child, call.deadline, opening)).pieces)

    def watch(self, now: float) -> None:
        """End what is over its time or its memory; called a few times a second."""
        for lane in self._lanes:
            for child in list(lane.children):
                if child.deadline is not None and now > child.deadline:
                    child.kill("deadline")
                elif self._is_too_large(child):
                    child.kill("memory")
            lane.retire_idle(now)
        self._watch_shared(now)

    async def close(self) -> None:
        """End all processes."""
        for lane in self._lanes:
            await lane.close()

    @property
    def _lanes(self) -> list[Lane]:
        lanes = [self._serial]
        if self._main is not self._serial:
            lanes.append(self._main)
        return lanes if self._shared_lane is None else [*lanes, self._shared_lane]

    def _is_too_large(self, child: Child) -> bool:
        return child.resident_bytes() > self._memory_bytes

    async def _open(self, child: Child, call: Call) -> Opened:
        """Send a call with all its arguments."""
        meta = {"path": call.path} if call.extra is None else {"path": call.path, **call.extra}
        if call.arguments.rest is None:
            opened = child.link.call(meta, call.arguments.whole)
        else:
            opened = child.link.open_call(meta)
            await self._stream_up(child, call, *opened)
        if call.is_queued:
            call.tell("started", {})
        return opened

    async def _stream_up(self, child: Child, call: Call, call_id: int, future: asyncio.Future[Received]) -> None:
        """Send the arguments as they come; where they break off, take the call back: it has not begun."""
        link = child.link
        try:
            await link.send_body(call_id, [call.arguments.whole], ended=False)
            async for piece in call.arguments.remaining():
                if future.done():  # refused, or lost
                    return
                await link.send_body(call_id, [piece], ended=False)
            await link.send_body(call_id, [], ended=True)
        except BaseException:
            link.cancel(call_id)
            await asyncio.wait((future,), timeout=_GRACE_S)
            if not future.done():
                child.kill("it did not give a call back")
            elif not future.cancelled():
                future.exception()
            raise

    async def _explain(self, lane: Lane, child: Child, exc: LostError) -> LostError:
        """Say why the process is gone, in the words of whoever ended it."""
        fate = await lane.reap(child)
        child.fate = fate
        if fate == "deadline":
            return DeadlineError(
                "the call took longer than its time; its process was ended",
                maybe_ran=exc.maybe_ran is not False,
            )
        if fate == "memory":
            limit = self._memory_bytes >> 20
            return LostError(f"the worker process grew over {limit} MiB and was ended", maybe_ran=True)
        return LostError(f"the worker process was lost during the call: {fate}", maybe_ran=exc.maybe_ran is not False)

    # coroutines on the shared process

    async def _run_shared(self, call: Call, child: Child) -> Received:
        call_id, future = await self._open(child, call)
        child.expiring[call_id] = call.deadline
        try:
            return await future
        except CancelledError as exc:
            raise DeadlineError(
                "the call took longer than its time and was cancelled", maybe_ran=exc.maybe_ran is not False
            ) from None
        except LostError as exc:
            fate = child.fate or "it ended"
            if fate == "deadline" and asyncio.get_running_loop().time() >= call.deadline:
                raise DeadlineError("the call took longer than its time; its process was ended") from None
            raise LostError(
                f"the worker process was lost during the call: {fate}", maybe_ran=exc.maybe_ran is not False
            ) from None
        except asyncio.CancelledError:
            child.link.cancel(call_id)
            raise
        finally:
            child.expiring.pop(call_id, None)

    async def _get_shared(self, call: Call, lane: Lane) -> Child:
        if self._shared is None or self._shared.link.is_lost:
            async with self._shared_start:
                if self._shared is None or self._shared.link.is_lost:
                    lost, self._shared = self._shared, None
                    if lost is not None:
                        lane.release(lost)
                    self._shared = await lane.acquire(call)
        if len(self._shared.expiring) >= self._shared.link.session.limits.calls:
            raise BusyError("too many calls of this module are in flight; try again later")
        return self._shared

    def _watch_shared(self, now: float) -> None:
        if self._shared is None or self._shared.link.is_lost:
            return
        for call_id, deadline in list(self._shared.expiring.items()):
            if now > deadline + _GRACE_S:
                self._shared.kill("deadline")
            elif now > deadline:
                self._shared.link.cancel(call_id)


def _whole(received: Received) -> Answer:
    return Answer(received.pieces, sum(map(len, received.pieces)))


def _pinned(child: Child, received: Received, run: Run, step: Step) -> Answer:
    answer = _whole(received)
    answer.pin = ProcessPin(child, received.meta["held"], received.meta["class"], run=run, step=step)
    return answer


def _flow(steps: Steps) -> Answer:
    return Answer((), 0, flow=Flow(steps.pull, steps.drop))


async def _ready(begin: Callable[[], Opened]) -> Opened:
    return begin()
