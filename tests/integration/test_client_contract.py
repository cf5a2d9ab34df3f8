"""What the documentation shows works as written: snippets, threads, forks, reconnects, timeouts, errors."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import ksrpc
from ksrpc import RpcClient
from ksrpc.connections.base import Connection, Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import (
    AuthError,
    ConfigError,
    ConnectError,
    DeadlineError,
    KsrpcError,
    LostError,
    MissingExtraError,
    NotFoundError,
)
from tests.helpers.awaited import LOOP, Awaited, run
from tests.helpers.server import GatewayProcess, clean_environment
from tests.integration.conftest import connection_to

SNIPPET = """
from ksrpc import RpcClient
from ksrpc.connections.http import HttpxConnection

conn = HttpxConnection('http://127.0.0.1:8000/api/file')
conn.timeout = None
math = RpcClient('math', conn, async_local=False)
math.cache_get = True
math.cache_expire = 86400
print(math.pi())
print(math.pow(2, 3))
print(RpcClient('math', conn).sqrt(9))
"""
SOCKET_SNIPPET = """
from ksrpc import RpcClient
from ksrpc.connections.websocket import WebSocketConnection

with WebSocketConnection('ws://127.0.0.1:8000/ws/bytes') as conn:
    demo = RpcClient('demo', conn, async_local=False)
    print(demo.sync_say_hi("AA"))
    print(demo.async_say_hi("BB"))
    print(demo.test())
"""
IN_A_LOOP = """
from {loop} import run

async def notebook():
{body}

