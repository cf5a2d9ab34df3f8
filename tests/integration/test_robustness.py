"""What a call may do to others: nothing. Load, slow readers, crashes, hangs, hogs, a killed gateway."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import ksrpc
import ksrpc.errors
from ksrpc import wire
from ksrpc.client import RemoteGateway
from ksrpc.errors import DeadlineError, LostError
from ksrpc.protocol.event import ResultCame
from tests.helpers import rough
from tests.helpers.peer import RawSession
from tests.helpers.process import is_running
from tests.helpers.server import GatewayProcess

MIB = 1 << 20

CONFIG = f"""
[server]
port = 0
[call]
enabled = true
timeout_s = 60
memory_mb = 600
processes = 4
[access]
anonymous = true
allow = ["demo", "math", "rough"]
[module.rough]
path = "{Path(rough.__file__).as_posix()}"
arguments = "any"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("robust"), CONFIG) as process:
        yield process


@pytest.fixture
def gw(server: GatewayProcess, transport: str) -> Iterator[RemoteGateway]:
    with ksrpc.connect(server.url if transport == "http" else server.ws_url, timeout=60) as gateway:
        yield gateway


@pytest.fixture
def socket_gw(server: GatewayProcess) -> Iterator[RemoteGateway]:
    with ksrpc.connect(server.ws_url, timeout=60) as gateway:
        yield gateway


def test_a_thousand_calls_in_flight_each_answer_to_its_question(server: GatewayProcess) -> None:
    dice = random.Random(7)
    naps = {tag: dice.uniform(0, 0.5) for tag in range(1000)}
    with RawSession(server.ws_url) as peer:
        calls = {}
        for tag, seconds in naps.items():
            path = "rough.async_nap" if tag % 10 else "rough.nap"
            message = wire.pack_arguments((seconds if tag % 10 else seconds / 50, tag), {})
            calls[peer.session.call({"path": path}, message.segments)] = tag
        answers: dict[int, object] = {}
        most = 0
        for event in peer.events(until=lambda: len(answers) == 1000):
            if isinstance(event, ResultCame):
                answers[calls[event.call]] = wire.parse(event.body)
            most = max(most, len(peer.session.tracks))
        assert answers == {tag: tag for tag in naps}
        assert most >= 990


def test_many_threads_on_one_connection_get_their_own_answers(gw: RemoteGateway) -> None:
    dice = random.Random(11)

    def ask(tag: int) -> bool:
        size = dice.choice([10, 5_000, 300_000])
        value = [tag, b"x" * size]
        return bool(gw.call("rough.nap", dice.uniform(0, 0.01), value) == value)

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(300)))


def test_one_slow_reader_does_not_delay_small_calls_and_nobody_stores_its_answer(server: GatewayProcess) -> None:
    """One call's credit is granted in drops; small calls on the same connection overtake it."""
    size = 200 * MIB
    with RawSession(server.ws_url) as peer, ksrpc.connect(server.ws_url, timeout=60) as other:
        other.call("math.pow", 2, 3)
        quiet = _median_s(lambda: peer.ask("math.pow", 2, 3), 200)
        quiet_other = _median_s(lambda: other.call("math.pow", 2, 3), 200)
        before = server.rss_anon_bytes
        large = peer.session.call({"path": "demo.blob"}, wire.pack_arguments((size,), {}).segments)
        peer.await_first_piece(large)
        busy = _median_s(lambda: peer.ask("math.pow", 2, 3, drip=(large, 64 * 1024)), 200)
        busy_other = _median_s(lambda: other.call("math.pow", 2, 3), 200)
        assert server.rss_anon_bytes - before < 16 * MIB
        assert busy < 3 * quiet + 0.002
        assert busy_other < 3 * quiet_other + 0.002
        assert large in peer.session.tracks  # it was under way all the time
        peer.session.abandon(large)


def test_a_reader_that_stops_reading_costs_the_gateway_one_window(server: GatewayProcess) -> None:
    """Eight sockets ask for 64 MiB over HTTP and never read; the gateway stores nothing of it."""
    with ksrpc.connect(server.url, timeout=60) as gw:
        gw.call("math.pow", 2, 3)
        before = server.rss_anon_bytes
        stalled = [_ask_and_stop(server, "demo.blob", 64 * MIB) for _ in range(8)]
        try:
            assert gw.call("math.pow", 2, 3) == 8.0
            _await(lambda: all(_has_data(sock) for sock in stalled))
            assert gw.call("math.pow", 2, 3) == 8.0
            assert server.rss_anon_bytes - before < 24 * MIB
        finally:
            for sock in stalled:
                sock.close()


