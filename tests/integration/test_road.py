"""The roads to a gateway: through a proxy, with TLS, over IPv6, by a Unix socket; blocking and awaited."""

from __future__ import annotations

import datetime
import os
import shutil
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ksrpc
from ksrpc.connections.base import Connection, Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import AddressError, ConfigError, ConnectError, KsrpcError, LostError
from tests.helpers.authority import Authority
from tests.helpers.awaited import Awaited
from tests.helpers.cutter import Cut, cutting
from tests.helpers.server import GatewayProcess, StartError
from tests.helpers.tunnel import ConnectProxy, proxying

NAME = "gateway.test"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ksrpc_ca", "ssl_cert_file", "ssl_cert_dir")
PLAIN = """
[server]
port = 0
socket = "run/ksrpc.sock"
hosts = ["gateway.test"]
[call]
enabled = true
[access]
anonymous = true
allow = ["demo", "math"]
"""
SECURE = """
[server]
host = "::"
port = 0
hosts = ["gateway.test"]
tls_cert = "server.pem"
tls_key = "server.key"
[call]
enabled = true
[access]
allow = ["demo", "math"]
ip_allow = ["loopback"]
"""


@pytest.fixture(autouse=True)
def _no_roads_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = Path("/tmp") / f"ksrpc-road-{os.getpid()}"  # the path of a socket has to be short
    try:
        with GatewayProcess(folder, PLAIN) as process:
            yield process
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class Secure(GatewayProcess):
    """Have a token for everybody."""

    token = ""


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("secure")
    pair = authority.issue(NAME, "localhost", "127.0.0.1", "::1")
    shutil.copy(pair.cert, folder / "server.pem")
    shutil.copy(pair.key, folder / "server.key")
    with Secure(folder, SECURE) as process:
        process.token = process.create_token("zhang")
        yield process


def connect(way: str, url: str, **road: Any) -> Connection:
    """Make a connection of a kind; the URL is given for HTTP."""
    transport, _, manner = way.partition(" ")
    made: Connection
    if transport == "websocket":
        made = WebSocketConnection("ws" + url.removeprefix("http"), timeout=20, **road)
    else:
        made = HttpxConnection(url, timeout=20, **road)
    return Awaited(made) if manner == "awaited" else made


def power(way: str, url: str, **road: Any) -> object:
    """Make one call over a connection of its own."""
    connection = connect(way, url, **road)
    try:
        return connection.call("math.pow", (2, 3), {}, Options())
    finally:
        connection.stop() if isinstance(connection, Awaited) else connection.close()


# what the network does to bytes


@pytest.mark.parametrize("side", ["up", "down"])
def test_bytes_that_come_twice_inside_tls_are_never_a_value(
    secure: Secure, authority: Authority, way: str, side: str
) -> None:
    sent = np.arange(400_000)  # a wrong byte shows
    with cutting(secure.port, Cut(**{side: 1_000_000}, again=4096)) as proxy:
        connection = connect(way, f"https://127.0.0.1:{proxy.port}", ca=authority.ca, token=secure.token)
        try:
            came = connection.call("demo.echo", (sent,), {}, Options())
        except LostError:
            came = sent  # refused, and said so
        finally:
            connection.stop() if isinstance(connection, Awaited) else connection.close()
        assert np.array_equal(came, sent)
        assert proxy.repeated == 1


# proxies


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_the_environment_names_a_proxy(
    plain: GatewayProcess, way: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxying() as proxy:
        monkeypatch.setenv(variable, f"http://{proxy.place}")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        assert power(way, f"http://{NAME}:{plain.port}") == 8.0
        assert proxy.asked == [f"{NAME}:{plain.port}"]
        assert "Bearer" not in proxy.requests[0]


def test_a_proxy_leads_to_a_server_with_tls_and_sees_nothing_of_it(
    secure: Secure, authority: Authority, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxying("me:pass word") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pass%20word@{proxy.place}")
        assert power(way, f"https://{NAME}:{secure.port}", ca=authority.ca, token=secure.token) == 8.0
        assert proxy.asked == [f"{NAME}:{secure.port}"]
        assert secure.token not in "".join(proxy.requests)


def test_this_machine_and_what_no_proxy_names_is_reached_directly(
    plain: GatewayProcess, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxying() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.place}")
        assert power(way, plain.url) == 8.0
        assert power(way, f"http://localhost:{plain.port}") == 8.0
        monkeypatch.setenv("NO_PROXY", "example.com, .test")
        with pytest.raises(ConnectError, match=f"no connection to {NAME}"):
            power(way, f"http://{NAME}:{plain.port}")  # nobody knows this name
        assert proxy.asked == []


def test_a_proxy_that_is_given_is_used_for_this_machine_too(plain: GatewayProcess, way: str) -> None:
    with proxying("me:secret") as proxy:
        assert power(way, plain.url, proxy=f"http://me:secret@{proxy.place}") == 8.0
        assert proxy.asked == [f"127.0.0.1:{plain.port}"]
        for url, said in ((f"http://{proxy.place}", "who asks"), (f"http://me:wrong@{proxy.place}", "does not take")):
            with pytest.raises(ConnectError, match=said) as caught:
                power(way, plain.url, proxy=url)
            assert "wrong" not in str(caught.value)
            assert caught.value.maybe_ran is False


def test_no_proxy_at_all(plain: GatewayProcess, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with pytest.raises(ConnectError, match=r"through the proxy 127\.0\.0\.1:1: Connection refused; is the proxy right"):
        power(way, f"http://{NAME}:{plain.port}")
    with pytest.raises(ConnectError, match=f"no connection to {NAME}:{plain.port}: "):
        power(way, f"http://{NAME}:{plain.port}", proxy="")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "answered 403 and does not lead to"),
        (b"\x05\x00", "does not speak HTTP: is it an HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK", "says more than its answer"),
        (b"HTTP/1.1 200", "hung up instead of leading to"),
    ],
    ids=["forbids", "socks", "talks on", "breaks off"],
)
def test_a_proxy_that_does_not_lead_there(plain: GatewayProcess, way: str, answer: bytes, said: str) -> None:
    with proxying(answer=answer) as proxy, pytest.raises(ConnectError, match=said) as caught:
        power(way, plain.url, proxy=f"http://{proxy.place}", token="ksr_secret")
    assert proxy.place in str(caught.value)
    assert "secret" not in "".join(proxy.requests)


