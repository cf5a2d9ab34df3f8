"""Awaited calls: many at once, on any number of loops, cancelled with their task, and nothing left open behind them."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

import ksrpc
from ksrpc import RpcClient
from ksrpc.connections.base import Connection, Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import ConnectError, LostError
from tests.helpers import awaited
from tests.helpers.server import GatewayProcess, clean_environment
from tests.integration.conftest import connection_to

T = TypeVar("T")
LOOPS = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]


@pytest.fixture(scope="module", autouse=True)
def _begun() -> None:
    """Let uvloop open what it keeps for the life of the process, so that no test seems to leave it."""
    if "uvloop" in LOOPS:
        import uvloop

        uvloop.new_event_loop().close()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_nothing())


async def _nothing() -> None:
    await asyncio.to_thread(int)


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine on each kind of loop; a task or socket that is left behind is an error."""
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop

    def run_on(work: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(_watched(work))

    return run_on


async def _watched(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await asyncio.wait_for(work, 60)
    finally:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left


@asynccontextmanager
async def opened(gateway: GatewayProcess, transport: str) -> AsyncIterator[Connection]:
    async with connection_to(gateway, transport) as connection:
        yield connection


def test_many_at_once_over_one_connection(
    gateway: GatewayProcess, transport: str, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    async def work() -> None:
        async with opened(gateway, transport) as connection:
            demo = RpcClient("demo", connection, async_local=True)
            answers = await asyncio.gather(*(demo.echo((number, "x" * number)) for number in range(200)))
            assert answers == [(number, "x" * number) for number in range(200)]
            began = time.monotonic()
            await asyncio.gather(*(demo.async_sleep(1.0) for _ in range(100)))
            assert time.monotonic() - began < 20  # one after the other they take 100 s

    run(work())


def test_as_the_original_has_it(gateway: GatewayProcess, transport: str) -> None:
    async def work() -> list[str]:
        async with opened(gateway, transport) as connection:
            demo = RpcClient("demo", connection, async_local=True)
            said = await asyncio.gather(demo.sync_say_hi("AA"), demo.async_say_hi("BB"))
            calm = RpcClient("demo", connection, async_local=False)
            return [*said, calm.sync_say_hi("CC")]  # a call that waits, inside the running loop

    assert awaited.run(work()) == [
        "Hi AA, from a sync function",
        "Hi BB, from an async function",
        "Hi CC, from a sync function",
    ]


def test_aconnect_is_awaited_or_entered(
    gateway: GatewayProcess, transport: str, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    url = gateway.ws_url if transport == "websocket" else gateway.url

    async def work() -> None:
        async with ksrpc.aconnect(url) as gw:
            assert await gw.call("math.pow", 2, 3) == 8.0
            assert await gw.module("math").pi() == 3.141592653589793
            assert (await gw.describe("math.pow"))["path"] == "math.pow"
            assert (await gw.me())["user"] == "anonymous"
            assert "math" in [entry["path"] for entry in await gw.modules()]
        gw = await ksrpc.aconnect(url)
        assert await gw.call("math.pow", 2, 3) == 8.0
        await gw.close()

    run(work())


def test_large_values_both_ways_while_small_calls_go_on(
    gateway: GatewayProcess, transport: str, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    async def work() -> None:
        async with opened(gateway, transport) as connection:
            demo = RpcClient("demo", connection, async_local=True)
            blob, frame, *small = await asyncio.gather(
                demo.echo(b"x" * 20_000_000), demo.frame(300_000, 10), *(demo.echo(number) for number in range(50))
            )
            assert blob == b"x" * 20_000_000
            assert frame.shape == (300_000, 10)
            assert small == list(range(50))

    run(work())


def test_a_cancelled_task_cancels_its_call(
    gateway: GatewayProcess, transport: str, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    async def work() -> None:
        async with opened(gateway, transport) as connection:
            demo = RpcClient("demo", connection, async_local=True)
            assert await demo.echo(1) == 1
            began = time.monotonic()
            for _ in range(12):  # more than there are processes: each must have been given back
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(demo["sleep"](50), 0.2)
            assert await demo.echo(2) == 2
            assert time.monotonic() - began < 30

    run(work())


def test_each_loop_has_a_connection_of_its_own(gateway: GatewayProcess, transport: str) -> None:
    connection = connection_to(gateway, transport)
    start = threading.Barrier(6)

    async def ask(name: int) -> list[Any]:
        demo = RpcClient("demo", connection, async_local=True)
        return await asyncio.gather(*(demo.echo((name, number)) for number in range(30)))

    def live(name: int) -> list[Any]:
        start.wait()
        return awaited.run(ask(name))

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(live, range(6)))
    assert answers == [[(name, number) for number in range(30)] for name in range(6)]
    assert RpcClient("demo", connection).echo("and threads") == "and threads"
    connection.close()


def test_closing_in_the_middle_fails_what_is_under_way_and_the_next_call_connects_again(
    gateway: GatewayProcess, transport: str, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    if transport == "http":
        pytest.skip("over HTTP a call has a connection of its own, which closing leaves to it")

    async def work() -> None:
        async with opened(gateway, transport) as connection:
            demo = RpcClient("demo", connection, async_local=True)
            await demo.echo(1)
            call = asyncio.ensure_future(demo["sleep"](30))
            await demo.echo(2)
            connection.close()
            with pytest.raises(LostError) as raised:
                await call
            assert raised.value.maybe_ran
            assert await demo.echo(3) == 3

    run(work())


UNCLOSED = """
from {loop} import run
import ksrpc
from ksrpc import RpcClient
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection

async def main(conn):
    return await RpcClient("math", conn, async_local=True).pow(2, 3)

for conn in (HttpxConnection("{url}"), WebSocketConnection("{ws_url}")):
    print(run(main(conn)))
    print(run(main(conn)))
"""


def test_whoever_closes_nothing_leaves_nothing_open(gateway: GatewayProcess) -> None:
    code = UNCLOSED.format(loop=awaited.LOOP, url=gateway.url, ws_url=gateway.ws_url)
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["8.0"] * 4
    assert done.stderr == ""


def test_a_server_that_hangs_up_is_told_of(transport: str) -> None:
    async def work() -> None:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _reader.read(64)
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()[:2]
            there = f"{host}:{port}"
            websocket = transport == "websocket"
            made = WebSocketConnection(f"ws://{there}") if websocket else HttpxConnection(f"http://{there}")
            async with made:
                with pytest.raises((ConnectError, LostError)):
                    await made.acall("math.pow", (2, 3), {}, Options(timeout_s=5))

    awaited.run(work())
