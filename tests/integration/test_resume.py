"""A WebSocket that breaks costs nothing: calls go on, each runs once; where it cannot be, errors tell the truth."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ksrpc import wire
from ksrpc.connections.base import Connection, Options
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import DeadlineError, LostError
from ksrpc.limits import RESUME
from ksrpc.protocol import FIN, Frame, FrameType, pack_head, parse_frame
from tests.helpers.awaited import Awaited
from tests.helpers.cutter import Cut, Cutter, cutting
from tests.helpers.process import is_running
from tests.helpers.server import GatewayProcess, clean_environment
from tests.integration.conftest import usable

T = FrameType
MODULE = """
import os
import time
import numpy as np

def _mark(book, line):
    fd = os.open(book, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{line}\\n".encode())
    os.close(fd)

def note(book, line, payload=b"", hold=None):
    _mark(book, line)
    while hold is not None and not os.path.exists(hold):
        time.sleep(0.01)
    return line, payload

def hold(book, line, payload, hold):
    return note(book, os.getpid(), payload, hold)

def total(book, array):
    _mark(book, "total")
    return array.sum()

def numbers(book, count):
    _mark(book, "numbers")
    return np.arange(count, dtype=np.int64)
"""
#: Nobody can tell the gateway that the session is over: it waits until its time is.
closes_without_a_connection = pytest.mark.leaves("sessions_waiting")
CONFIG = """
[server]
port = 0
[call]
enabled = true
place = "open"
processes = 2
timeout_s = 60
[access]
{access}
allow = ["till", "demo", "math"]
[module.till]
path = "till.py"
arguments = "any"
"""


def _gateway(folder: Path, access: str = "anonymous = true") -> GatewayProcess:
    (folder / "till.py").write_text(MODULE)
    return GatewayProcess(folder, CONFIG.format(access=access))


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with _gateway(tmp_path_factory.mktemp("till")) as process:
        yield process


def _await_attempt(proxy: Cutter) -> None:
    """Wait until a client has tried to come back."""
    end = time.monotonic() + 30
    while proxy.accepted < 2:
        assert time.monotonic() < end
        threading.Event().wait(0.005)


@pytest.fixture(params=["blocking", "awaited"])
def manner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _reach(
    place: Cutter | GatewayProcess, manner: str, *, timeout_s: float | None = 50, token: str | None = None
) -> Connection:
    made: Connection = WebSocketConnection(place.ws_url, token=token, timeout=timeout_s)
    return Awaited(made) if manner == "awaited" else made


def _leave(connection: Connection) -> None:
    connection.stop() if isinstance(connection, Awaited) else connection.close()


def _lines(book: Path) -> Counter[str]:
    return Counter(book.read_text().split()) if book.exists() else Counter()


def _await_line(book: Path) -> None:
    """Wait until a call has left its mark."""
    end = time.monotonic() + 30
    while not _lines(book):
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def test_cut_while_a_call_runs(till: GatewayProcess, manner: str, tmp_path: Path) -> None:
    book, gate = tmp_path / "book", tmp_path / "gate"
    with cutting(till.port) as proxy, ThreadPoolExecutor(1) as threads:
        connection = _reach(proxy, manner)
        asked = threads.submit(connection.call, "till.note", (str(book), 1, b"x", str(gate)), {}, Options())
        _await_line(book)
        for _ in range(3):
            proxy.cut()
        gate.touch()
        assert asked.result(40) == (1, b"x")
        assert connection.call("till.note", (str(book), 2), {}, Options()) == (2, b"")
        assert _lines(book) == {"1": 1, "2": 1}
        assert proxy.accepted >= 2
        _leave(connection)


def test_an_answer_that_was_made_during_the_gap_is_kept(till: GatewayProcess, manner: str, tmp_path: Path) -> None:
    book, gate, second = tmp_path / "book", tmp_path / "gate", tmp_path / "second"
    with cutting(till.port) as proxy, ThreadPoolExecutor(1) as threads:
        connection = _reach(proxy, manner)
        asked = threads.submit(connection.call, "till.note", (str(book), 1, b"x", str(gate)), {}, Options())
        _await_line(book)
        proxy.is_closed = True
        proxy.cut()
        gate.touch()
        with WebSocketConnection(till.ws_url) as beside:
            assert beside.call("till.note", (str(second), "beside"), {}, Options()) == ("beside", b"")
        proxy.is_closed = False
        assert asked.result(40) == (1, b"x")
        assert _lines(book) == {"1": 1}
        _leave(connection)


def test_cut_again_and_again_in_the_middle_of_large_arguments(
    till: GatewayProcess, manner: str, tmp_path: Path
) -> None:
    array = np.arange(3_000_000, dtype=np.int64)  # 24 MB
    cuts = [Cut(up=5_000_000), Cut(up=1), Cut(up=3_000_001), Cut(down=60), Cut(up=4_000_000), Cut(up=300)]
    with cutting(till.port, *cuts) as proxy:
        connection = _reach(proxy, manner)
        book = tmp_path / "book"
        assert connection.call("till.total", (str(book), array), {}, Options()) == array.sum()
        assert _lines(book) == {"total": 1}
        assert proxy.accepted == len(cuts) + 1
        _leave(connection)


def test_cut_again_and_again_in_the_middle_of_a_large_answer(till: GatewayProcess, manner: str, tmp_path: Path) -> None:
    cuts = [Cut(down=9_000_000), Cut(down=500), Cut(down=20_000_003), Cut(up=250), Cut(down=30_000_000)]
    with cutting(till.port, *cuts) as proxy:
        connection = _reach(proxy, manner)
        book = tmp_path / "book"
        answer = connection.call("till.numbers", (str(book), 10_000_000), {}, Options())  # 80 MB
        assert np.array_equal(answer, np.arange(10_000_000))
        assert _lines(book) == {"numbers": 1}
        assert proxy.accepted == len(cuts) + 1
        _leave(connection)


@closes_without_a_connection
def test_many_callers_on_a_connection_that_is_cut_all_the_time(
    till: GatewayProcess, manner: str, tmp_path: Path
) -> None:
    """More than a window of acknowledgements, so that what was acknowledged, and what was not, is cut at any place."""
    book = tmp_path / "book"
    over = threading.Event()
    with cutting(till.port) as proxy, ThreadPoolExecutor(9) as threads:

        def cut() -> None:
            while not over.wait(0.15):
                proxy.cut()

        def ask(number: int) -> bool:
            payload = os.urandom((number * 37) % 20_000)
            answer = connection.call("till.note", (str(book), number, payload), {}, Options())
            return bool(answer == (number, payload))

        connection = _reach(proxy, manner)
        connection.call("math.pow", (2, 3), {}, Options())
        cutting_on = threads.submit(cut)
        assert all(threads.map(ask, range(800)))
        over.set()
        cutting_on.result()
        assert set(_lines(book).values()) == {1}
        assert len(_lines(book)) == 800
        assert proxy.accepted >= 3
        _leave(connection)


@closes_without_a_connection
def test_a_deadline_holds_while_there_is_no_connection(till: GatewayProcess, manner: str, tmp_path: Path) -> None:
    with cutting(till.port) as proxy, ThreadPoolExecutor(1) as threads:
        connection = _reach(proxy, manner, timeout_s=2)
        book, gate = tmp_path / "book", tmp_path / "gate"
        began = time.monotonic()
        asked = threads.submit(connection.call, "till.note", (str(book), 1, b"", str(gate)), {}, Options())
        _await_line(book)
        proxy.is_closed = True
        proxy.cut()
        with pytest.raises(DeadlineError) as caught:
            asked.result(40)
        assert time.monotonic() - began < 20
        assert caught.value.maybe_ran is True
        gate.touch()
        _leave(connection)


@closes_without_a_connection
def test_closing_while_there_is_no_connection_ends_at_once(till: GatewayProcess, manner: str, tmp_path: Path) -> None:
    with cutting(till.port) as proxy, ThreadPoolExecutor(1) as threads:
        connection = _reach(proxy, manner)
        book, gate = tmp_path / "book", tmp_path / "gate"
        asked = threads.submit(connection.call, "till.note", (str(book), 1, b"", str(gate)), {}, Options())
        _await_line(book)
        proxy.is_closed = True
        proxy.cut()
        began = time.monotonic()
        connection.close()
        with pytest.raises(LostError) as caught:
            asked.result(40)
        assert time.monotonic() - began < 10
        assert caught.value.maybe_ran is True
        gate.touch()
        _leave(connection)


def test_closing_while_the_connection_is_being_replaced_tells_the_server(
    till: GatewayProcess, manner: str, tmp_path: Path
) -> None:
    """What the server keeps for a connection that may come back is gone at once: the check after each test sees it."""
    with cutting(till.port) as proxy, ThreadPoolExecutor(1) as threads:
        connection = _reach(proxy, manner)
        book, gate = tmp_path / "book", tmp_path / "gate"
        asked = threads.submit(connection.call, "till.note", (str(book), 1, b"", str(gate)), {}, Options())
        _await_line(book)
        proxy.is_closed = True
        proxy.cut()
        _await_attempt(proxy)
        proxy.is_closed = False
        connection.close()
        with pytest.raises(LostError) as caught:
            asked.result(40)
        assert caught.value.maybe_ran is True
        gate.touch()
        _leave(connection)


def test_a_gateway_that_was_killed_does_not_know_the_session(tmp_path: Path, manner: str) -> None:
    with _gateway(tmp_path) as gateway, ThreadPoolExecutor(2) as threads:
        connection = _reach(gateway, manner)
        book = tmp_path / "book"
        asked = threads.submit(connection.call, "till.note", (str(book), 1, b"", "never"), {}, Options())
        _await_line(book)
        gateway.kill()
        with pytest.raises(LostError) as caught:
            asked.result(50)
        assert caught.value.maybe_ran is True
        assert _lines(book) == {"1": 1}
        _leave(connection)


def test_a_connection_on_which_nothing_comes_any_more_is_replaced(
    till: GatewayProcess, manner: str, tmp_path: Path
) -> None:
    """The second call's deadline passes in silence; the first one goes on elsewhere, while the old carrier is open."""
    book, gate = tmp_path / "book", tmp_path / "gate"
    with cutting(till.port) as proxy, ThreadPoolExecutor(2) as threads:
        connection = _reach(proxy, manner)
        first = threads.submit(connection.call, "till.note", (str(book), 1, b"x", str(gate)), {}, Options())
        _await_line(book)
        proxy.silence()
        with pytest.raises(DeadlineError):
            connection.call("till.note", (str(book), 2), {}, Options(timeout_s=0.5))
        gate.touch()
        assert first.result(40) == (1, b"x")
        assert _lines(book)["1"] == 1
        assert _lines(book)["2"] <= 1
        _leave(connection)


# by hand: what a session is bound to


class Hand:
    """Speak the protocol by hand on one WebSocket."""

    opened: ClassVar[list[Hand]] = []

    def __init__(self, gateway: GatewayProcess, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._way = connect(f"{gateway.ws_url}/ws/bytes", additional_headers=headers, compression=None, proxy=None)
        self.socket: ClientConnection = self._way.__enter__()
        self.opened.append(self)

    def send(self, head: bytes, body: bytes = b"") -> None:
        self.socket.send(head + body)

    def frame(self) -> Frame:
        data = self.socket.recv(20)
        assert isinstance(data, bytes)
        return parse_frame(data)

    def greet(self, **more: object) -> Frame:
        self.send(pack_head(T.HELLO, meta={"versions": [1], **more}))
        return self.frame()

    def attach(self, session: object, received: int = 0) -> None:
        self.send(pack_head(T.ATTACH, meta={"session": session}, offset=received))

    def call(self, number: int, path: str = "math.pi") -> None:
        self.send(pack_head(T.DESCRIBE, number, {"path": path}, flags=FIN))

    def break_off(self) -> None:
        self.socket.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up, if that has not been done."""
        self._way.__exit__(None, None, None)

    def closed(self) -> tuple[int, str]:
        """Wait for the end; return its code and reason."""
        with suppress(ConnectionClosed):
            while True:
                self.socket.recv(20)
        return self.socket.close_code or 0, self.socket.close_reason or ""


@pytest.fixture(autouse=True)
def _no_hand_stays_open() -> Iterator[None]:
    yield
    while Hand.opened:
        Hand.opened.pop().close()


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with _gateway(tmp_path_factory.mktemp("members"), "ip_allow = ['loopback']") as process:
        yield process


@pytest.fixture(scope="module")
def tokens(members: GatewayProcess) -> dict[str, str]:
    return {name: usable(members, members.create_token(name)) for name in ("zhang", "li", "wang")}


def test_who_does_not_ask_gets_a_session_that_ends_with_its_connection(till: GatewayProcess) -> None:
    hand = Hand(till)
    assert not {"resume_s", "session"} & set(hand.greet().meta)
    for received in (0, 1):
        other = Hand(till)
        other.attach("", received)
        assert other.closed()[0] == 4004


def test_frames_that_were_not_acknowledged_come_again_and_once(till: GatewayProcess) -> None:
    hand = Hand(till)
    welcome = hand.greet(resume=True).meta
    assert welcome["resume_s"] > 0
    assert len(bytes.fromhex(welcome["session"])) == 16
    for number in (1, 2, 3):
        hand.call(number)
        assert (got := hand.frame()).type == T.RESULT
        assert got.call == number
    hand.break_off()
    again = Hand(till)
    again.attach(welcome["session"], received=1)
    acknowledged = again.frame()
    assert (acknowledged.type, acknowledged.offset) == (T.ACK, 3)
    assert [again.frame().call for _ in range(2)] == [2, 3]
    again.call(4)
    assert again.frame().call == 4
    again.socket.close()


def test_a_second_connection_takes_a_session_over(till: GatewayProcess) -> None:
    hand = Hand(till)
    name = hand.greet(resume=True).meta["session"]
    hand.call(1)
    hand.frame()
    other = Hand(till)
    other.attach(name, received=1)
    assert (other.frame().type) == T.ACK
    assert hand.closed()[0] in (0, 1006)
    other.call(2)
    assert other.frame().call == 2
    other.socket.close()


@pytest.mark.parametrize("ending", ["close", "break a rule"])
def test_a_session_that_was_ended_is_gone(till: GatewayProcess, ending: str) -> None:
    hand = Hand(till)
    name = hand.greet(resume=True).meta["session"]
    if ending == "close":
        hand.socket.close()
    else:
        hand.send(b"\xff" * 16)
        assert hand.closed()[0] == 1002
    other = Hand(till)
    other.attach(name)
    assert other.closed()[0] == 4004


@pytest.mark.parametrize("received", [1, 2**63])
def test_nobody_has_more_frames_than_were_sent(till: GatewayProcess, received: int) -> None:
    hand = Hand(till)
    name = hand.greet(resume=True).meta["session"]
    hand.break_off()
    other = Hand(till)
    other.attach(name, received)
    assert other.closed()[0] == 1002
    third = Hand(till)
    third.attach(name, 0)
    assert third.frame().type == T.ACK  # the session is as it was
    third.socket.close()


@pytest.mark.parametrize("session", [None, 7, "", "0" * 32, b"\0" * 16, ["x"], "0" * 5000])
def test_made_up_sessions(till: GatewayProcess, session: object) -> None:
    hand = Hand(till)
    hand.attach(session)
    code, reason = hand.closed()
    assert code == 4004
    assert "no session of this name" in reason


def test_a_session_belongs_to_its_user_and_token(members: GatewayProcess, tokens: dict[str, str]) -> None:
    hand = Hand(members, tokens["zhang"])
    name = hand.greet(resume=True).meta["session"]
    hand.break_off()
    second = usable(members, members.create_token("zhang"))
    for token in (tokens["li"], second):
        thief = Hand(members, token)
        thief.attach(name)
        assert thief.closed()[0] == 4004
    owner = Hand(members, tokens["zhang"])
    owner.attach(name)
    assert owner.frame().type == T.ACK
    owner.socket.close()


def test_attach_comes_first_or_not_at_all(till: GatewayProcess) -> None:
    hand = Hand(till)
    name = hand.greet(resume=True).meta["session"]
    hand.attach(name)
    assert hand.closed()[0] == 1002


def _until_gone(pid: int, within_s: float) -> None:
    end = time.monotonic() + within_s
    while is_running(pid):
        assert time.monotonic() < end, "the call still runs"
        threading.Event().wait(0.05)


def test_revoking_the_token_ends_a_session_without_connection(
    members: GatewayProcess, tokens: dict[str, str], tmp_path: Path
) -> None:
    """Its call is cancelled, so the process that runs it is ended; that is long before the session's time is over."""
    book = tmp_path / "book"
    hand = Hand(members, tokens["wang"])
    name = hand.greet(resume=True).meta["session"]
    body = wire.pack_arguments((str(book), "hold", b"", "never"), {}).join()
    hand.send(pack_head(T.CALL, 1, {"path": "till.hold"}, flags=FIN), body)
    _await_line(book)
    hand.break_off()
    assert members.run("token", "revoke", tokens["wang"][4:12]).returncode == 0
    _until_gone(int(book.read_text()), within_s=RESUME.window_s / 2)
    with pytest.raises(InvalidStatus):
        Hand(members, tokens["wang"]).attach(name)


def test_a_program_that_ends_without_closing_leaves_no_session_behind(till: GatewayProcess) -> None:
    program = "import sys, ksrpc; print(ksrpc.connect(sys.argv[1]).call('till.note', sys.argv[2], 1, b'x'))"
    done = subprocess.run(
        [sys.executable, "-c", program, till.ws_url, os.devnull],
        env=clean_environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "(1, b'x')\n", done.stderr  # what follows each test sees the session


def test_a_client_that_says_good_bye_leaves_no_call_behind(till: GatewayProcess, manner: str, tmp_path: Path) -> None:
    """Nothing of it waits for the session to come back."""
    book = tmp_path / "book"
    with ThreadPoolExecutor(1) as threads:
        connection = _reach(till, manner)
        asked = threads.submit(connection.call, "till.hold", (str(book), "hold", b"", "never"), {}, Options())
        _await_line(book)
        connection.close()
        with pytest.raises(LostError):
            asked.result(30)
        _until_gone(int(book.read_text()), within_s=RESUME.window_s / 2)
        _leave(connection)