def test_redirects_are_not_followed(plain: GatewayProcess, way: str) -> None:
    """What answers in the place of a gateway gets no second request."""
    with proxying() as elsewhere:
        moved = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{elsewhere.place}/\r\nContent-Length: 0\r\n\r\n"
        with proxying(answer=moved.encode()) as gateway, pytest.raises(ConnectError):
            power(way, f"http://{gateway.place}", token="ksr_secret")
        assert elsewhere.asked == []


# TLS


def test_the_authority_must_be_known(secure: Secure, authority: Authority, way: str) -> None:
    url = f"https://localhost:{secure.port}"
    with pytest.raises(ConnectError, match="give the certificate of its authority as ca=") as caught:
        power(way, url, token=secure.token)
    assert caught.value.maybe_ran is False
    assert power(way, url, token=secure.token, ca=authority.ca) == 8.0


@pytest.mark.parametrize("variable", ["KSRPC_CA", "SSL_CERT_FILE"])
def test_the_environment_names_the_authority(
    secure: Secure, authority: Authority, way: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(authority.ca))
    assert power(way, f"https://localhost:{secure.port}", token=secure.token) == 8.0


def test_a_folder_of_authorities(secure: Secure, authority: Authority, way: str, tmp_path: Path) -> None:
    Authority(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "ca.pem", tmp_path / "other.crt")
    shutil.copy(authority.ca, tmp_path / "ours.pem")
    (tmp_path / "README").write_text("no certificate")
    assert power(way, f"https://localhost:{secure.port}", token=secure.token, ca=tmp_path) == 8.0


