"""One connection object serves 64 threads and 8 forked children at once, and nobody gets another one's answer."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import ksrpc
from ksrpc import RpcClient
from ksrpc.connections.base import Connection
from tests.helpers.awaited import Awaited
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import connection_to

THREADS = 64
CHILDREN = 8
CALLS = 20
CHILD_S = 60  # then SIGALRM ends a child that hangs


@pytest.fixture
def own(way: str, libraries: GatewayProcess) -> Iterator[Connection]:
    """Open a connection that belongs to one test alone."""
    with connection_to(libraries, way) as opened:
        yield opened
    if isinstance(opened, Awaited):
        opened.stop()


def ask(demo: RpcClient, caller: object, number: int) -> None:
    """Make a call that only this caller makes; its size differs from call to call."""
    sent = (caller, number, "x" * (number * 997 % 5000))
    assert demo.echo(*sent) == sent


def fork(work: Callable[[], None]) -> int:
    """Do something in a child; its exit status tells whether it went well."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.alarm(CHILD_S)
        work()
        status = 0
    finally:
        os._exit(status)


def test_64_threads_start_at_once(own: Connection) -> None:
    demo = ksrpc.RemoteGateway(own).module("demo")
    start = threading.Barrier(THREADS)

    def work(caller: int) -> int:
        start.wait(30)
        for number in range(CALLS):
            ask(demo, caller, number)
        return CALLS

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(work, range(THREADS))) == THREADS * CALLS


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.leaves("sessions_waiting")  # a child that ends by `os._exit` closes nothing
def test_children_of_a_fork_while_the_parent_has_calls_under_way(own: Connection) -> None:
    demo = ksrpc.RemoteGateway(own).module("demo")
    over = threading.Event()

    def keep_asking(caller: int) -> int:
        number = 0
        while not over.is_set():
            ask(demo, f"thread {caller}", number)
            number += 1
        return number

    def work(child: int) -> None:
        for number in range(CALLS):
            ask(demo, f"child {child}", number)

    demo.echo("the connection is open")
    with ThreadPoolExecutor(5) as threads:
        slow = threads.submit(demo.async_sleep, 1.5)
        callers = [threads.submit(keep_asking, caller) for caller in range(4)]
        children = [fork(lambda child=child: work(child)) for child in range(CHILDREN)]  # type: ignore[misc]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        over.set()
        assert all(caller.result() for caller in callers)
        assert slow.result() == 1.5
    assert codes == [0] * CHILDREN
    ask(demo, "parent", 1)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.leaves("sessions_waiting")  # a child that ends by `os._exit` closes nothing
def test_children_have_threads_of_their_own(own: Connection) -> None:
    demo = ksrpc.RemoteGateway(own).module("demo")
    demo.echo("the connection is open")

    def work(child: int) -> None:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: ask(demo, f"child {child}", number), range(CALLS * 2)))

    children = [fork(lambda child=child: work(child)) for child in range(CHILDREN)]  # type: ignore[misc]
    for number in range(CALLS):
        ask(demo, "parent", number)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * CHILDREN
    ask(demo, "parent", 0)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.leaves("sessions_waiting")  # a child that ends by `os._exit` closes nothing
def test_a_child_that_closes_or_dies_takes_nothing_from_its_parent(own: Connection) -> None:
    demo = ksrpc.RemoteGateway(own).module("demo")
    demo.echo("the connection is open")
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(demo.async_sleep, 1.0)
        ways: list[Callable[[], None]] = [own.close, lambda: None, lambda: os.kill(os.getpid(), signal.SIGKILL)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(fork(way), 0)[1]) for way in ways]
        assert slow.result() == 1.0
    assert codes == [0, 0, -signal.SIGKILL]
    ask(demo, "parent", 1)