run(notebook())
"""


@pytest.fixture
def own(way: str, libraries: GatewayProcess) -> Iterator[Connection]:
    """Open a connection that belongs to one test alone."""
    with connection_to(libraries, way) as opened:
        yield opened
    if isinstance(opened, Awaited):
        opened.stop()


def run_python(code: str, gateway: GatewayProcess) -> str:
    """Run a program of its own against a gateway and give what it printed."""
    code = code.replace("127.0.0.1:8000", f"127.0.0.1:{gateway.port}")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("in_loop", [False, True], ids=["plain", "inside-a-loop"])
def test_the_first_snippet_runs_as_written(gateway: GatewayProcess, in_loop: bool) -> None:
    code = IN_A_LOOP.format(loop=LOOP, body=SNIPPET.replace("\n", "\n    ")) if in_loop else SNIPPET
    assert run_python(code, gateway).split() == ["3.141592653589793", "8.0", "3.0"]


@pytest.mark.parametrize("in_loop", [False, True], ids=["plain", "inside-a-loop"])
def test_the_socket_snippet_runs_as_written(gateway: GatewayProcess, in_loop: bool) -> None:
    code = IN_A_LOOP.format(loop=LOOP, body=SOCKET_SNIPPET.replace("\n", "\n    ")) if in_loop else SOCKET_SNIPPET
    printed = run_python(code, gateway)
    assert printed.startswith("Hi AA, from a sync function\nHi BB, from an async function\n")
    assert "600000.SH" in printed


def test_connect_takes_its_address_and_token_from_the_environment(
    libraries: GatewayProcess, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KSRPC_URL", libraries.ws_url if transport == "websocket" else libraries.url)
    with ksrpc.connect() as there:
        assert there.call("math.pow", 2, 3) == 8.0
    monkeypatch.setenv("KSRPC_TOKEN", "ksr_wrong")
    with ksrpc.connect() as there, pytest.raises(AuthError):
        there.call("math.pow", 2, 3)


def test_connect_without_an_address_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match="KSRPC_URL"):
        ksrpc.connect()


def test_proxies_may_be_kept_shared_and_called_again(own: Connection) -> None:
    path = RpcClient("os", own).path
    join = path.join
    assert join("a", "b") == join("a", "b") == "a/b"
    assert path.sep() == os.sep
    assert RpcClient("math", own).pi() == 3.141592653589793
    assert RpcClient("math", own)() == "math"
    assert ksrpc.RemoteGateway(own).module("numpy").linalg.norm([3, 4]) == 5.0


def test_async_functions_and_main_thread_calls(own: Connection) -> None:
    assert RpcClient("demo", own).async_say_hi("BB") == "Hi BB, from an async function"
    assert RpcClient("demo", own, async_remote=False).sync_say_hi("AA") == "Hi AA, from a sync function"
    assert RpcClient("demo", own, async_remote=False).async_say_hi("BB") == "Hi BB, from an async function"


def test_options_are_set_on_the_root_and_kept_by_what_was_reached_before(own: Connection) -> None:
    math = RpcClient("math", own)
    before = math.pow
    math.cache_get = False
    math.cache_expire = 86400
    assert (math.cache_get, math.cache_expire, math.async_local, math.async_remote) == (False, 86400, False, True)
    assert before(2, 3) == math.pow(2, 3) == 8.0
    with pytest.raises(NotFoundError):
        RpcClient("cache_get_is_no_module", own)["cache_get"]()
    with pytest.raises(AttributeError):
        math.pow.cache_get = True
    with pytest.raises(AttributeError):
        math.other = 1
    with pytest.raises(AttributeError, match="underscore"):
        math._private()


def test_sixteen_threads_on_one_connection_get_their_own_answers(own: Connection) -> None:
    demo = ksrpc.RemoteGateway(own).module("demo")
    start = threading.Barrier(16)

    def ask(thread: int) -> list[Any]:
        start.wait()
        return [demo.echo((thread, number, "x" * number)) for number in range(40)]

    with ThreadPoolExecutor(16) as pool:
        for thread, answers in enumerate(pool.map(ask, range(16))):
            assert answers == [(thread, number, "x" * number) for number in range(40)]


def test_the_last_reference_closes_the_sockets(libraries: GatewayProcess, transport: str) -> None:
    """Errors that came before hold nothing of it: who catches one and lets go of it has let go of everything."""
    connection = connection_to(libraries, transport)
    assert connection.call("demo.echo", (1,), {}, Options()) == 1
    before = len(os.listdir("/proc/self/fd"))
    gc.disable()
    try:
        for path, args, timeout_s in [("math.sqrt", (-1,), 60), ("math.none", (), 60), ("demo.sleep", (20,), 0.1)]:
            with suppress(ValueError, KsrpcError):
                connection.call(path, args, {}, Options(timeout_s=timeout_s))
        del connection
        assert len(os.listdir("/proc/self/fd")) < before
    finally:
        gc.enable()


def test_threads_inside_a_running_loop(own: Connection) -> None:
    demo = ksrpc.RemoteGateway(own).module("demo")

    async def gather() -> list[Any]:
        return await asyncio.gather(*(asyncio.to_thread(demo.async_say_hi, str(number)) for number in range(8)))

    assert run(gather()) == [f"Hi {number}, from an async function" for number in range(8)]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.leaves("sessions_waiting")  # a child that ends by `os._exit` closes nothing
def test_parent_and_child_of_a_fork_share_nothing(own: Connection) -> None:
    demo = ksrpc.RemoteGateway(own).module("demo")
    assert demo.echo("before") == "before"
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, repr([demo.echo(f"child {number}") for number in range(20)]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    assert [demo.echo(number) for number in range(50)] == list(range(50))
    with os.fdopen(reader) as pipe:
        assert pipe.read() == repr([f"child {number}" for number in range(20)])
    os.waitpid(pid, 0)
    assert demo.echo("after") == "after"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.leaves("sessions_waiting")  # a child that ends by `os._exit` closes nothing
def test_a_fork_in_the_middle_of_calls_leaves_no_lock_held(own: Connection) -> None:
    demo = ksrpc.RemoteGateway(own).module("demo")
    over = threading.Event()

    def keep_calling() -> int:
        count = 0
        while not over.is_set():
            assert demo.echo(count) == count
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(keep_calling) for _ in range(4)]
        codes = []
        for number in range(10):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    signal.alarm(20)
                    code = 0 if demo.echo(number) == number else 1
                finally:
                    os._exit(code)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        over.set()
        assert all(caller.result() for caller in callers)
    assert codes == [0] * 10


def test_a_closed_connection_connects_again(own: Connection) -> None:
    demo = ksrpc.RemoteGateway(own).module("demo")
    assert demo.echo(1) == 1
    own.close()
    assert demo.echo(2) == 2
    with own:
        assert demo.echo(3) == 3
    assert demo.echo(4) == 4


@pytest.mark.parametrize("timeout", [None, 30, 30.5, (5, 30), (None, 30), (5, None), (None, None)])
def test_every_form_of_timeout_is_taken(own: Connection, timeout: Any) -> None:
    own.timeout = timeout
    assert RpcClient("math", own).pow(2, 3) == 8.0


def test_a_call_over_its_time_ends_with_the_truth(own: Connection) -> None:
    there = ksrpc.RemoteGateway(own)
    assert there.call("demo.echo", 1) == 1
    began = time.monotonic()
    with pytest.raises(DeadlineError) as raised:
        there.call("demo.sleep", 30, timeout_s=0.5)
    assert time.monotonic() - began < 2.5
    assert isinstance(raised.value, TimeoutError)
    assert raised.value.maybe_ran is True
    own.timeout = (5, 0.5)
    with pytest.raises(DeadlineError):
        there.call("demo.async_sleep", 30)
    own.timeout = None
    assert there.call("demo.echo", 2) == 2


def test_descriptions_are_the_same_on_every_transport(own: Connection) -> None:
    told = own.describe("math.pow")
    assert told["path"] == "math.pow"
    assert [parameter["name"] for parameter in told["signature"]] == ["x", "y"]
    assert "pi" in own.describe("math")["members"]
    with pytest.raises(NotFoundError):
        own.describe("nothing.here")


def free_port() -> int:
    """Find a port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_nobody_there(transport: str) -> None:
    scheme = "ws" if transport == "websocket" else "http"
    port = free_port()
    with pytest.raises(ConnectError, match=rf"127\.0\.0\.1:{port}.*is the server running") as raised:
        ksrpc.connect(f"{scheme}://127.0.0.1:{port}").call("math.pow", 2, 3)
    assert isinstance(raised.value, ConnectionError)
    assert raised.value.maybe_ran is False


