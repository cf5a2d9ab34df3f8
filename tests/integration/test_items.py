"""A generator of the server's is an iterator here: item by item, no faster than it is read, closed when it is left."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ksrpc
from ksrpc import RpcClient
from ksrpc.connections.base import Connection
from ksrpc.errors import DeadlineError, EncodeError, KsrpcError, LostError
from tests.helpers.awaited import Awaited, Items, run
from tests.helpers.process import rss_anon_bytes
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import connection_to, usable

CONFIG = """
[server]
port = 0
[call]
enabled = true
processes = 2
timeout_s = 20
[access]
anonymous = true
allow = ["demo", "feed", "quick", "alone", "math"]
[module.feed]
path = "feed.py"
[module.alone]
path = "feed.py"
processes = 1
[module.quick]
path = "feed.py"
executor = "inline"
"""

MODULE = '''
"""Generators of many kinds."""
import asyncio, itertools, threading
import numpy as np

made = 0
open_now = 0
go = threading.Event()

def numbers(n):
    """Give numbers below n."""
    global made, open_now
    open_now += 1
    try:
        for i in range(n):
            made = i + 1
            yield i
    finally:
        open_now -= 1

def pages(n):
    """Give so many pages; a few are as much as goes out ahead of who takes them."""
    global open_now
    open_now += 1
    try:
        for _ in range(n):
            yield bytes(1 << 16)
    finally:
        open_now -= 1

async def anumbers(n):
    """Give numbers below n, awaiting in between."""
    for i in range(n):
        await asyncio.sleep(0)
        yield i

def state():
    """Say how many items were made and how many generators are open."""
    return [made, open_now]

def burst(n, seconds):
    """Give n at once, and another one after a while."""
    yield from range(n)
    threading.Event().wait(seconds)
    yield -1

def broken(n):
    """Give n and fail."""
    yield from range(n)
    raise ValueError("no more", n)

def odd():
    """Give something that cannot travel."""
    yield 1
    yield threading.Lock()

def same():
    """Give one list again and again, changed in between, and one array."""
    kept, array = [], np.zeros(5000)
    for i in range(3):
        kept.append(i)
        yield kept
        array[:] = i
        yield array

def large(n, nbytes):
    """Give large arrays."""
    for i in range(n):
        yield np.full(nbytes, i, dtype="uint8")

def paced(seconds):
    """Give numbers for ever, one after each pause."""
    for i in itertools.count():
        yield i
        threading.Event().wait(seconds)

def mapped():
    """Give an iterator of Python's own."""
    return map(str, itertools.chain([1], (2, 3)))

def nothing():
    """Give none."""
    yield from ()

def nested():
    """Give a list with a generator inside."""
    return [numbers(3)]
