"""Browsers at the door, what is told to caches, and what a flood of wrong tokens does to others."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ksrpc
from ksrpc.errors import AuthError, ConnectError, LostError
from ksrpc.limits import WRONG_TOKENS
from tests.helpers.authority import Authority
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import usable
from tests.integration.exchange import ask
from tests.security.transport.test_ticket import HANDSHAKE

CONFIG = """
[server]
port = 0
origins = ["https://page.example", "https://public.example"]
[call]
enabled = true
[access]
allow = ["demo", "math"]
trusted_proxies = ["loopback"]
ip_allow = ["loopback", "10.0.0.0/8"]
"""
MUTUAL = """
[server]
port = 0
tls_cert = "server.pem"
tls_key = "server.key"
tls_client_ca = "team.pem"
[call]
enabled = true
[access]
allow = ["math"]
"""
TARGETS = ("/v1/call/demo.test", "/api/get?func=demo.test", "/v1/describe/demo", "/v1/modules", "/v1/me")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("door"), CONFIG) as process:
        yield process


@pytest.fixture(scope="module")
def key(door: GatewayProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {usable(door, door.create_token('zhang'))}"}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_page_of_another_site_is_403_before_anything_is_read(door: GatewayProcess, target: str, site: str) -> None:
    for body in (None, b"\x80garbage"):
        reply = ask(door, "GET" if body is None else "POST", target, body, {"Sec-Fetch-Site": site})
        assert reply.status == 403, "an image, a form and a fetch without CORS carry no token"


@pytest.mark.parametrize("mode", ["no-cors", "navigate"])
def test_it_is_403_where_anonymous_calls_are_taken_too(gateway: GatewayProcess, mode: str) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "User-Agent": "Mozilla/5.0"}
    for target in TARGETS:
        assert ask(gateway, "GET", target, None, headers).status == 403, target


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (None, "127.0.0.1", 101),
        ("https://page.example", "127.0.0.1", 101),
        ("https://public.example", "127.0.0.1", 101),
        ("http://localhost:8000", "localhost:8000", 101),
        ("https://evil.example", "127.0.0.1", 403),
        ("http://page.example", "127.0.0.1", 403),
        ("https://page.example.evil.example", "127.0.0.1", 403),
        ("http://127.0.0.1:1", "127.0.0.1:2", 403),
        ("null", "127.0.0.1", 403),
        ("file://", "127.0.0.1", 403),
    ],
)
@pytest.mark.parametrize("route", ["/ws/bytes", "/ws/json", "/v1/ws"])
def test_a_websocket_opens_for_own_and_listed_pages(
    door: GatewayProcess, key: dict[str, str], route: str, origin: str | None, host: str, expected: int
) -> None:
    headers = {**HANDSHAKE, **key, "Host": host} | ({} if origin is None else {"Origin": origin})
    assert ask(door, "GET", route, None, headers).status == expected, "a right token does not make a page ours"


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"])
def test_what_is_missing_for_a_proxy_is_named(gateway: GatewayProcess, transport: str, name: str) -> None:
    headers = {name: "127.0.0.1"}
    if transport == "websocket":
        reply = ask(gateway, "GET", "/ws/bytes", None, {**HANDSHAKE, **headers})
    else:
        reply = ask(gateway, "POST", "/v1/call/demo.test", b"", headers)
    assert reply.status == 403
    assert "access.trusted_proxies" in reply.problem()["detail"]


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/v1/me", 200),
        ("GET", "/v1/me", 401),
        ("GET", "/v1/me", 403),
        ("GET", "/v1/call/math.pi", 200),
        ("GET", "/v1/call/math.pi?_format=json", 200),
        ("GET", "/v1/call/demo.nothing", 404),
        ("GET", "/api/get?func=math.pi", 200),
        ("GET", "/api/get?func=no.such", 404),
        ("GET", "/v1/describe/demo", 200),
        ("GET", "/v1/modules", 200),
        ("GET", "/docs", 200),
        ("GET", "/metrics", 200),
        ("GET", "/nothing", 404),
        ("DELETE", "/v1/me", 405),
        ("POST", "/v1/ticket", 200),
        ("GET", "/ws/bytes", 401),
        ("GET", "/ws/json", 403),
    ],
)
def test_no_answer_is_kept_for_another(
    door: GatewayProcess, key: dict[str, str], method: str, target: str, status: int
) -> None:
    headers = {} if status == 401 else dict(key)
    if status == 403:
        headers |= {"Host": "evil.example"}
    if target.startswith("/ws"):
        headers |= HANDSHAKE
    if status == 200:
        headers |= {"If-None-Match": "*", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    reply = ask(door, method, target, None, headers)
    assert reply.status == status
    assert reply.headers["cache-control"] == "private, no-cache"
    assert {"authorization", "accept"} <= {name.strip().lower() for name in reply.headers["vary"].split(",")}


def test_a_flood_of_wrong_tokens_is_told_to_wait_and_locks_nobody_out(
    door: GatewayProcess, key: dict[str, str]
) -> None:
    place = {"X-Forwarded-For": "10.0.0.66"}
    wrong = {**place, "Authorization": "Bearer wrong"}
    statuses: list[int] = []
    while 503 not in statuses and len(statuses) < 20 * WRONG_TOKENS.burst:
        statuses.append(ask(door, "GET", "/v1/me", None, wrong).status)
    assert set(statuses) == {401, 503}
    assert ask(door, "GET", "/v1/me", None, {**place, **key}).status == 200
    assert ask(door, "GET", "/v1/me", None, {**wrong, "X-Forwarded-For": "10.0.0.67"}).status == 401


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[GatewayProcess]:
    """Run a gateway that lets in only who shows a certificate."""
    folder = tmp_path_factory.mktemp("mutual")
    pair = authority.issue("localhost", "127.0.0.1")
    for path, name in ((pair.cert, "server.pem"), (pair.key, "server.key"), (authority.ca, "team.pem")):
        shutil.copy(path, folder / name)
    with GatewayProcess(folder, MUTUAL) as process:
        yield process


def test_who_shows_a_certificate_and_a_token_calls(
    mutual: GatewayProcess, authority: Authority, transport: str
) -> None:
    token = mutual.create_token("zhang")
    pair = authority.issue("zhang.example", label="zhang")
    url = f"{'wss' if transport == 'websocket' else 'https'}://127.0.0.1:{mutual.port}"
    with ksrpc.connect(url, token=token, ca=authority.ca, cert=(pair.cert, pair.key), timeout=30) as gateway:
        assert gateway.call("math.pow", 2, 3) == 8.0
    nobody = ksrpc.connect(url, ca=authority.ca, cert=(pair.cert, pair.key), timeout=30)
    with nobody as gateway, pytest.raises(AuthError):
        gateway.call("math.pow", 2, 3)


@pytest.mark.parametrize("has_stranger", [False, True], ids=["none", "of another authority"])
def test_without_one_a_token_is_not_even_read(
    mutual: GatewayProcess, authority: Authority, transport: str, tmp_path: Path, has_stranger: bool
) -> None:
    token = mutual.create_token("zhang")
    url = f"{'wss' if transport == 'websocket' else 'https'}://127.0.0.1:{mutual.port}"
    stranger = Authority(tmp_path).issue("zhang.example", label="zhang") if has_stranger else None
    cert = None if stranger is None else (stranger.cert, stranger.key)
    here = ksrpc.connect(url, token=token, ca=authority.ca, cert=cert, timeout=30)
    with here as gateway, pytest.raises((ConnectError, LostError)):
        gateway.call("math.pow", 2, 3)


def test_the_commands_show_a_certificate(mutual: GatewayProcess, authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("zhang.example", label="zhang")
    (tmp_path / "token").write_text(mutual.create_token("zhang"))
    url = f"https://127.0.0.1:{mutual.port}"
    road = ("--ca", str(authority.ca), "--cert", f"{pair.cert},{pair.key}", "--proxy", "")
    done = mutual.run("call", "math.pi", "--url", url, "--token-file", str(tmp_path / "token"), *road)
    assert (done.returncode, done.stdout.strip()) == (0, str(math.pi)), done.stderr
    done = mutual.run("call", "math.pi", "--url", url, "--token-file", str(tmp_path / "token"), *road[:2])
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_the_network_is_not_served_without_tls_unless_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "ksrpc.toml").write_text('[server]\nhost = "0.0.0.0"\nport = 0\n')
    done = subprocess.run(
        [sys.executable, "-m", "ksrpc", "serve"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "server.plaintext = true" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_in_the_clear_says_so(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, '[server]\nhost = "0.0.0.0"\nport = 0\nplaintext = true\n') as process:
        process.await_log("PLAINTEXT")
