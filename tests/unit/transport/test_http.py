"""The HTTP shell against servers that misbehave: the right error, the truth about the call, no hang, no leak."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ksrpc import wire
from ksrpc.errors import AuthError, ConnectError, DeadlineError, KsrpcError, LostError, RemoteError, TooLargeError
from ksrpc.transport import http
from ksrpc.transport.dial import parse_url
from ksrpc.transport.http import HttpShell
from tests.unit.transport.rawserver import Guest, RawServer, Script

VALUE = wire.pack({"a": [1, 2.5, "x"]}).join()
ARGUMENTS = wire.pack_arguments((1,), {})


@contextmanager
def _shell(server: RawServer, token: str | None = None) -> Iterator[HttpShell]:
    shell = HttpShell(parse_url(f"http://127.0.0.1:{server.port}", ("http",)), token=token)
    try:
        yield shell
    finally:
        shell.close()


def _post(shell: HttpShell, timeout_s: float | None = 20, message: wire.Message = ARGUMENTS) -> Any:
    return shell.post("/api/file?func=f", message, connect_s=5, timeout_s=timeout_s)


def _fail(script: Script, timeout_s: float | None = 20) -> KsrpcError:
    with RawServer(script) as server, _shell(server) as shell:
        with pytest.raises(KsrpcError) as caught:
            _post(shell, timeout_s)
        return caught.value


def _answering(
    status: str, body: bytes, media_type: str = wire.MEDIA_TYPE, *, length: int | None = None, holds: bool = False
) -> Script:
    def script(guest: Guest) -> None:
        guest.read_request()
        guest.answer(status, body, media_type=media_type, length=length)
        if holds:
            guest.hold()

    return script


def test_what_is_sent() -> None:
    seen: list[bytes] = []

    def script(guest: Guest) -> None:
        seen.append(guest.read_request())
        guest.answer("200 OK", VALUE, media_type=wire.MEDIA_TYPE)

    with RawServer(script) as server, _shell(server, "ksr_x") as shell:
        assert _post(shell, 7.5) == {"a": [1, 2.5, "x"]}
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /api/file?func=f HTTP/1.1"
    assert {
        "Authorization: Bearer ksr_x",
        "X-Ksrpc: 1",
        "X-Ksrpc-Timeout: 7.5",
        f"Accept: {wire.accept_text()}",
    } <= set(lines)
    assert body == ARGUMENTS.join()


def test_one_connection_serves_call_after_call() -> None:
    def script(guest: Guest) -> None:
        for _ in range(3):
            guest.read_request()
            guest.answer("200 OK", VALUE, media_type=wire.MEDIA_TYPE)

    with RawServer(script) as server, _shell(server) as shell:
        assert [_post(shell) for _ in range(3)] == [wire.parse(VALUE)] * 3
        assert server.accepted == 1


def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    with RawServer(_answering("200 OK", VALUE)) as server, _shell(server) as shell:
        for number in (1, 2, 3):
            _post(shell)
            select.select([shell._idle[0].sock], [], [], 10)  # until the server's end is seen here
            assert server.accepted == number


def _dies_with_the_request(guest: Guest) -> None:
    guest.read_request()


def _key_of(request: bytes) -> bytes:
    return next(line for line in request.split(b"\r\n") if line.startswith(b"Idempotency-Key: "))


def test_a_request_whose_connection_dies_is_sent_once_more_by_the_same_name() -> None:
    seen: list[bytes] = []

    def script(guest: Guest) -> None:
        for _ in range(2):
            seen.append(guest.read_request())
            guest.answer("200 OK", VALUE, media_type=wire.MEDIA_TYPE)
        seen.append(guest.read_request())

    with RawServer(script, script) as server, _shell(server) as shell:
        assert [_post(shell) for _ in range(4)] == [wire.parse(VALUE)] * 4
        assert server.accepted == 2
    first, second, third, again, fourth = seen
    assert _key_of(third) == _key_of(again)
    assert len(set(map(_key_of, seen))) == 4
    assert b"X-Ksrpc-Retry: 0." in again
    assert not any(b"X-Ksrpc-Retry" in request for request in (first, second, third, fourth))


def test_a_call_whose_second_connection_dies_too_may_have_run() -> None:
    with RawServer(_dies_with_the_request) as server, _shell(server) as shell:
        with pytest.raises(LostError) as caught:
            _post(shell)
        assert server.accepted == 2
    assert caught.value.maybe_ran is True
    assert not caught.value.retryable


def test_a_second_attempt_that_is_refused_says_nothing_of_the_first() -> None:
    refusal = b'{"code": "unauthorized", "detail": "the token is no longer valid", "maybe_ran": false}'
    refuse = _answering("401 Unauthorized", refusal, "application/problem+json")
    with (
        RawServer(_dies_with_the_request, refuse) as server,
        _shell(server) as shell,
        pytest.raises(LostError, match="no longer valid") as caught,
    ):
        _post(shell)
    assert caught.value.maybe_ran is True


def test_nothing_is_sent_once_more_when_the_time_is_over() -> None:
    with RawServer(_dies_with_the_request) as server, _shell(server) as shell:
        with pytest.raises(LostError):
            _post(shell, 0.05)
        assert server.accepted == 1


def _close_at_once(guest: Guest) -> None:
    pass


def test_closes_at_once() -> None:
    assert type(_fail(_close_at_once)) is LostError


@pytest.mark.parametrize(
    "answer",
    [b"", b"hello\r\n\r\n", b"\x00" * 100, b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-", b"x" * 70_000],
    ids=["nothing", "words", "zeros", "no status", "half a header", "endless line"],
)
def test_answers_that_are_not_http(answer: bytes) -> None:
    def script(guest: Guest) -> None:
        guest.read_request()
        guest.sock.sendall(answer)

    error = _fail(script)
    assert type(error) is LostError
    assert error.maybe_ran is True


@pytest.mark.parametrize("size", [0, 1, 30, len(VALUE) - 1])
def test_half_an_answer(size: int) -> None:
    error = _fail(_answering("200 OK", VALUE[:size], length=len(VALUE)))
    assert type(error) is LostError
    assert "broke" in str(error)
    assert error.maybe_ran is True


@pytest.mark.parametrize(
    "body",
    [b"", b"K", b"not a value" * 9, VALUE + b"x", b"\0" * len(VALUE), VALUE[:-1] + b"\xc1"],
    ids=["empty", "short", "words", "longer", "zeros", "broken head"],
)
def test_answers_that_are_no_values_may_have_run(body: bytes) -> None:
    error = _fail(_answering("200 OK", body))
    assert type(error) is LostError
    assert error.maybe_ran is True


def test_a_200_of_somebody_else() -> None:
    error = _fail(_answering("200 OK", b"<html>sign in</html>", "text/html"))
    assert type(error) is ConnectError
    assert "200" in str(error)


@pytest.mark.parametrize(
    ("status", "cls", "maybe_ran"),
    [
        ("302 Found", ConnectError, False),
        ("401 Unauthorized", AuthError, False),
        ("404 Not Found", ConnectError, False),
        ("502 Bad Gateway", LostError, True),
        ("504 Gateway Timeout", DeadlineError, True),
    ],
)
def test_a_status_of_somebody_else(status: str, cls: type[KsrpcError], maybe_ran: bool) -> None:
    error = _fail(_answering(status, b"<html>", "text/html"))
    assert type(error) is cls
    assert error.maybe_ran is maybe_ran


def test_a_problem_of_ours() -> None:
    body = json.dumps({"code": "too_large", "detail": "over 3 MiB"}).encode()
    error = _fail(_answering("413 Too Large", body, "application/problem+json"))
    assert type(error) is TooLargeError
    assert str(error) == "over 3 MiB"


def test_what_the_library_raised_keeps_the_connection() -> None:
    raised = wire.pack_error(ZeroDivisionError("division by zero")).join()

    def script(guest: Guest) -> None:
        for status, body in (("500 Error", raised), ("200 OK", VALUE)):
            guest.read_request()
            guest.answer(status, body, media_type=wire.MEDIA_TYPE)

    with RawServer(script) as server, _shell(server) as shell:
        with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
            _post(shell)
        assert isinstance(caught.value, RemoteError)
        assert _post(shell) == wire.parse(VALUE)
        assert server.accepted == 1


def test_a_raise_that_cannot_be_read_may_have_run() -> None:
    error = _fail(_answering("500 Error", b"KSW1 but no more"))
    assert type(error) is LostError
    assert error.maybe_ran is True


@pytest.mark.parametrize("given", [b"", VALUE[:20]], ids=["silent", "stops halfway"])
def test_never_answers(given: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_GRACE_S", 0.05)

    def script(guest: Guest) -> None:
        guest.read_request()
        if given:
            guest.answer("200 OK", given, media_type=wire.MEDIA_TYPE, length=len(VALUE))
        guest.hold()

    error = _fail(script, 0.1)
    assert type(error) is DeadlineError
    assert isinstance(error, TimeoutError)
    assert error.maybe_ran is True


def test_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_GRACE_S", 0.05)
    large = wire.pack_arguments((bytes(64 << 20),), {})
    with RawServer(Guest.hold) as server, _shell(server) as shell, pytest.raises(DeadlineError) as caught:
        _post(shell, 0.1, large)
    assert caught.value.maybe_ran is False  # it cannot have begun without its arguments


def test_refuses_before_everything_was_sent() -> None:
    large = wire.pack_arguments((bytes(64 << 20),), {})

    def script(guest: Guest) -> None:
        guest.sock.recv(10_000)
        guest.answer("413 Too Large", b'{"code":"too_large","detail":"no"}', media_type="application/problem+json")
        guest.sock.shutdown(socket.SHUT_WR)
        while guest.sock.recv(1 << 20):
            continue

    with RawServer(script) as server, _shell(server) as shell, pytest.raises(TooLargeError):
        _post(shell, 20, large)


def test_breaks_while_arguments_are_sent() -> None:
    large = wire.pack_arguments((bytes(64 << 20),), {})

    def script(guest: Guest) -> None:
        guest.sock.recv(10_000)

    with RawServer(script) as server, _shell(server) as shell, pytest.raises(LostError) as caught:
        _post(shell, 20, large)
    assert caught.value.maybe_ran is False
    assert caught.value.retryable


def test_a_shell_closed_during_a_call_keeps_no_connection() -> None:
    with RawServer(_answering("200 OK", VALUE, holds=True)) as server, _shell(server) as shell:
        shell.close()
        assert _post(shell) == wire.parse(VALUE)
        assert shell._idle == []


def test_get() -> None:
    seen: list[bytes] = []

    def script(guest: Guest) -> None:
        seen.append(guest.read_request())
        guest.answer("200 OK", VALUE, media_type=wire.MEDIA_TYPE)

    with RawServer(script) as server, _shell(server) as shell:
        assert shell.get("/v1/describe/math", connect_s=5, timeout_s=None) == wire.parse(VALUE)
    assert seen[0].startswith(b"GET /v1/describe/math HTTP/1.1\r\n")
