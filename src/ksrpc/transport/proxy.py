"""A tunnel through an HTTP proxy: which proxy, and what is said to it.

Source: RFC 9110 section 9.3.6 (CONNECT); docs/reference/client.md "Proxies".
"""

from __future__ import annotations

import base64
import ipaddress
import os
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes, urlsplit

from ksrpc import __version__
from ksrpc.errors import ConfigError, ConnectError
from ksrpc.limits import HTTP_HEAD_BYTES

_PORTS = {"http": 80}
_WANTS_CREDENTIALS = 407


@dataclass(frozen=True, slots=True)
class Proxy:
    """Hold where a proxy is and what it wants to hear; its credentials are in no text."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    def __str__(self) -> str:
        return pack_place(self.host, self.port)


class Tunnel:
    """Ask a proxy for a way to a server, sans I/O: send `request`, feed what comes until the way is open."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self._proxy = proxy
        self._place = pack_place(host, port)
        self._head = b""

    @property
    def request(self) -> bytes:
        """Return what is to be sent."""
        lines = [f"CONNECT {self._place} HTTP/1.1", f"Host: {self._place}", f"User-Agent: ksrpc/{__version__}"]
        if self._proxy.authorization:
            lines.append(f"Proxy-Authorization: {self._proxy.authorization}")
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode()

    def feed(self, data: bytes) -> bool:
        """Take what the proxy says (nothing: it hung up); return whether the way is open.

        Raises:
            ConnectError: It is not; the text names the proxy, the reason and the cure.
        """
        if not data:
            raise ConnectError(f"the proxy {self._proxy} hung up instead of leading to {self._place}")
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not self._head.startswith(b"HTTP/1."[: len(self._head)]) or len(head) > HTTP_HEAD_BYTES:
            raise ConnectError(f"{self._proxy} does not speak HTTP: is it an HTTP proxy?")
        if end:
            self._judge(_parse_status(head))
            if rest:  # nobody has spoken to the server yet
                raise ConnectError(f"the proxy {self._proxy} says more than its answer")
        return bool(end)

    def _judge(self, status: int) -> None:
        if 200 <= status < 300:
            return
        if status == _WANTS_CREDENTIALS and self._proxy.authorization:
            raise ConnectError(f"the proxy {self._proxy} does not take the user and password in its URL (407)")
        if status == _WANTS_CREDENTIALS:
            raise ConnectError(
                f"the proxy {self._proxy} wants to know who asks (407): http://USER:PASSWORD@{self._proxy}"
            )
        raise ConnectError(
            f"the proxy {self._proxy} answered {status} and does not lead to {self._place}; "
            "NO_PROXY names hosts that are reached without it"
        )


def _parse_status(head: bytes) -> int:
    text = head.split(None, 2)[1:2]
    return int(text[0]) if text and text[0].isdigit() and len(text[0]) == 3 else 0


def pack_place(host: str, port: int) -> str:
    """Return host and port as one text."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_proxy(text: str, *, origin: str) -> Proxy:
    """Take a proxy's URL apart; without a scheme it is an HTTP proxy.

    Args:
        text: The URL. No error shows it: it may hold a password.
        origin: Which argument or variable it is from.

    Raises:
        ConfigError: It cannot be used.
    """
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if parts.scheme.startswith("socks"):
        raise ConfigError(f"{origin} names a SOCKS proxy: ksrpc goes through HTTP proxies only, http://HOST:PORT")
    if parts.scheme == "https":
        cure = "write http://HOST:PORT; what goes to an https:// or wss:// gateway is encrypted all the same"
        raise ConfigError(f"{origin} names a proxy that is itself spoken to in TLS: {cure}")
    if parts.scheme not in _PORTS or not host or parts.path not in ("", "/") or parts.query:
        raise ConfigError(f"{origin} is not the URL of a proxy, such as http://HOST:PORT")
    return Proxy(host, port or _PORTS[parts.scheme], _pack_credentials(parts.username, parts.password))


def _pack_credentials(user: str | None, password: str | None) -> str:
    if user is None:
        return ""
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password or "")
    return f"Basic {base64.b64encode(pair).decode()}"


def find_proxy(host: str, port: int, *, is_tls: bool) -> Proxy | None:
    """Return the proxy that the environment names for a server: never one for this machine itself.

    Raises:
        ConfigError: It names one that cannot be used.
    """
    if _is_loopback(host):
        return None
    for name in ("https_proxy" if is_tls else "http_proxy", "all_proxy"):
        variable, text = _read(name)
        if text:
            return None if is_spared(host, port, _read("no_proxy")[1]) else parse_proxy(text, origin=variable)
    return None


def _read(name: str) -> tuple[str, str]:
    """Return a variable and its value: in lower case before upper case, as everywhere.

    A CGI program is told a request's header `Proxy` as HTTP_PROXY: there only the lower case one is believed.
    """
    if name in os.environ:
        return name, os.environ[name].strip()
    is_told_by_others = name == "http_proxy" and "REQUEST_METHOD" in os.environ
    return name.upper(), "" if is_told_by_others else os.environ.get(name.upper(), "").strip()


def is_spared(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether NO_PROXY names a host: by its name, a domain above it, an address, a network, or `*`.

    Source: curl(1) "NO_PROXY"; urllib.request.proxy_bypass_environment.
    """
    address = _parse_address(host)
    for entry in no_proxy.replace(",", " ").lower().split():
        if entry == "*" or (address is not None and _holds(entry, address)):
            return True
        name, _, wanted = entry.rpartition(":") if entry.count(":") == 1 or "]:" in entry else (entry, "", "")
        name = name.strip("[]").lstrip(".").rstrip(".")
        is_same = host.lower().rstrip(".") == name or (address is None and host.lower().endswith(f".{name}"))
        if name and is_same and wanted in ("", str(port)):
            return True
    return False


def _holds(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def _parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _parse_address(host)
    if address is None:
        return host.lower().rstrip(".") == "localhost" or host.lower().rstrip(".").endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
