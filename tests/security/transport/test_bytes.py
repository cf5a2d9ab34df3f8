"""Bytes that are no call: each is refused by name, none is decoded as something else, the gateway lives on."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Callable, Iterable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ksrpc import wire
from ksrpc.protocol import FrameType, parse_frame
from tests.helpers.server import GatewayProcess
from tests.integration.exchange import ask
from tests.security.transport import hostile
from tests.security.transport.conftest import Fortress

REFUSED = {"decode", "too_large", "unsupported", "forbidden", "argument", "missing_extra"}
GROWTH_BYTES = 24 << 20


@pytest.fixture(scope="module")
def unheard(fortress: Fortress) -> Iterator[tuple[float, ClientConnection]]:
    """Open a WebSocket that says nothing, while the other tests run."""
    with connect(f"{fortress.gateway.ws_url}/ws/bytes") as quiet:
        yield time.monotonic(), quiet


@pytest.fixture(autouse=True)
def _survives(fortress: Fortress, unheard: object) -> Iterator[None]:
    """Expect of every attack: nothing imported, the gateway alive and about as large as before."""
    before = fortress.gateway.rss_anon_bytes
    yield
    assert fortress.imported == []
    assert ask(fortress.gateway, "POST", "/v1/call/demo.echo", b'{"args": [7]}').json() == 7
    assert fortress.gateway.rss_anon_bytes < before + GROWTH_BYTES


def outcome_by_http(gateway: GatewayProcess, path: str, body: bytes) -> str:
    """Send a body; give "result" or the problem's code."""
    headers = {"Content-Type": wire.MEDIA_TYPE, "Accept": wire.MEDIA_TYPE}
    reply = ask(gateway, "POST", f"/api/file?func={path}", body, headers)
    if reply.status == 200:
        wire.parse(reply.body, table=wire.RESULT_TABLE)
        return "result"
    if reply.media_type == wire.MEDIA_TYPE:
        return f"raised {wire.parse_error(reply.body)!r}"
    return str(reply.problem()["code"])


def outcome_by_socket(gateway: GatewayProcess, path: str, body: bytes) -> str:
    """Send a call on a WebSocket of its own; give "result" or the fault's code."""
    with connect(f"{gateway.ws_url}/ws/bytes", max_size=None) as sock:
        sock.send(hostile.hello())
        if len(body) <= 60_000:
            sock.send(hostile.call_of(path, body))
        else:
            sock.send(hostile.frame(hostile.CALL, 1, {"path": path}))
            for at in range(0, len(body), 100_000):
                fin = hostile.FIN if at + 100_000 >= len(body) else 0
                sock.send(hostile.frame(hostile.BODY, 1, None, body[at : at + 100_000], flags=fin, offset=at))
        return _answer(sock)


def _answer(sock: ClientConnection) -> str:
    """Read until the call ends; give credit back for what comes."""
    while True:
        data = sock.recv(timeout=20)
        assert isinstance(data, bytes)
        told = parse_frame(data)
        if told.type == FrameType.RAISE:
            return (
                f"raised {wire.parse_error(told.body)!r}" if told.meta["code"] == "raised" else str(told.meta["code"])
            )
        if told.type == FrameType.RESULT and told.fin:
            return "result"


@pytest.fixture(scope="session")
def outcome(transport: str) -> Callable[[GatewayProcess, str, bytes], str]:
    """Send a body as arguments over one transport."""
    return outcome_by_socket if transport == "websocket" else outcome_by_http


@pytest.mark.parametrize("kind", ["cut", "mutated", "results_only", "shapes", "bombs"])
def test_arguments_that_are_none(
    fortress: Fortress, outcome: Callable[[GatewayProcess, str, bytes], str], kind: str
) -> None:
    assert outcome(fortress.gateway, "demo.echo", hostile.honest()) == "result"
    workers = fortress.gateway.worker_pids
    for number, body in enumerate(getattr(hostile, kind)()):
        came = outcome(fortress.gateway, "demo.echo", body)
        assert came in REFUSED or (kind == "mutated" and came == "result"), (number, came)
    assert fortress.gateway.worker_pids == workers


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "media_type",
    [None, "application/octet-stream", "application/json", "application/x-www-form-urlencoded", wire.MEDIA_TYPE],
)
def test_a_pickle_is_never_read(fortress: Fortress, packed: bool, media_type: str | None) -> None:
    body = hostile.pickled(fortress.marks)
    body = gzip.compress(body) if packed else body
    for target in ("/api/file?func=demo.echo", "/v1/call/demo.echo"):
        reply = ask(fortress.gateway, "POST", target, body, {"Content-Type": media_type} if media_type else {})
        assert reply.status == (400 if media_type == wire.MEDIA_TYPE else 415)
        if reply.status == 415:
            assert "ksrpc >= 1" in reply.problem()["detail"]