@pytest.mark.parametrize("url", ["ftp://here", "127.0.0.1:8000", "", "http://", "http://user:pass@here", "http://h:x"])
def test_an_address_that_cannot_be_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError):
        HttpxConnection(url)
    with pytest.raises(ConfigError):
        WebSocketConnection(url.replace("http", "ws"))


@pytest.mark.parametrize("ending", ["/ws/json", "/ws/admin", "/ws/client?room=1"])
def test_addresses_of_other_programs_are_refused_at_once(ending: str) -> None:
    with pytest.raises(ConfigError):
        WebSocketConnection(f"ws://127.0.0.1:8000{ending}")


@pytest.mark.parametrize("ending", ["/api/get", "/api/post", "/api/file", "", "/"])
def test_every_address_of_the_original_leads_to_the_calls(libraries: GatewayProcess, ending: str) -> None:
    with HttpxConnection(libraries.url + ending) as there:
        assert RpcClient("math", there).pow(2, 3) == 8.0


def test_a_server_that_is_no_gateway_says_so(transport: str, libraries: GatewayProcess) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello"

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.recv(65536)
            sock.sendall(answer)
            sock.recv(65536)

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    scheme = "ws" if transport == "websocket" else "http"
    url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    with listener, ksrpc.connect(url, timeout=5) as there, pytest.raises(ConnectError, match="ksrpc"):
        there.call("math.pow", 2, 3)
    server.join(5)


def test_a_server_that_says_nothing_is_given_up(transport: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        scheme = "ws" if transport == "websocket" else "http"
        there = ksrpc.connect(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}", timeout=0.5)
        with there, pytest.raises((DeadlineError, ConnectError)):
            there.call("math.pow", 2, 3)


def test_a_wrong_token_is_told_apart_from_a_missing_right(way: str, libraries: GatewayProcess) -> None:
    wrong = connection_to(libraries, way, token="ksr_00000000_" + "0" * 43 + "000000")
    with wrong, pytest.raises(AuthError) as raised:
        RpcClient("math", wrong).pow(2, 3)
    assert raised.value.maybe_ran is False
    assert "0000" not in str(raised.value)


def test_a_restarted_server_is_found_again(way: str, tmp_path: Path) -> None:
    config = "[server]\nport = {}\n[call]\nenabled = true\n[access]\nanonymous = true\n"
    port = free_port()
    gateway = GatewayProcess(tmp_path, config.format(port))
    gateway.start()
    with connection_to(gateway, way) as there:
        demo = RpcClient("demo", there)
        assert demo.echo(1) == 1
        gateway.stop()
        with pytest.raises((ConnectError, LostError)):
            demo.echo(2)
        with pytest.raises(ConnectError):
            demo.echo(3)
        gateway.start()
        try:
            assert demo.echo(4) == 4
        finally:
            gateway.stop()


def test_what_cannot_travel_is_named_before_anything_is_sent(own: Connection) -> None:
    with pytest.raises(TypeError, match=r"\[1\]\['model'\]"):
        RpcClient("demo", own).echo([1, {"model": object()}])


def test_the_client_loads_neither_pandas_nor_the_server(gateway: GatewayProcess) -> None:
    code = SNIPPET + "import sys\nprint(sorted({'pandas', 'uvicorn', 'pydantic', 'pyarrow'} & set(sys.modules)))"
    assert run_python(code, gateway).endswith("[]\n")


def test_errors_of_extras_are_import_errors() -> None:
    assert issubclass(MissingExtraError, ImportError)
