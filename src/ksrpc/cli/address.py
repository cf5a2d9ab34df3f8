"""Under which addresses this machine can be reached, and what clients write to reach the gateway.

Source: docs/reference/cli.md "ksrpc serve".
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import socket
import struct
import sys
from pathlib import Path
from urllib.parse import quote

from ksrpc.config import Config

#: Of containers and virtual machines on this host: nobody else comes through them.
_INNER = ("lo", "docker", "br-", "veth", "virbr", "cni", "flannel")
_SIOCGIFADDR = 0x8915
_GLOBAL = "00"
_EVERYWHERE = {"": socket.AF_INET, "0.0.0.0": socket.AF_INET, "::": socket.AF_INET6}  # noqa: S104 - what is told here, not listened on
#: Addresses of documentation (RFC 5737, RFC 3849): asked for a route only, nothing is sent there.
_FAR = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens there."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def client_urls(settings: Config, *, port: int = 0) -> list[str]:
    """Return what clients may write to reach the gateway, the best first; never empty.

    Args:
        settings: The configuration.
        port: The one it really listens on, where `server.port` is 0.
    """
    server = settings.server
    is_tls = server.tls_cert is not None
    urls = [make_url(host, port or server.port, is_tls=is_tls) for host in reachable_hosts(server.host)]
    if server.socket is not None:
        urls.append(f"http+unix://{quote(str(server.socket))}")
    return [server.public_url, *urls] if server.public_url else urls


def reachable_hosts(host: str) -> list[str]:
    """Return the addresses that an address to listen on stands for, those of other machines' reach first."""
    family = _EVERYWHERE.get(host)
    if family is None:
        return [host]
    is_v6 = family == socket.AF_INET6
    found = _routed(family) + (_own_v6() if is_v6 else _own_v4())
    if is_v6 and socket.has_dualstack_ipv6():
        found += _routed(socket.AF_INET) + _own_v4()
    return list(dict.fromkeys(found)) or ["::1" if is_v6 else "127.0.0.1"]


def make_url(host: str, port: int, *, is_tls: bool = False) -> str:
    """Return the address as an URL."""
    scheme = "https" if is_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _routed(family: socket.AddressFamily) -> list[str]:
    """Return the address with which this machine speaks to the world, if it does."""
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((_FAR[family], 9))
        return [sock.getsockname()[0]]
    return []


def _own_v4() -> list[str]:
    """Return an address of each network interface, where the system is Linux."""
    found: list[str] = []
    if sys.platform != "linux":
        return found
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            if name.startswith(_INNER):
                continue
            with contextlib.suppress(OSError):  # it has none
                packed = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(packed[20:24]))
    return found


def _own_v6() -> list[str]:
    try:
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines]
    return [
        str(ipaddress.IPv6Address(bytes.fromhex(entry[0])))
        for entry in fields
        if entry[3] == _GLOBAL and not entry[5].startswith(_INNER)
    ]
