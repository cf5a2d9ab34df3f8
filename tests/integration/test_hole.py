"""Nobody hangs: what swallows all that is sent to it, at any stage of the way, is given up when the time is over."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ksrpc.connections.base import Connection, Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import ConnectError, DeadlineError, KsrpcError, LostError
from tests.helpers.authority import Authority
from tests.helpers.awaited import Awaited, run

CONNECT_S = 0.5
#: Answering takes a client's grace longer; a busy machine some more.
MOST_S = 20.0


@contextmanager
def hole(*, family: int = socket.AF_INET, path: str = "", reads: bool = False) -> Iterator[Any]:
    """Take connections, or leave them in the queue, and say nothing."""
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind(path or ("127.0.0.1", 0))
        listener.listen(16)
        taken: list[socket.socket] = []

        def take() -> None:
            with suppress(OSError):
                while True:
                    taken.append(listener.accept()[0])

        thread = threading.Thread(target=take)
        if reads:
            thread.start()
        yield path or listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        if reads:
            thread.join()
        for sock in taken:
            sock.close()


@contextmanager
def full() -> Iterator[int]:
    """Listen with a queue that is full: further connections get no answer at all."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            with suppress(BlockingIOError):
                sock.connect(listener.getsockname())
        yield listener.getsockname()[1]
        for sock in waiting:
            sock.close()


def fail(way: str, url: str, *, connect_s: float = CONNECT_S, **road: Any) -> KsrpcError:
    """Make a call that fails, within the time."""
    transport, _, manner = way.partition(" ")
    made: Connection
    if transport == "websocket":
        made = WebSocketConnection("ws" + url.removeprefix("http"), timeout=(connect_s, CONNECT_S), **road)
    else:
        made = HttpxConnection(url, timeout=(connect_s, CONNECT_S), **road)
    connection: Connection = Awaited(made) if manner == "awaited" else made
    began = time.monotonic()
    with pytest.raises(KsrpcError) as caught:
        connection.call("math.pow", (2, 3), {}, Options())
    assert CONNECT_S * 0.9 <= time.monotonic() - began < MOST_S
    connection.stop() if isinstance(connection, Awaited) else connection.close()
    return caught.value


def test_a_host_that_answers_nothing(way: str) -> None:
    with full() as port:
        error = fail(way, f"http://127.0.0.1:{port}")
    assert type(error) is ConnectError
    assert str(error) == f"no connection to 127.0.0.1:{port} within 0.5 s: no answer"


@pytest.mark.parametrize("reads", [False, True])
def test_a_server_that_says_nothing(way: str, reads: bool) -> None:
    with hole(reads=reads) as port:
        error = fail(way, f"http://127.0.0.1:{port}")
    assert type(error) is (ConnectError if "websocket" in way else DeadlineError)
    assert error.maybe_ran is ("websocket" not in way)


def test_a_proxy_that_says_nothing(way: str) -> None:
    with hole(reads=True) as port:
        error = fail(way, "http://gateway.test:1", proxy=f"http://127.0.0.1:{port}")
    assert type(error) is ConnectError
    assert f"gateway.test:1 through the proxy 127.0.0.1:{port} within 0.5 s" in str(error)


def test_tls_that_is_never_agreed_on(way: str, tmp_path: Path) -> None:
    with hole(reads=True) as port:
        error = fail(way, f"https://localhost:{port}", ca=Authority(tmp_path).ca)
    assert type(error) is ConnectError


def test_a_unix_socket_that_says_nothing(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with hole(family=socket.AF_UNIX, path="s.sock"):
        error = fail(way, f"http+unix://{tmp_path}/s.sock")
    assert isinstance(error, ConnectError | LostError)


@pytest.fixture
def silent_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let whoever asks for the address of gateway.test wait for a minute, or until the test is over."""
    over = threading.Event()
    found = socket.getaddrinfo

    def wait(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "gateway.test":
            over.wait(60)
        return found(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    yield
    over.set()


@pytest.mark.usefixtures("silent_names")
def test_a_name_server_that_says_nothing(way: str) -> None:
    assert type(fail(way, "http://gateway.test")) is ConnectError


@pytest.mark.usefixtures("silent_names")
@pytest.mark.parametrize("kind", [HttpxConnection, WebSocketConnection])
def test_the_end_of_a_loop_waits_for_no_name_server(kind: Callable[..., Connection]) -> None:
    async def ask() -> None:
        scheme = "http" if kind is HttpxConnection else "ws"
        async with kind(f"{scheme}://gateway.test", timeout=CONNECT_S) as connection:
            await connection.acall("math.pow", (2, 3), {}, Options())

    began = time.monotonic()
    with pytest.raises(ConnectError):
        run(ask())
    assert time.monotonic() - began < MOST_S


def test_one_address_that_says_nothing_does_not_cost_the_other_its_chance(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has half of the time, the second, where somebody hangs up, the rest."""
    found = socket.getaddrinfo
    with full() as silent, socket.create_server(("127.0.0.1", 0)) as listener:
        places = [("127.0.0.1", silent), ("127.0.0.1", listener.getsockname()[1])]

        def both(host: Any, *args: Any, **kwargs: Any) -> Any:
            if host != "gateway.test":
                return found(host, *args, **kwargs)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]

        monkeypatch.setattr(socket, "getaddrinfo", both)
        came = threading.Event()

        def take() -> None:
            with suppress(OSError):
                listener.accept()[0].close()
                came.set()

        thread = threading.Thread(target=take)
        thread.start()
        assert isinstance(fail(way, "http://gateway.test", connect_s=2), ConnectError | LostError)
        thread.join(20)
        assert came.is_set()
