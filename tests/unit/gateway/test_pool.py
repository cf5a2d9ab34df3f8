"""Lanes and pools with real worker processes: who waits, who is lost, what is said of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ksrpc import wire
from ksrpc.errors import BusyError, DeadlineError, LostError, NotFoundError, TooLargeError
from ksrpc.gateway.call import Arguments, Call
from ksrpc.gateway.describe import parse_descriptor
from ksrpc.gateway.lane import Lane
from ksrpc.gateway.pool import Pool
from ksrpc.model import Rules, User
from ksrpc.transport.link import RaisedError

ROUGH = Path(__file__).resolve().parents[2] / "helpers" / "rough.py"
BOOT = {"rules": {"allow": ["rough", "math"]}, "sources": {"rough": {"path": str(ROUGH), "arguments": "data"}}}
USER = User("li", Rules())


@asynccontextmanager
async def _pool(processes: int = 1, queue: int = 100, boot: dict[str, Any] | None = None) -> AsyncIterator[Pool]:
    pool = Pool(boot or BOOT, processes=processes, queue=queue, memory_bytes=1 << 33)
    try:
        yield pool
    finally:
        await pool.close()
        assert pool.pids == [] or not any(Path(f"/proc/{pid}/status").exists() for pid in pool.pids)


def _make(path: str, *args: Any, timeout_s: float = 60.0, told: list[str] | None = None) -> Call:
    packed = wire.pack_arguments(args, {}).join()
    deadline = asyncio.get_running_loop().time() + timeout_s
    call = Call(USER, path, Arguments(packed), deadline)
    if told is not None:
        call.tell = lambda kind, meta: told.append(kind)
    return call


async def _run(pool: Pool, path: str, *args: Any, timeout_s: float = 60.0) -> Any:
    return wire.parse((await pool.run(_make(path, *args, timeout_s=timeout_s))).join())


def _serve(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 60))


def test_values_errors_and_refusals_use_the_same_process() -> None:
    async def work() -> None:
        async with _pool() as pool:
            assert await _run(pool, "math.pow", 2, 3) == 8.0
            (pid,) = pool.pids
            with pytest.raises(RaisedError) as caught:
                await _run(pool, "math.sqrt", -1)
            assert caught.value.meta["type"] == "builtins.ValueError"
            with pytest.raises(NotFoundError):
                await _run(pool, "os.getcwd")
            assert parse_descriptor(await pool.describe(_make("math.pow"))).kind == "function"
            assert pool.pids == [pid]

    _serve(work)


@pytest.mark.parametrize(("path", "args", "fate"), [("rough.crash", (), "SIGSEGV"), ("rough.leave", (3,), "status 3")])
def test_a_crash_costs_its_own_call_alone(path: str, args: tuple[Any, ...], fate: str) -> None:
    async def work() -> None:
        async with _pool(processes=2) as pool:
            calls: Sequence[Awaitable[Any]] = [_run(pool, "math.pow", 2, n) for n in range(6)]
            crash = asyncio.ensure_future(_run(pool, path, *args))
            assert await asyncio.gather(*calls) == [2.0**n for n in range(6)]
            with pytest.raises(LostError, match=f"lost during the call: .*{fate}") as caught:
                await crash
            assert caught.value.maybe_ran is True
            assert await _run(pool, "math.pow", 3, 2) == 9.0

    _serve(work)


def test_calls_wait_in_the_order_they_came() -> None:
    async def work() -> None:
        async with _pool() as pool:
            done: list[int] = []

            async def one(number: int) -> None:
                await _run(pool, "math.pow", number, 1)
                done.append(number)

            await asyncio.gather(*(one(number) for number in range(8)))
            assert done == list(range(8))
            assert len(pool.pids) == 1

    _serve(work)


def test_who_waits_is_told_its_place_and_describing_tells_nothing() -> None:
    async def work() -> None:
        async with _pool() as pool:
            told: dict[int, list[tuple[str, Any]]] = {number: [] for number in range(5)}

            def make(path: str, number: int, *args: Any) -> Call:
                call = _make(path, *args)
                call.tell = lambda kind, meta: told[number].append((kind, meta.get("position")))
                return call

            await pool.describe(make("math.pow", 0))
            await asyncio.gather(*(pool.run(make("rough.nap", number, 0.6)) for number in (1, 2, 3)))
            await asyncio.gather(*(pool.run(make("math.pow", 4, 1, 1)) for _ in range(3)))
            started = ("started", None)
            assert told[0] == told[1] == []
            assert told[2] == [("queued", 1), started]
            assert told[3] == [("queued", 2), ("queued", 1), started]
            assert told[4] == []  # over sooner than it is worth telling

    _serve(work)


def test_a_deadline_that_passes_in_the_queue_says_that_nothing_ran() -> None:
    async def work() -> None:
        async with _pool() as pool:
            await _run(pool, "math.pow", 1, 1)
            busy = asyncio.ensure_future(_run(pool, "rough.spin"))
            await asyncio.sleep(0)
            with pytest.raises(DeadlineError, match="waited for a worker") as caught:
                await _run(pool, "math.pow", 2, 2, timeout_s=0.2)
            assert caught.value.maybe_ran is False
            assert caught.value.retryable
            busy.cancel()
            with pytest.raises(asyncio.CancelledError):
                await busy
            assert await _run(pool, "math.pow", 2, 2) == 4.0

    _serve(work)


def test_a_deadline_that_passes_in_the_library_ends_the_process() -> None:
    async def work() -> None:
        async with _pool() as pool:
            await _run(pool, "math.pow", 1, 1)
            pids = pool.pids
            spinning = asyncio.ensure_future(_run(pool, "rough.spin"))
            await asyncio.sleep(0)
            pool.watch(asyncio.get_running_loop().time() + 61)
            with pytest.raises(DeadlineError, match="its process was ended") as caught:
                await spinning
            assert caught.value.maybe_ran is True
            assert await _run(pool, "math.pow", 1, 1) == 1.0
            assert pool.pids != pids

    _serve(work)


def test_the_queue_is_bounded() -> None:
    async def work() -> None:
        async with _pool(queue=2) as pool:
            waiting = [asyncio.ensure_future(_run(pool, "math.pow", 1, n)) for n in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(BusyError, match="2 calls wait for this module already"):
                await _run(pool, "math.pow", 1, 1)
            await asyncio.gather(*waiting)

    _serve(work)


def test_an_idle_process_that_died_is_replaced_unseen() -> None:
    async def work() -> None:
        async with _pool() as pool:
            await _run(pool, "math.pow", 1, 1)
            (pid,) = pool.pids
            child = next(iter(pool._serial.children))
            os.kill(pid, signal.SIGKILL)
            while not child.link.is_lost:
                await asyncio.sleep(0)
            assert await _run(pool, "math.pow", 1, 1) == 1.0
            assert pid not in pool.pids

    _serve(work)


def test_a_caller_that_goes_away_takes_its_process_along_and_frees_its_place() -> None:
    async def work() -> None:
        async with _pool() as pool:
            await _run(pool, "math.pow", 1, 1)
            (pid,) = pool.pids
            gone = asyncio.ensure_future(_run(pool, "rough.spin"))
            await asyncio.sleep(0)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert await _run(pool, "math.pow", 1, 1) == 1.0
            assert pid not in pool.pids

    _serve(work)


async def _pieces(*pieces: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if error is not None:
        raise error


def test_arguments_that_stream_in() -> None:
    async def work() -> None:
        async with _pool() as pool:
            packed = wire.pack_arguments((2, 5), {}).join()
            call = _make("math.pow")
            call.arguments = Arguments(packed[:7], _pieces(packed[7:20], packed[20:]))
            assert wire.parse((await pool.run(call)).join()) == 32.0
            call.arguments = Arguments(b"", _pieces(packed[:9], error=TooLargeError("over")))
            with pytest.raises(TooLargeError):
                await pool.run(call)
            assert await _run(pool, "math.pow", 1, 1) == 1.0

    _serve(work)


def test_a_worker_that_does_not_start() -> None:
    async def work() -> None:
        async with _pool(boot={"rules": {"no such field": []}}) as pool:
            with pytest.raises(BusyError, match="did not start"):
                await _run(pool, "math.pow", 1, 1)

    _serve(work)


def test_closing_refuses_who_waits_and_starts_nothing_more() -> None:
    async def work() -> None:
        lane = Lane({**BOOT, "role": "serial"}, processes=1, queue=10)
        child = await lane.acquire(_make("math.pow"))
        waiting = asyncio.ensure_future(lane.acquire(_make("math.pow")))
        await asyncio.sleep(0)
        await lane.close()
        with pytest.raises(BusyError, match="the gateway stops"):
            await waiting
        lane.release(child)
        with pytest.raises(BusyError, match="the gateway stops"):
            await lane.acquire(_make("math.pow"))
        assert child.process.poll() is not None
        await lane.close()

    _serve(work)


def test_closing_while_a_process_starts_leaves_none_behind() -> None:
    async def work() -> None:
        lane = Lane({**BOOT, "role": "serial"}, processes=1, queue=10)
        waiting = asyncio.ensure_future(lane.acquire(_make("math.pow")))
        while not lane._starting:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await lane.close()
        with pytest.raises(BusyError):
            await waiting
        assert lane.children == set()
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        assert not [pid for pid in children if b"ksrpc.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    _serve(work)