def test_a_large_argument_streams_up_whole_and_leaves_no_memory_behind(
    gw: RemoteGateway, server: GatewayProcess
) -> None:
    data = rough.block(64 * MIB)
    expected = rough.checksum(data)
    gw.call("rough.checksum", data[:MIB])
    before = server.rss_anon_bytes
    assert gw.call("rough.checksum", data) == expected
    assert server.rss_anon_bytes - before < 24 * MIB


@pytest.mark.parametrize(
    ("function", "args", "words"),
    [
        ("crash", (), "SIGSEGV"),
        ("leave", (0,), "exited with status 0"),
        ("leave", (7,), "exited with status 7"),
    ],
)
def test_a_library_that_ends_its_process_fails_alone(
    gw: RemoteGateway, server: GatewayProcess, function: str, args: tuple[int, ...], words: str
) -> None:
    with ThreadPoolExecutor(3) as threads:
        neighbours = [threads.submit(gw.call, "rough.nap", 0.8, tag) for tag in range(2)]
        other = threads.submit(gw.call, "rough.async_nap", 0.8, "async")
        time_started = time.monotonic()
        with pytest.raises(LostError, match=words) as caught:
            gw.call(f"rough.{function}", *args)
        assert caught.value.maybe_ran is True
        assert time.monotonic() - time_started < 10
        assert [n.result() for n in neighbours] == [0, 1]
        assert other.result() == "async"
    assert gw.call("math.pow", 2, 3) == 8.0
    assert is_running(server.pid)


def test_a_library_that_raises_system_exit_does_not_end_its_process(gw: RemoteGateway) -> None:
    pid = gw.call("rough.process_id", timeout_s=20)
    with pytest.raises(ksrpc.errors.RemoteError, match="bye"):
        gw.call("rough.raise_exit")
    assert gw.call("rough.process_id") in {pid, gw.call("rough.process_id")}


@pytest.mark.parametrize("function", ["spin", "ignore_signals_and_sleep"])
def test_a_library_that_never_returns_is_ended_at_its_deadline(gw: RemoteGateway, function: str) -> None:
    with ThreadPoolExecutor(2) as threads:  # a worker for each of the two calls is there: the time is the function's
        assert list(threads.map(lambda _: gw.call("rough.nap", 0.2, "there", timeout_s=20), range(2))) == ["there"] * 2
    started = time.monotonic()
    with ThreadPoolExecutor(1) as threads:
        neighbour = threads.submit(gw.call, "rough.nap", 2.5, "fine")
        with pytest.raises(DeadlineError) as caught:
            gw.call(f"rough.{function}", timeout_s=2)
        assert time.monotonic() - started < 2 + 2
        assert caught.value.maybe_ran is True
        assert neighbour.result() == "fine"


def test_a_coroutine_is_cancelled_at_its_deadline_and_its_neighbours_go_on(gw: RemoteGateway) -> None:
    pid = gw.call("rough.async_process_id")
    with ThreadPoolExecutor(1) as threads:
        neighbour = threads.submit(gw.call, "rough.async_nap", 1.5, "fine")
        started = time.monotonic()
        with pytest.raises(DeadlineError):
            gw.call("rough.async_nap", 30, timeout_s=0.5)
        assert time.monotonic() - started < 0.5 + 2
        assert neighbour.result() == "fine"
    assert gw.call("rough.async_process_id") == pid


def test_a_library_that_eats_memory_is_ended(gw: RemoteGateway) -> None:
    started = time.monotonic()
    with pytest.raises(LostError, match="grew over 600 MiB"):
        gw.call("rough.eat", 3000, timeout_s=30)
    assert time.monotonic() - started < 30


def test_calls_for_the_main_thread_run_one_at_a_time_in_one_process(server: GatewayProcess) -> None:
    with ksrpc.connect(server.ws_url, timeout=60) as gw:
        insisting = gw.module("rough", async_remote=False)
        with ThreadPoolExecutor(4) as threads:
            pids = {f.result() for f in [threads.submit(insisting.process_id) for _ in range(12)]}
            started = time.monotonic()
            naps = [threads.submit(insisting.nap, 0.2, tag) for tag in range(4)]
            assert [n.result() for n in naps] == [0, 1, 2, 3]
        assert len(pids) == 1
        assert time.monotonic() - started >= 0.8