'''


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("items")
    (folder / "feed.py").write_text(MODULE, encoding="utf-8")
    with GatewayProcess(folder, CONFIG) as process:
        yield process


@pytest.fixture
def there(gateway: GatewayProcess, way: str) -> Iterator[Connection]:
    with connection_to(gateway, way) as opened:
        yield opened
    if isinstance(opened, Awaited):
        opened.stop()


@pytest.fixture
def feed(there: Connection) -> RpcClient:
    return RpcClient("feed", there)


def await_truth(is_so: Callable[[], bool], within_s: float = 20.0) -> bool:
    end = time.monotonic() + within_s
    while not (so := is_so()) and time.monotonic() < end:
        threading.Event().wait(0.02)
    return so


def add_up(items: Iterator[int], count: int | None) -> int:
    """Sum the next items, or all that are left."""
    return items.add_up(count) if isinstance(items, Items) else sum(itertools.islice(items, count))


@pytest.mark.parametrize("module", ["feed", "quick", "alone"])
@pytest.mark.parametrize("name", ["numbers", "anumbers"])
def test_all_items_come_in_order_and_then_it_is_over(there: Connection, module: str, name: str) -> None:
    items = RpcClient(module, there)[name](3000)
    assert list(items) == list(range(3000))
    assert list(items) == []
    assert list(RpcClient(module, there)[name](0)) == []


def test_iterators_of_pythons_own_and_empty_ones_stream_too(feed: RpcClient) -> None:
    assert list(feed.mapped()) == ["1", "2", "3"]
    assert list(feed.nothing()) == []


def test_each_item_is_what_it_was_when_it_was_given(feed: RpcClient) -> None:
    items = list(feed.same())
    assert items[0::2] == [[0], [0, 1], [0, 1, 2]]
    assert [float(array.sum()) for array in items[1::2]] == [0.0, 5000.0, 10000.0]


def test_items_larger_than_every_window_come_whole(feed: RpcClient) -> None:
    size = 9 << 20
    for number, array in enumerate(feed.large(3, size)):
        assert array.dtype == np.uint8
        assert array.nbytes == size
        assert (array == number).all()


def test_what_the_library_raises_comes_after_the_items_before_it(feed: RpcClient) -> None:
    items = feed.broken(5)
    assert list(itertools.islice(items, 5)) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no more") as caught:
        next(items)
    assert caught.value.args == ("no more", 5)
    assert next(items, "over") == "over"


def test_an_item_that_cannot_travel_ends_the_stream_with_its_reason(feed: RpcClient) -> None:
    items = feed.odd()
    assert next(items) == 1
    with pytest.raises(EncodeError, match="lock"):
        next(items)


def test_a_generator_inside_a_value_cannot_travel(feed: RpcClient) -> None:
    with pytest.raises(EncodeError, match=r"result\[0\]"):
        feed.nested()


@pytest.mark.parametrize("module", ["feed", "alone"])
def test_items_that_are_there_do_not_wait_for_the_next_one(there: Connection, module: str) -> None:
    items = RpcClient(module, there).burst(3, 8.0)
    began = time.monotonic()
    assert list(itertools.islice(items, 3)) == [0, 1, 2]
    assert time.monotonic() - began < 6.0
    items.close()


def test_it_is_made_no_faster_than_it_is_read_and_closed_when_it_is_left(there: Connection) -> None:
    alone = RpcClient("alone", there)
    items = alone.numbers(50_000_000)
    assert list(itertools.islice(items, 10)) == list(range(10))
    counts: list[int] = []

    def is_still() -> bool:
        counts.append(alone.state()[0])
        threading.Event().wait(0.3)
        return len(counts) > 1 and counts[-1] == counts[-2]

    assert await_truth(is_still)
    assert counts[-1] < 2_000_000
    items.close()
    assert await_truth(lambda: alone.state()[1] == 0)


def test_two_streams_and_calls_share_one_process(there: Connection) -> None:
    alone = RpcClient("alone", there)
    first, second = alone.numbers(5_000_000), alone.numbers(5_000_000)
    assert all(a == b for a, b in itertools.islice(zip(first, second, strict=True), 3000))
    assert alone.state()[1] == 2
    first.close()
    second.close()
    assert await_truth(lambda: alone.state()[1] == 0)


#: Ten thousand in all; the thread hops of the awaited ways are the tests' own, and take the most time.
ABANDONED = {"http": 4000, "websocket": 4000, "http awaited": 1000, "websocket awaited": 1000}


def test_ten_thousand_abandoned_generators_are_freed(there: Connection, way: str) -> None:
    alone = RpcClient("alone", there)
    for _ in range(ABANDONED[way]):
        items = alone.pages(100)
        next(items)
        del items
    gc.collect()
    assert await_truth(lambda: alone.state()[1] == 0)


def test_the_time_of_a_call_holds_for_each_item(there: Connection) -> None:
    items = there.call("feed.burst", (1, 30.0), {}, ksrpc.connections.base.Options(timeout_s=3.0))
    assert next(items) == 0
    began = time.monotonic()
    with pytest.raises(DeadlineError):
        next(items)
    assert time.monotonic() - began < 8.0
    assert there.call("math.pow", (2, 3), {}, ksrpc.connections.base.Options()) == 8.0


def test_a_gateway_that_dies_ends_the_stream_truthfully(tmp_path: Path, way: str) -> None:
    (tmp_path / "feed.py").write_text(MODULE, encoding="utf-8")
    with GatewayProcess(tmp_path, CONFIG) as gateway:
        opened = connection_to(gateway, way)
        items = RpcClient("feed", opened).numbers(50_000_000)
        assert next(items) == 0
        gateway.kill()
        with pytest.raises(LostError) as caught:
            list(items)
        assert caught.value.maybe_ran is True
    opened.close()
    if isinstance(opened, Awaited):
        opened.stop()


def test_a_million_items_in_flat_memory(gateway: GatewayProcess, there: Connection) -> None:
    demo = RpcClient("demo", there)
    items = demo.count(1_000_000)
    total = add_up(items, 20_000)
    before_gateway, before_here = gateway.rss_anon_bytes, rss_anon_bytes(os.getpid())
    total += add_up(items, None)
    assert total == 999_999 * 1_000_000 // 2
    assert gateway.rss_anon_bytes - before_gateway < 24 << 20
    assert rss_anon_bytes(os.getpid()) - before_here < 24 << 20


def test_threads_share_one_iterator(feed: RpcClient) -> None:
    items, seen, lock = feed.numbers(4000), [], threading.Lock()

    def read() -> None:
        for item in items:
            with lock:
                seen.append(item)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(seen) == list(range(4000))


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_async_for_reads_a_call_as_it_would_read_the_generator(gateway: GatewayProcess, scheme: str) -> None:
    async def read() -> Any:
        async with ksrpc.aconnect(gateway.url.replace("http", scheme)) as gw:
            feed = gw.module("feed")
            direct = [item async for item in feed.anumbers(5)]
            awaited = [item async for item in await feed.numbers(5)]
            task = asyncio.create_task(feed.state())
            with pytest.raises(TypeError, match="not a stream"):
                _ = [item async for item in feed.state()]
            return direct, awaited, len(await task)

    assert run(read()) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4], 2)


def test_a_revoked_token_ends_its_stream(tmp_path: Path, way: str) -> None:
    (tmp_path / "feed.py").write_text(MODULE, encoding="utf-8")
    with GatewayProcess(tmp_path, CONFIG.replace("anonymous = true", "anonymous = false")) as gateway:
        token = usable(gateway, gateway.create_token("zhang"))
        opened = connection_to(gateway, way, token=token)
        items = RpcClient("feed", opened).paced(0.2)
        assert next(items) == 0
        gateway.run("token", "revoke", token[4:12])
        began = time.monotonic()
        with pytest.raises(KsrpcError):
            list(items)
        assert time.monotonic() - began < 10.0
        opened.close()
    if isinstance(opened, Awaited):
        opened.stop()


def test_those_who_read_json_get_a_list(gateway: GatewayProcess) -> None:
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{gateway.url}/v1/call/feed.numbers", b'{"args": [3]}', headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.read() == b"[0,1,2]"