def test_large_values_both_ways_by_many_threads_over_tls(secure: Secure, authority: Authority, way: str) -> None:
    connection = connect(way, f"https://localhost:{secure.port}", token=secure.token, ca=authority.ca)
    blobs = [bytes([number]) * 1_500_000 for number in range(8)]
    answers: list[Any] = [None] * len(blobs)

    def echo(number: int) -> None:
        answers[number] = [connection.call("demo.echo", (blobs[number],), {}, Options()) for _ in range(3)]

    threads = [threading.Thread(target=echo, args=(number,)) for number in range(len(blobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.stop() if isinstance(connection, Awaited) else connection.close()
    assert answers == [[blob] * 3 for blob in blobs]


def test_each_side_must_speak_tls_or_not(secure: Secure, plain: GatewayProcess, authority: Authority, way: str) -> None:
    with pytest.raises(ConnectError, match="does not speak TLS"):
        power(way, f"https://127.0.0.1:{plain.port}", ca=authority.ca)
    with pytest.raises(KsrpcError):
        power(way, f"http://127.0.0.1:{secure.port}", token=secure.token)


@contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[int]:
    """Shake hands with whoever comes, and say nothing else."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(10)
                try:
                    context.wrap_socket(sock, server_side=True).close()
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    ("names", "is_over", "said"),
    [(["localhost"], True, "it has expired"), (["elsewhere.test"], False, "it is for other names")],
    ids=["expired", "another name"],
)
def test_a_certificate_that_does_not_do(
    authority: Authority, way: str, names: list[str], is_over: bool, said: str
) -> None:
    ends = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1) if is_over else None
    pair = authority.issue(*names, ends=ends, label="bad")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    with tls_server(context) as port, pytest.raises(ConnectError, match=said):
        power(way, f"https://localhost:{port}", ca=authority.ca)


# IPv6


def test_both_families_where_all_addresses_are_served(secure: Secure, authority: Authority, way: str) -> None:
    for host in ("[::1]", "127.0.0.1", "localhost"):  # ip_allow is loopback only: ::ffff:127.0.0.1 counts as that
        assert power(way, f"https://{host}:{secure.port}", token=secure.token, ca=authority.ca) == 8.0
    assert secure.log.startswith("ksrpc ready: https://")


def test_one_address_of_version_6(tmp_path: Path, way: str) -> None:
    with GatewayProcess(tmp_path, PLAIN.replace("[server]", '[server]\nhost = "::1"')) as process:
        assert process.url == f"http://[::1]:{process.port}"
        assert power(way, process.url) == 8.0
        with pytest.raises(ConnectError, match="refused"):
            power(way, f"http://127.0.0.1:{process.port}")


# Unix sockets


def unix_url(process: GatewayProcess) -> str:
    return next(word for word in process.log.split() if word.startswith("http+unix://"))


def test_a_unix_socket(plain: GatewayProcess, way: str) -> None:
    path = plain.folder / "run" / "ksrpc.sock"
    assert unix_url(plain) == f"http+unix://{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert power(way, unix_url(plain)) == 8.0
    assert power(way, f"http+unix://{str(path).replace('/', '%2F')}") == 8.0
    with ksrpc.connect(unix_url(plain).replace("http+", "ws+")) as gw:
        assert gw.me()["user"] == "anonymous"


def test_a_proxy_behind_a_unix_socket_is_to_be_trusted_first(plain: GatewayProcess) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(plain.folder / "run" / "ksrpc.sock"))
        sock.sendall(b"GET /v1/call/math.pi HTTP/1.0\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert b" 403 " in answer
    assert b"trusted_proxies" in answer
    assert AddressError.code.encode() in answer


def test_nobody_listens_on_the_socket(tmp_path: Path, way: str) -> None:
    with pytest.raises(ConnectError, match=r"none\.sock: No such file"):
        power(way, f"http+unix://{tmp_path}/none.sock")
    with pytest.raises(ConfigError, match="no proxy leads to a Unix socket"):
        power(way, "http+unix:///run/x.sock", proxy="http://p:1")


def test_the_file_of_a_socket_from_start_to_end() -> None:
    folder = Path("/tmp") / f"ksrpc-road-{os.getpid()}-life"
    path = folder / "run" / "ksrpc.sock"
    path.parent.mkdir(parents=True)
    try:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
        with GatewayProcess(folder, PLAIN) as process:
            assert power("http", unix_url(process)) == 8.0
            with pytest.raises(StartError, match="another server is running there"), GatewayProcess(folder, PLAIN):
                pass
            assert power("http", unix_url(process)) == 8.0
        assert not path.exists()
        path.write_text("notes")
        with pytest.raises(StartError, match="is there and no socket"), GatewayProcess(folder, PLAIN):
            pass
        assert path.read_text() == "notes"
    finally:
        shutil.rmtree(folder)


# arguments that cannot be


@pytest.mark.parametrize(
    ("url", "road", "said"),
    [
        ("http://h", {"proxy": "socks5://u:secret@h:1"}, "SOCKS"),
        ("http://h", {"proxy": "https://u:secret@h:1"}, "write http://HOST:PORT"),
        ("http://h", {"proxy": "http://u:secret@:1"}, "not the URL of a proxy"),
        ("http://h", {"proxy": "http://u:secret@h:x"}, "not the URL of a proxy"),
        ("https://h", {"ca": "/nowhere/ca.pem"}, "there is no file /nowhere/ca.pem"),
        ("https://h", {"cert": ("/nowhere/c.pem", "/nowhere/k.pem")}, "there is no file /nowhere/c.pem"),
        ("http://h", {"ca": "/nowhere/ca.pem"}, "is not encrypted"),
        ("http+unix://run/x", {}, "names no socket"),
        ("http+unix:///" + 110 * "x", {}, "at most 107 bytes"),
        ("https+unix:///run/x", {}, "must begin with"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value) or "none",
)
def test_roads_that_cannot_be(url: str, road: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        ksrpc.connect(url, **road)
    assert "secret" not in str(caught.value)


def test_the_environment_names_a_proxy_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5h://127.0.0.1:7890")
    with pytest.raises(ConfigError, match="all_proxy names a SOCKS proxy"):
        ksrpc.connect("http://gateway.test")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:7890")
    assert ksrpc.connect("http://gateway.test").connection.url == "http://gateway.test"
    assert ksrpc.connect("http://127.0.0.1").connection.url == "http://127.0.0.1"


def test_a_file_that_is_no_certificate(tmp_path: Path, way: str) -> None:
    (tmp_path / "ca.pem").write_text("hello")
    with pytest.raises(ConfigError, match="no certificate in PEM form"), proxying() as proxy:
        power(way, f"https://{proxy.place}", ca=tmp_path / "ca.pem")


def test_the_helper_refuses_what_is_not_a_tunnel() -> None:
    with proxying() as proxy, socket.create_connection(("127.0.0.1", int(proxy.place.rpartition(":")[2]))) as sock:
        sock.sendall(b"GET http://gateway.test/ HTTP/1.1\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 405"
        assert isinstance(proxy, ConnectProxy)