def test_a_pickle_in_a_form_is_never_read(fortress: Fortress) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
        + hostile.pickled(fortress.marks)
        + b"\r\n--x--\r\n"
    )
    reply = ask(
        fortress.gateway, "POST", "/api/file?func=demo.echo", body, {"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert reply.status == 415
    assert "ksrpc >= 1" in reply.problem()["detail"]


def test_a_pickle_on_a_socket_is_never_read(fortress: Fortress) -> None:
    for body in (hostile.pickled(fortress.marks), gzip.compress(hostile.pickled(fortress.marks))):
        code, reason = closed_by(fortress.gateway, body)
        assert code == 1002
        assert "ksrpc >= 1" in reason


def closed_by(gateway: GatewayProcess, *sent: bytes | str) -> tuple[int, str]:
    """Send messages to a new WebSocket and wait until the server closes it; give code and reason."""
    with connect(f"{gateway.ws_url}/ws/bytes") as sock:
        try:
            for data in sent:
                sock.send(data)
            while True:
                sock.recv(timeout=10)
        except ConnectionClosed as closed:
            told = closed.rcvd
    if told is None:
        raise AssertionError("the connection broke instead of being closed")
    return told.code, told.reason


BROKEN: list[tuple[str, list[bytes | str]]] = [
    ("text", ["hello"]),
    ("binary", [hostile.hello(), '{"path": "math.pow"}']),
    ("HELLO", [hostile.call_of("demo.echo", b"")]),
    ("HELLO", [hostile.frame(15)]),
    ("version", [hostile.frame(1, meta={"versions": [99]})]),
    ("version", [hostile.frame(1, meta={})]),
    ("version", [hostile.frame(1)]),
    ("second", [hostile.hello(), hostile.hello()]),
    ("shorter", [b""]),
    ("shorter", [b"\x01" * 15]),
    ("meta", [hostile.HEADER.pack(1, 0, 500, 0, 0) + b"\x80"]),
    ("meta", [hostile.HEADER.pack(1, 0, 3, 0, 0) + b"\xc1\xc1\xc1"]),
    ("map", [hostile.frame(1, meta=[1, 2])]),
    ("deep", [hostile.frame(1, meta={"a": [[[[[[[[[[[1]]]]]]]]]]]})]),
    ("unknown", [hostile.hello(), hostile.frame(99)]),
    ("not for this side", [hostile.hello(), hostile.frame(9, 1, None, b"x")]),
    ("not for this side", [hostile.hello(), hostile.frame(18, 1, offset=1 << 30)]),
    ("never opened", [hostile.hello(), hostile.frame(5, 7, None, b"x")]),
    ("not above", [hostile.hello(), hostile.call_of("demo.echo", b""), hostile.call_of("demo.echo", b"")]),
    ("not above", [hostile.hello(), hostile.frame(4, 0, {"path": "demo.echo"}, flags=1)]),
    ("path", [hostile.hello(), hostile.frame(4, 1, {}, flags=1)]),
    ("path", [hostile.hello(), hostile.frame(4, 1, {"path": 7}, flags=1)]),
    ("inline", [hostile.hello(), hostile.call_of("demo.echo", bytes(70_000))]),
    (
        "offset",
        [hostile.hello(), hostile.frame(4, 1, {"path": "demo.echo"}), hostile.frame(5, 1, None, b"x", offset=5)],
    ),
    (
        "credit",
        [hostile.hello(), hostile.frame(4, 1, {"path": "demo.echo"}), hostile.frame(5, 1, None, bytes(300_000))],
    ),
    ("credit", [hostile.hello(), hostile.frame(11, 0, offset=1 << 60)]),
]


@pytest.mark.parametrize(("word", "sent"), BROKEN, ids=[f"{number}-{word}" for number, (word, _) in enumerate(BROKEN)])
def test_frames_that_break_a_rule_close_the_connection_with_its_name(
    fortress: Fortress, word: str, sent: list[bytes | str]
) -> None:
    code, reason = closed_by(fortress.gateway, *sent)
    assert code == 1002
    assert word in reason


def test_a_message_over_its_bound_closes_the_connection(fortress: Fortress) -> None:
    code, _ = closed_by(fortress.gateway, hostile.hello(), bytes(2 << 20))
    assert code in (1002, 1009)


def test_more_calls_than_a_session_may_hold_close_the_connection(fortress: Fortress) -> None:
    body = wire.pack_arguments((30,), {}).join()
    opened = [hostile.call_of("demo.async_sleep", body, number=number) for number in range(1, 2100)]
    code, reason = closed_by(fortress.gateway, hostile.hello(), *opened)
    assert code == 1002
    assert "2048" in reason


def test_more_calls_without_their_arguments_than_a_connection_may_have_are_refused(fortress: Fortress) -> None:
    with connect(f"{fortress.gateway.ws_url}/ws/bytes", max_queue=None) as sock:
        sock.send(hostile.hello())
        for number in range(1, 66):
            sock.send(hostile.frame(4, number, {"path": "demo.echo"}))
        frames = (
            parse_frame(bytes(message))
            for message in iter(lambda: sock.recv(timeout=20), b"")
            if type(message) is bytes
        )
        told = next(frame for frame in frames if frame.type == FrameType.RAISE)
        assert told.call == 65
        assert told.meta["code"] == "busy"
        assert told.meta["maybe_ran"] is False


def test_calls_that_never_send_their_arguments_hold_no_worker(fortress: Fortress) -> None:
    with connect(f"{fortress.gateway.ws_url}/ws/bytes", max_queue=None) as sock:
        sock.send(hostile.hello())
        for number in range(1, 200):
            sock.send(hostile.frame(4, number, {"path": "demo.echo"}))
        told = {"X-Ksrpc-Timeout": "3"}
        assert ask(fortress.gateway, "POST", "/v1/call/demo.echo", b'{"args": [7]}', told).status == 200


def test_an_answer_nobody_grants_credit_for_is_not_piled_up(fortress: Fortress) -> None:
    before = fortress.gateway.rss_anon_bytes
    body = wire.pack_arguments((64 << 20,), {}).join()
    with connect(f"{fortress.gateway.ws_url}/ws/bytes") as sock:
        sock.send(hostile.hello())
        for number in range(1, 5):
            sock.send(hostile.call_of("demo.blob", body, number=number))
        seen = 0
        while seen < 4 * (256 << 10):
            data = sock.recv(timeout=20)
            assert isinstance(data, bytes)
            told = parse_frame(data)
            assert told.type != FrameType.RAISE
            seen += len(told.body)
        assert fortress.gateway.rss_anon_bytes < before + GROWTH_BYTES


def raw(gateway: GatewayProcess, data: bytes) -> bytes:
    """Send bytes on a TCP connection and read until the server closes it or says nothing more."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        came = b""
        while piece := sock.recv(65536):
            came += piece
    return came


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: -1",
        b"Content-Length: 0x10",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding : chunked",
        b"Bad Name: x",
        b"X: a\x00b",
    ],
)
def test_shapes_of_smuggling_are_400_and_close(fortress: Fortress, head: bytes) -> None:
    second = b"GET /v1/call/demo.echo?x=smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    came = raw(
        fortress.gateway,
        b"POST /v1/call/demo.echo HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n0\r\n\r\n" + second,
    )
    assert came.startswith(b"HTTP/1.1 400 ")
    assert b"smuggled" not in came


def is_cut_off(gateway: GatewayProcess, start: bytes, pieces: Iterable[bytes]) -> bool:
    """Send the beginning of a request that never ends; tell whether the server hung up."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as sock:
        try:
            sock.sendall(start)
            for piece in pieces:
                sock.sendall(piece)
        except (ConnectionResetError, BrokenPipeError):
            return True
    return False


@pytest.mark.parametrize("start", [b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"GET /"])
def test_an_endless_head_is_cut_off(fortress: Fortress, start: bytes) -> None:
    before = fortress.gateway.rss_anon_bytes
    assert is_cut_off(fortress.gateway, start, [b"a" * (1 << 20)] * 100)
    assert fortress.gateway.rss_anon_bytes < before + (8 << 20)


def test_many_small_headers_are_cut_off(fortress: Fortress) -> None:
    lines = (b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(20_000))
    assert is_cut_off(fortress.gateway, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n", lines)


def test_a_long_head_within_its_bound_is_read(fortress: Fortress) -> None:
    headers = {f"X-{number}": "a" * 1000 for number in range(40)}
    assert ask(fortress.gateway, "GET", "/livez", None, headers).status == 200


def test_a_body_over_its_bound_is_refused_before_it_is_sent(fortress: Fortress) -> None:
    for media_type in (wire.MEDIA_TYPE, "application/json"):
        head = (
            f"POST /api/file?func=demo.echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n"
            f"Content-Length: {1 << 40}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", fortress.gateway.port), timeout=10) as sock:
            sock.sendall(head.encode())
            assert sock.recv(65536).startswith(b"HTTP/1.1 413 "), media_type


def test_a_chunked_body_over_its_bound_is_refused(fortress: Fortress) -> None:
    head = b"POST /v1/call/demo.echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", fortress.gateway.port), timeout=10) as sock:
        sock.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        for _ in range(5):
            sock.sendall(piece)
        assert sock.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_breaks_off_costs_its_call_only(fortress: Fortress) -> None:
    whole = hostile.honest()
    head = (
        f"POST /api/file?func=demo.echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: {wire.MEDIA_TYPE}\r\n"
        f"Content-Length: {len(whole)}\r\n\r\n"
    )
    for at in (0, 10, 50_000):
        with socket.create_connection(("127.0.0.1", fortress.gateway.port), timeout=10) as sock:
            sock.sendall(head.encode() + whole[:at])
    assert outcome_by_http(fortress.gateway, "demo.echo", whole) == "result"


@pytest.mark.parametrize("target", ["/ws/json/x", "/ws/nosuch", "/", "/ws/bytes/x", "/v1/call/demo.echo"])
def test_sockets_elsewhere_are_404(fortress: Fortress, target: str) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"{fortress.gateway.ws_url}{target}"):
        pass
    assert refused.value.response.status_code == 404


def test_who_says_nothing_is_hung_up_on(unheard: tuple[float, ClientConnection]) -> None:
    opened_at, quiet = unheard
    with pytest.raises(ConnectionClosed) as closed:
        quiet.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert "HELLO" in closed.value.rcvd.reason
    assert time.monotonic() - opened_at > 9
