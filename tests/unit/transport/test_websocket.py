"""The shared WebSocket against servers that misbehave: handshake, greeting, calls of many threads, loss."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from ksrpc import wire
from ksrpc.connections.base import Options
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import AuthError, ConnectError, DeadlineError, KsrpcError, LostError, NotFoundError
from ksrpc.protocol import FIN, FrameType, pack_head
from ksrpc.transport import websocket
from ksrpc.transport.dial import parse_url
from ksrpc.transport.websocket import WebSocketShell
from tests.unit.transport.rawserver import Guest, RawServer, Script, SessionGuest

ARGUMENTS = wire.pack_arguments((), {}).segments
T = FrameType


def _value(value: object) -> bytes:
    return wire.pack(value).join()


def _connect(server: RawServer, connect_s: float = 10) -> WebSocketShell:
    address = parse_url(f"ws://127.0.0.1:{server.port}/ws/bytes", ("ws",))
    return WebSocketShell(address, token="ksr_x", connect_s=connect_s)


def _call(shell: WebSocketShell, timeout_s: float | None = 20) -> Any:
    return shell.call({"path": "demo.f"}, ARGUMENTS, timeout_s)


def _session(talk: Callable[[SessionGuest], None]) -> Script:
    """Make a script that greets as it should and then does as told."""

    def script(guest: Guest) -> None:
        peer = SessionGuest(guest)
        peer.greet()
        talk(peer)

    return script


def _refused(script: Script, connect_s: float = 10) -> KsrpcError:
    with RawServer(script) as server:
        with pytest.raises(KsrpcError) as caught:
            _connect(server, connect_s)
        return caught.value


# opening


def test_closes_at_once() -> None:
    assert type(_refused(lambda guest: None)) is ConnectError


@pytest.mark.parametrize(
    "answer",
    [b"hello\r\n\r\n", b"\x00" * 1000, b"HTTP/1.1 101 Yes\r\n\r\n", b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n"],
)
def test_answers_garbage_to_the_handshake(answer: bytes) -> None:
    def script(guest: Guest) -> None:
        guest.read_request()
        guest.sock.sendall(answer)

    error = _refused(script)
    assert type(error) is ConnectError
    assert error.maybe_ran is False


@pytest.mark.parametrize(
    ("status", "code", "cls"),
    [
        ("401 Unauthorized", "unauthorized", AuthError),
        ("404 Not Found", "not_found", NotFoundError),
        ("401 Unauthorized", None, AuthError),
        ("301 Moved", None, ConnectError),
        ("404 Not Found", None, ConnectError),
        ("502 Bad Gateway", None, ConnectError),
        ("504 Gateway Timeout", None, ConnectError),
    ],
)
def test_the_handshake_is_refused(status: str, code: str | None, cls: type[KsrpcError]) -> None:
    def script(guest: Guest) -> None:
        assert b"Authorization: Bearer ksr_x" in guest.read_request()
        body = b"<html>" if code is None else json.dumps({"code": code, "detail": "why"}).encode()
        guest.answer(status, body, media_type="application/problem+json")

    error = _refused(script)
    assert type(error) is cls
    assert error.maybe_ran is False
    assert code is None or str(error) == "why"


def test_never_answers_the_handshake() -> None:
    assert type(_refused(Guest.hold, 0.2)) is ConnectError


def test_never_greets() -> None:
    def script(guest: Guest) -> None:
        SessionGuest(guest)
        guest.hold()

    with pytest.raises(ConnectError, match="accepted the connection and then said nothing"):
        raise _refused(script, 0.2)


def test_speaks_another_version() -> None:
    def script(guest: Guest) -> None:
        peer = SessionGuest(guest)
        peer.message()
        peer.send(pack_head(T.WELCOME, meta={"versions": [2]}))
        guest.hold()

    with pytest.raises(ConnectError, match=r"this side speaks version 1 of the call protocol, the peer \[2\]"):
        raise _refused(script)


def test_closes_instead_of_greeting_and_says_why() -> None:
    def script(guest: Guest) -> None:
        peer = SessionGuest(guest)
        peer.message()
        peer.close(1002, "speak version 2")
        guest.hold()

    with pytest.raises(ConnectError, match="1002 speak version 2"):
        raise _refused(script)


# calls


def test_values_small_cut_and_large() -> None:
    large = list(range(20_000))

    def talk(peer: SessionGuest) -> None:
        peer.send(peer.result(peer.called().call, _value("small")))
        peer.send_cut(peer.result(peer.called().call, _value("cut")), 3)
        message = wire.pack(large)
        peer.session.answer(peer.called().call, message.segments, size=message.nbytes)
        peer.flush()
        peer.guest.hold()

    with RawServer(_session(talk)) as server:
        shell = _connect(server)
        assert [_call(shell) for _ in range(3)] == ["small", "cut", large]
        shell.close()


def test_answers_in_any_order_reach_the_thread_that_asked() -> None:
    def talk(peer: SessionGuest) -> None:
        calls = [peer.called() for _ in range(6)]
        for event in reversed(calls):
            peer.send(peer.result(event.call, _value(event.meta["path"])))
        peer.guest.hold()

    with RawServer(_session(talk)) as server, ThreadPoolExecutor(6) as threads:
        shell = _connect(server)
        asked = [threads.submit(shell.call, {"path": f"demo.f{n}"}, ARGUMENTS, 20) for n in range(6)]
        assert [future.result(20) for future in asked] == [f"demo.f{n}" for n in range(6)]
        shell.close()


def _gather(server: RawServer, threads: ThreadPoolExecutor, count: int) -> tuple[WebSocketShell, list[Future[Any]]]:
    shell = _connect(server)
    return shell, [threads.submit(_call, shell) for _ in range(count)]


def _garbage(peer: SessionGuest) -> None:
    peer.send(b"\x00" * 20)


def _bad_frame(peer: SessionGuest) -> None:
    peer.guest.sock.sendall(b"\xff" * 100)


def _too_large(peer: SessionGuest) -> None:
    peer.send(pack_head(T.RESULT, 1) + bytes(3 << 20))


def _good_bye(peer: SessionGuest) -> None:
    peer.close(1001, "restart")


@pytest.mark.parametrize("end", [lambda peer: None, _garbage, _bad_frame, _too_large, _good_bye])
def test_a_lost_connection_ends_the_calls_of_all_threads(end: Callable[[SessionGuest], None]) -> None:
    def talk(peer: SessionGuest) -> None:
        for _ in range(4):
            peer.called()
        end(peer)

    with RawServer(_session(talk)) as server, ThreadPoolExecutor(4) as threads:
        shell, asked = _gather(server, threads, 4)
        errors = [future.exception(20) for future in asked]
        assert [type(error) for error in errors] == [LostError] * 4
        assert [error.maybe_ran for error in errors if isinstance(error, LostError)] == [True] * 4
        assert shell.is_lost
        assert not shell.is_usable
        shell.close()


def test_the_reason_of_the_end_is_told() -> None:
    def talk(peer: SessionGuest) -> None:
        peer.called()
        _good_bye(peer)

    with RawServer(_session(talk)) as server:
        shell = _connect(server)
        with pytest.raises(LostError, match="1001 restart"):
            _call(shell)


@pytest.mark.parametrize("body", [b"", b"KSW", b"no value at all" * 5, _value(1) + b"x"])
def test_a_value_that_is_none_costs_its_own_call_alone(body: bytes) -> None:
    def talk(peer: SessionGuest) -> None:
        peer.send(peer.result(peer.called().call, body))
        peer.send(pack_head(T.RAISE, peer.called().call, {"code": "raised"}, flags=FIN) + body)
        peer.send(peer.result(peer.called().call, _value("good")))
        peer.guest.hold()

    with RawServer(_session(talk)) as server:
        shell = _connect(server)
        for _ in range(2):
            with pytest.raises(LostError) as caught:
                _call(shell)
            assert caught.value.maybe_ran is True
        assert _call(shell) == "good"
        shell.close()


def test_never_answers_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "ANSWER_GRACE_S", 0.0)
    seen: list[object] = []

    def talk(peer: SessionGuest) -> None:
        event = peer.called()
        seen.append(peer.event())  # CANCEL
        peer.send(pack_head(T.RAISE, event.call, {"code": "cancelled"}, flags=FIN))
        peer.send(peer.result(peer.called().call, _value("next")))
        peer.guest.hold()

    with RawServer(_session(talk)) as server:
        shell = _connect(server)
        with pytest.raises(DeadlineError) as caught:
            _call(shell, 0.1)
        assert caught.value.maybe_ran is True
        assert _call(shell) == "next"
        assert type(seen[0]).__name__ == "CancelCame"
        shell.close()


def test_a_deadline_of_the_leader_holds_while_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "ANSWER_GRACE_S", 0.0)

    def talk(peer: SessionGuest) -> None:
        peer.called()
        while type(peer.event()).__name__ != "CancelCame":  # pings answered at once keep the socket busy
            peer.send(pack_head(T.PING, offset=1))

    with RawServer(_session(talk)) as server:
        shell = _connect(server)
        shell._session.outbox.put_control(pack_head(T.PING))
        with pytest.raises(DeadlineError):
            _call(shell, 0.3)
        shell.close()


def test_what_the_library_raised() -> None:
    body = wire.pack_error(KeyError("k")).join()

    def talk(peer: SessionGuest) -> None:
        peer.send(pack_head(T.RAISE, peer.called().call, {"code": "raised"}, flags=FIN) + body)
        peer.guest.hold()

    with RawServer(_session(talk)) as server:
        shell = _connect(server)
        with pytest.raises(KeyError, match="k"):
            _call(shell)
        shell.close()


def test_ctrl_c_cancels_the_call_and_leaves_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def talk(peer: SessionGuest) -> None:
        event = peer.called()
        while not isinstance(got := peer.event(), tuple) or type(got).__name__ != "CancelCame":
            continue
        seen.append(type(got).__name__)
        peer.send(pack_head(T.RAISE, event.call, {"code": "cancelled"}, flags=FIN))
        peer.send(peer.result(peer.called().call, _value("next")))
        peer.guest.hold()

    with RawServer(_session(talk)) as server:
        shell = _connect(server)

        def interrupt(timeout_s: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(shell, "_wait", lambda waiter, deadline: interrupt(deadline))
            with pytest.raises(KeyboardInterrupt):
                _call(shell)
        assert _call(shell) == "next"
        assert seen == ["CancelCame"]
        shell.close()


# connections


def test_a_connection_connects_again_after_a_loss_and_after_goaway() -> None:
    def lose(peer: SessionGuest) -> None:
        peer.called()

    def leave(peer: SessionGuest) -> None:
        peer.session.go_away("restart")
        event = peer.called()
        peer.send(peer.result(event.call, _value("last")))
        peer.flush()
        peer.guest.hold()

    def serve(peer: SessionGuest) -> None:
        peer.send(peer.result(peer.called().call, _value("again")))
        peer.guest.hold()

    scripts = [_session(talk) for talk in (lose, leave, serve)]
    with RawServer(*scripts) as server:
        connection = WebSocketConnection(f"ws://127.0.0.1:{server.port}")
        with pytest.raises(LostError):
            connection.call("demo.f", (), {}, Options())
        assert connection.call("demo.f", (), {}, Options()) == "last"
        shell = connection._shells.get(connection._open)
        while shell.is_usable:
            shell._read()  # until the GOAWAY is in
        assert connection.call("demo.f", (), {}, Options()) == "again"
        assert server.accepted == 3
        connection.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_that_forgets_the_connection_leaves_it_to_its_parent() -> None:
    def talk(peer: SessionGuest) -> None:
        for _ in range(2):
            peer.send(peer.result(peer.called().call, _value("alive")))
        peer.guest.hold()

    with RawServer(_session(talk)) as server:
        shell = _connect(server)
        assert _call(shell) == "alive"
        child = os.fork()
        if child == 0:
            shell.__del__()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert _call(shell) == "alive"
        shell.close()


def test_a_call_that_never_left_has_not_run() -> None:
    """Fill the socket until a call has to stay in the outbox, then cut the connection."""
    release = threading.Event()

    def talk(peer: SessionGuest) -> None:
        peer.guest.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
        release.wait(20)

    with RawServer(_session(talk)) as server, ThreadPoolExecutor(200) as threads:
        shell = _connect(server)
        large = wire.pack_arguments((bytes(200_000),), {}).segments
        asked = [threads.submit(shell.call, {"path": "demo.f"}, large, 20) for _ in range(100)]
        release.set()
        errors = [future.exception(30) for future in asked]
        assert {type(error) for error in errors} == {LostError}
        assert errors[-1].maybe_ran is False  # type: ignore[union-attr]
        shell.close()