def test_a_worker_sees_a_clean_place(gw: RemoteGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = gw.call("rough.look_around")
    assert not [name for name in seen["environment"] if "KSRPC" in name or name.startswith("PYTHONPATH")]
    assert seen["folder"] == []
    others = [target for target in seen["descriptors"] if not target.startswith("/proc/")]  # what its place is made of
    assert len(others) <= 6  # three standard ones, two of ours, the one that lists them


def test_killing_the_gateway_mid_call_tells_the_truth(tmp_path: Path, transport: str) -> None:
    with GatewayProcess(tmp_path, CONFIG) as server:
        url = server.url if transport == "http" else server.ws_url
        with ksrpc.connect(url, timeout=30) as gw:
            gw.call("rough.process_id")
            caught: list[BaseException] = []

            def ask() -> None:
                try:
                    gw.call("rough.nap", 20)
                except BaseException as exc:
                    caught.append(exc)

            thread = threading.Thread(target=ask)
            thread.start()
            _await(lambda: len(server.worker_pids) >= 1)
            _await(lambda: _is_napping(server))
            workers = server.worker_pids
            server.kill()
            thread.join(10)
            assert not thread.is_alive()
            assert isinstance(caught[0], LostError)
            assert caught[0].maybe_ran is True
            with pytest.raises(ksrpc.errors.ConnectError) as refused:
                gw.call("math.pow", 2, 3)
            assert refused.value.maybe_ran is False
            _await(lambda: not any(is_running(pid) for pid in workers))


def test_stopping_the_gateway_takes_its_workers_along(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, CONFIG) as server:
        with ksrpc.connect(server.url, timeout=30) as gw:
            gw.call("rough.process_id")
            gw.call("rough.async_process_id")
        workers = server.worker_pids
        assert workers
        assert server.stop() in (0, -15)
        _await(lambda: not any(is_running(pid) for pid in workers))


def test_a_client_that_goes_away_takes_its_call_with_it(server: GatewayProcess) -> None:
    with ksrpc.connect(server.url, timeout=60) as gw:
        pid = gw.call("rough.process_id")
        before = set(server.worker_pids)
        sock = _request(server, "rough.ignore_signals_and_sleep")
        _await(lambda: _is_busy(before))
        sock.close()
        _await(lambda: not before <= set(server.worker_pids))
        assert gw.call("rough.process_id") > 0
        assert pid in before


def _median_s(work: object, count: int) -> float:
    times = []
    for _ in range(count):
        started = time.perf_counter()
        work()  # type: ignore[operator]
        times.append(time.perf_counter() - started)
    return sorted(times)[count // 2]


def _await(condition: object, within_s: float = 20.0) -> None:
    """Poll without a fixed pause to wait for; fails loudly when the time is over."""
    deadline = time.monotonic() + within_s
    tick = threading.Event()
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            pytest.fail(f"did not come true within {within_s} s")
        tick.wait(0.02)


def _request(server: GatewayProcess, path: str, *args: object) -> socket.socket:
    body = wire.pack_arguments(args, {}).join()
    head = (
        f"POST /api/file?func={path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Ksrpc: 1\r\nAccept: {wire.MEDIA_TYPE}\r\n"
        f"Content-Type: {wire.MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    sock.connect(("127.0.0.1", server.port))
    sock.sendall(head.encode() + body)
    return sock


def _ask_and_stop(server: GatewayProcess, path: str, *args: object) -> socket.socket:
    return _request(server, path, *args)


def _has_data(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return len(sock.recv(1, socket.MSG_PEEK)) > 0
    except BlockingIOError:
        return False


def _is_napping(server: GatewayProcess) -> bool:
    return any(_wait_channel(pid) in ("hrtimer_nanosleep", "do_nanosleep", "clock_nanosleep") or _sleeps(pid)
               for pid in server.worker_pids)  # fmt: skip


def _wait_channel(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return ""


def _sleeps(pid: int) -> bool:
    """Tell whether the main thread is inside clock_nanosleep (syscall 230 on x86-64, 115 on AArch64)."""
    try:
        return Path(f"/proc/{pid}/syscall").read_text().split()[0] in ("230", "115")
    except (OSError, IndexError):
        return False


def _is_busy(pids: set[int]) -> bool:
    return any(_sleeps(pid) for pid in pids)
