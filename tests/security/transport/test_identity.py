"""Who may come in: tokens, addresses, Hosts and Origins, the same on every transport."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import ksrpc
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import AuthError, ForbiddenError, LostError, NotFoundError
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import connection_to, usable
from tests.integration.exchange import ask
from tests.security.transport import hostile

PROXIED = """
[server]
port = 0
hosts = ["gateway.example"]
[call]
enabled = true
[access]
anonymous = true
trusted_proxies = ["loopback"]
ip_allow = ["loopback", "10.0.0.0/8"]
ip_block = ["10.9.0.0/16"]
"""
ELSEWHERE = "[server]\nport = 0\n[call]\nenabled = true\n[access]\nip_allow = ['10.0.0.0/8']\n"


def status_by_http(gateway: GatewayProcess, headers: Mapping[str, str]) -> int:
    """Call over HTTP; give the status."""
    return ask(gateway, "POST", "/v1/call/demo.echo", b'{"args": [1]}', headers).status


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def status_by_socket(gateway: GatewayProcess, headers: Mapping[str, str]) -> int:
    """Ask for a WebSocket; give the status of the handshake, 200 if it opens."""
    reply = ask(gateway, "GET", "/ws/bytes", None, {**HANDSHAKE, **headers})
    if reply.status == 101:
        return 200
    assert reply.problem()["maybe_ran"] is False
    return reply.status


def status(gateway: GatewayProcess, transport: str, headers: Mapping[str, str]) -> int:
    """Knock at one transport's door."""
    return (status_by_socket if transport == "websocket" else status_by_http)(gateway, headers)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Run a gateway that believes a proxy on this machine."""
    with GatewayProcess(tmp_path_factory.mktemp("proxied"), PROXIED) as process:
        yield process


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer ksr_00000000_" + "0" * 49,
        "Basic dXNlcjpwYXNz",
        "Token {token}",
        "{token}",
        "Bearer {token}x",
        "Bearer {shorter}",
        "Bearer {lower}",
        "Bearer {token} {token}",
        "Bearer \xe9\xe9\xe9",
        "Bearer \u00b2" + "0" * 60,
        "Bearer " + "k" * 7_000,
        "Bearer ksr_' OR 1=1 --",
        "Bearer %00",
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_wrong_token_is_401(guarded: GatewayProcess, token: str, transport: str, value: str | None) -> None:
    headers = {}
    if value is not None:
        text = value.format(token=token, shorter=token[:-1], lower=token.lower()) if "{" in value else value
        headers["Authorization"] = text
    assert status(guarded, transport, headers) == 401


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer " + "k" * 60_000}, {f"X-{n}": "x" for n in range(200)}], ids=["long", "many"]
)
def test_a_handshake_that_is_too_long_is_answered(guarded: GatewayProcess, headers: dict[str, str]) -> None:
    reply = ask(guarded, "GET", "/ws/bytes", None, {**HANDSHAKE, **headers})
    assert (reply.status, reply.headers["connection"]) == (431, "close")


def test_the_right_token_is_let_in(guarded: GatewayProcess, token: str, transport: str) -> None:
    assert status(guarded, transport, {"Authorization": f"Bearer {token}"}) == 200


def test_a_token_in_the_query_is_no_token(guarded: GatewayProcess, token: str) -> None:
    reply = ask(guarded, "GET", f"/v1/call/demo.echo?x=1&token={token}&access_token={token}")
    assert reply.status == 401
    assert token.encode() not in reply.body
    with pytest.raises(InvalidStatus), connect(f"{guarded.ws_url}/ws/bytes?token={token}"):
        pass


def test_every_wrong_token_gets_the_same_answer(guarded: GatewayProcess, token: str) -> None:
    revoked = usable(guarded, guarded.create_token("gone"))
    guarded.run("token", "revoke", revoked[4:12])
    end = time.monotonic() + 2
    while status_by_http(guarded, {"Authorization": f"Bearer {revoked}"}) == 200:
        assert time.monotonic() < end, "still valid two seconds after it was revoked"
    wrong = ("ksr_00000000_" + "0" * 49, token[:-1], revoked, "x")
    bodies = {
        ask(guarded, "POST", "/v1/call/demo.echo", b"", {"Authorization": f"Bearer {text}"}).body for text in wrong
    }
    assert len(bodies) == 1


def test_without_a_token_nothing_is_read_or_told(guarded: GatewayProcess) -> None:
    for target in ("/v1/call/math.pow", "/v1/call/no.such", "/api/file?func=math.pow", "/v1/describe/math"):
        for body in (b"", b"garbage", b"\x1f\x8b", b'{"args": [2, 3]}'):
            reply = ask(guarded, "GET" if "describe" in target else "POST", target, body)
            assert reply.status == 401, (target, body)


def test_an_open_socket_ends_with_its_token(guarded: GatewayProcess) -> None:
    made = usable(guarded, guarded.create_token("leaver"))
    with connect(f"{guarded.ws_url}/ws/bytes", additional_headers={"Authorization": f"Bearer {made}"}) as sock:
        sock.send(hostile.hello())
        sock.recv(timeout=5)
        assert guarded.run("token", "revoke", made[4:12]).returncode == 0
        began = time.monotonic()
        with pytest.raises(ConnectionClosed) as closed:
            sock.recv(timeout=10)
        assert time.monotonic() - began < 2.5
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert "token" in closed.value.rcvd.reason


def test_a_call_under_way_ends_with_its_token(guarded: GatewayProcess) -> None:
    made = usable(guarded, guarded.create_token("leaver"))
    with WebSocketConnection(guarded.ws_url, token=made) as there:
        demo = ksrpc.RpcClient("demo", there)
        assert demo.echo(1) == 1
        assert guarded.run("token", "revoke", made[4:12]).returncode == 0
        began = time.monotonic()
        with pytest.raises((LostError, AuthError)):
            ksrpc.RemoteGateway(there).call("demo.sleep", 15)
        assert time.monotonic() - began < 2.5
        with pytest.raises(AuthError):
            demo.echo(2)


def test_a_users_own_list_narrows(guarded: GatewayProcess, transport: str) -> None:
    made = usable(guarded, guarded.create_token("narrow"))
    with connection_to(guarded, transport, token=made) as there:
        math = ksrpc.RpcClient("math", there)
        assert math.pow(2, 3) == 8.0
        for path in ("sqrt", "pi"):
            with pytest.raises((NotFoundError, ForbiddenError)):
                getattr(math, path)()
        with pytest.raises(NotFoundError):
            ksrpc.RpcClient("demo", there).echo(1)
        with pytest.raises(NotFoundError):
            ksrpc.RpcClient("demo", there)()


FORWARDED = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"]


@pytest.mark.parametrize("name", FORWARDED)
def test_a_forwarded_request_without_a_trusted_proxy_is_refused(
    gateway: GatewayProcess, guarded: GatewayProcess, token: str, transport: str, name: str
) -> None:
    assert status(gateway, transport, {name: "127.0.0.1"}) == 403
    assert status(guarded, transport, {name: "127.0.0.1", "Authorization": f"Bearer {token}"}) == 403


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("127.0.0.1", 200),
        ("203.0.113.7", 403),
        ("127.0.0.1, 203.0.113.7", 403),
        ("203.0.113.7, 127.0.0.1", 403),
        ("10.1.2.3", 403),  # admitted, but anonymous calls are for this machine only
        ("10.9.2.3", 403),
        ("::ffff:203.0.113.7", 403),
        ("not an address", 403),
        ("127.0.0.1;203.0.113.7", 403),
    ],
)
def test_behind_a_trusted_proxy_its_peer_counts(
    proxied: GatewayProcess, transport: str, forwarded: str, expected: int
) -> None:
    assert status(proxied, transport, {"X-Forwarded-For": forwarded}) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "evil.example#127.0.0.1"},
        {"Host": "127.0.0.1.evil.example"},
    ],
    ids=str,
)
def test_pages_of_other_sites_cannot_call(gateway: GatewayProcess, transport: str, headers: dict[str, str]) -> None:
    assert status(gateway, transport, headers) == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST"])
def test_this_machines_own_names_are_hosts(gateway: GatewayProcess, transport: str, host: str) -> None:
    assert status(gateway, transport, {"Host": host}) == 200


def test_a_listed_host_is_one(proxied: GatewayProcess, gateway: GatewayProcess, transport: str) -> None:
    assert status(proxied, transport, {"Host": "gateway.example"}) == 200
    assert status(gateway, transport, {"Host": "gateway.example"}) == 403


def test_a_preflight_gets_nothing(gateway: GatewayProcess) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    reply = ask(gateway, "OPTIONS", "/v1/call/demo.echo", None, headers)
    assert reply.status in (403, 405)
    assert not any(name.startswith("access-control") for name in reply.headers)


@pytest.mark.parametrize(
    "target", ["/v1/call/demo.echo", "/v1/describe/demo", "/readyz", "/metrics", "/nothing", "/api/file"]
)
def test_every_address_asks_for_the_peers_address(tmp_path: Path, target: str) -> None:
    with GatewayProcess(tmp_path, ELSEWHERE) as gateway:
        assert ask(gateway, "GET", target).status == 403
        assert status_by_socket(gateway, {}) == 403
        assert ask(gateway, "GET", "/livez").status == 200


def test_life_says_nothing_else(guarded: GatewayProcess) -> None:
    alive, ready = ask(guarded, "GET", "/livez"), ask(guarded, "GET", "/readyz")
    assert (alive.status, alive.body) == (200, b"alive\n")
    assert (ready.status, ready.body) == (200, b"ready\n")
    assert "server" not in alive.headers
    assert "date" not in alive.headers


def test_no_answer_and_no_log_holds_a_token(guarded: GatewayProcess, token: str) -> None:
    secret = token[13:56]
    for path, body in (("demo.echo", b"{"), ("no.such", b""), ("demo.div", b'{"args": [1, 0]}')):
        reply = ask(guarded, "POST", f"/v1/call/{path}", body, {"Authorization": f"Bearer {token}"})
        assert secret.encode() not in reply.body
    assert secret not in guarded.log
