"""A module with a list of hosts reaches these, and nothing else, whatever it was made to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

import ksrpc
from ksrpc.client import RemoteGateway
from tests.helpers.server import GatewayProcess
from tests.security.transport import captive
from tests.security.transport.conftest import ADDRESS

CONFIG = """
[server]
port = 0
[call]
enabled = true
processes = 1
connect_ports = [80, 443, 53, {port}, {other}]
[access]
anonymous = true
allow = ["captive", "demo"]
[module.captive]
arguments = "any"
hosts = ["{address}:{port}", "data.example.com", "*.vendor.invalid:{port}"]
"""


pytestmark = pytest.mark.skipif(not ADDRESS, reason="this machine has no address but the loopback's")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, vendors: list[ThreadingHTTPServer]) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("hosts")
    (folder / "server").mkdir(mode=0o755)
    shutil.copy(captive.__file__, folder / "server" / "captive.py")
    port, other = (vendor.server_port for vendor in vendors)
    with GatewayProcess(folder, CONFIG.format(address=ADDRESS, port=port, other=other)) as process:
        with ksrpc.connect(process.url, timeout=60) as gateway:
            gateway.call("captive.pid")  # its process is there, and with it the listener
        yield process


@pytest.fixture
def gw(server: GatewayProcess) -> Iterator[RemoteGateway]:
    with ksrpc.connect(server.ws_url, timeout=60) as gateway:
        yield gateway
        assert gateway.call("demo.echo", "well") == "well"


@pytest.fixture
def port(vendors: list[ThreadingHTTPServer]) -> int:
    return vendors[0].server_port


@pytest.fixture
def other(vendors: list[ThreadingHTTPServer]) -> int:
    return vendors[1].server_port


def test_a_listed_host_is_reached(gw: RemoteGateway, port: int) -> None:
    place = f"{ADDRESS}:{port}"
    assert gw.call("captive.fetch", f"http://{place}/a?b=c") == f"/a?b=c {place} []", (
        "nothing of the proxy is seen there"
    )
    assert gw.call("captive.tunnel", ADDRESS, port) == f"/tunnelled {place} []"
    assert gw.call("captive.post", f"http://{place}/", 3_000_000) == "3000000"


@pytest.mark.parametrize(
    "host",
    ["{address}:{other}", "127.0.0.1:{port}", "localhost:{port}", "169.254.169.254", "[::1]:{port}", "example.com",
     "data.example.com:{port}", "evil.data.example.com", "[::ffff:127.0.0.1]:{port}", "0.0.0.0:{port}", "2130706433",
     "0x7f.1:{port}"],
)  # fmt: skip
def test_other_hosts_and_ports_are_not(gw: RemoteGateway, port: int, other: int, host: str) -> None:
    place = host.format(address=ADDRESS, port=port, other=other)
    with pytest.raises(Exception, match="403"):
        gw.call("captive.fetch", f"http://{place}/")
    parts = urlsplit(f"//{place}")
    with pytest.raises(OSError, match=r"403|400"):
        gw.call("captive.tunnel", parts.hostname, parts.port or 80)


def test_a_redirect_is_looked_at_like_any_request(gw: RemoteGateway, port: int, other: int) -> None:
    place = f"{ADDRESS}:{port}"
    assert gw.call("captive.fetch", f"http://{place}/lead?http://{place}/there") == f"/there {place} []"
    for target in (f"http://{ADDRESS}:{other}/", "http://169.254.169.254/latest", f"http://127.0.0.1:{other}/"):
        with pytest.raises(Exception, match="403"):
            gw.call("captive.fetch", f"http://{place}/lead?{target}")


def test_there_is_no_way_past_the_proxy(gw: RemoteGateway, port: int) -> None:
    for host in (ADDRESS, "127.0.0.1"):
        with pytest.raises(OSError, match=r"Permission denied|its proxy alone|refused"):
            gw.call("captive.connect", host, port)
    with pytest.raises(PermissionError):
        gw.call("captive.datagram", 53)
    assert gw.call("captive.native", "datagram") == "EACCES"
    assert gw.call("captive.native", "connect", port) in ("EACCES", "ECONNREFUSED")
    assert gw.call("captive.reach", ADDRESS, port) in ("EACCES", "ENETUNREACH")


def test_the_proxy_is_its_own_process_s_alone(gw: RemoteGateway, port: int) -> None:
    with pytest.raises(OSError, match="407"):
        gw.call("captive.tunnel", ADDRESS, port, "another")
    environment = gw.call("captive.environment")
    assert environment["HTTPS_PROXY"].startswith("http://ksrpc:")
    assert "NO_PROXY" not in environment


def test_what_was_kept_back_is_told_to_the_administrator_once(gw: RemoteGateway, server: GatewayProcess) -> None:
    for _ in range(3):
        with pytest.raises(Exception, match="403"):
            gw.call("captive.fetch", "http://kept.example.org/")
    assert server.log.count("kept.example.org:80") == 1
