"""Open a stream to a server: TCP or a Unix socket, through a proxy or not, with TLS or not; blocking, or on a loop.

Source: docs/reference/client.md "Addresses".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ksrpc.errors import ConfigError, ConnectError, KsrpcError
from ksrpc.transport.proxy import Proxy, Tunnel, find_proxy, pack_place, parse_proxy
from ksrpc.transport.reach import Deadline, areach, reach
from ksrpc.transport.tls import Trust, explain_tls, find_trust, make_context

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_UNIX = "+unix"
#: Of `sun_path`, less its end.
_SOCKET_BYTES = 107
_TUNNEL_BYTES = 4096
_DRAIN_BYTES = 1 << 16
#: How long who closes a connection waits until the other side has heard of it [s].
PART_S = 2.0


class Address(NamedTuple):
    """Hold where a URL points to, and how to get there.

    Attributes:
        target: Path and query.
        socket_path: Of a Unix socket, instead of host and port.
        proxy: Leads there.
        trust: Whom TLS trusts.
    """

    host: str
    port: int
    is_tls: bool
    target: str
    socket_path: str = ""
    proxy: Proxy | None = None
    trust: Trust = Trust()

    @property
    def netloc(self) -> str:
        """Return the Host header's value."""
        host = f"[{self.name}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    @property
    def name(self) -> str:
        """Return the host as the server knows it: without the zone of this machine."""
        return self.host.partition("%")[0]

    @property
    def ws_url(self) -> str:
        """Return what a WebSocket's handshake is made of."""
        return f"{'wss' if self.is_tls else 'ws'}://{self.netloc}{self.target}"

    def __str__(self) -> str:
        place = self.socket_path or pack_place(self.host, self.port)
        return f"{place} through the proxy {self.proxy}" if self.proxy else place


def parse_url(url: str, schemes: tuple[str, ...]) -> Address:
    """Take a URL apart.

    Raises:
        ConfigError: Not a URL of these schemes, or one that holds a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port if not parts.scheme.endswith(_UNIX) else None
    except ValueError as exc:
        raise ConfigError(f"{url!r} is not a URL: {exc}") from exc
    if parts.fragment or not all("!" <= char <= "~" for char in url):
        told = f"{url!r} holds characters that a URL of a server cannot have"
        raise ConfigError(f"{told}; it is like {schemes[0]}://host:8000")
    if parts.scheme.endswith(_UNIX) and parts.scheme.removesuffix(_UNIX) in {"http", "ws"} & set(schemes):
        return _parse_socket(url, parts.netloc, parts.path)
    if parts.scheme not in schemes or not parts.hostname:
        raise ConfigError(f"{url!r} must begin with {' or '.join(f'{s}://' for s in schemes)} and name a host")
    if parts.username or parts.password:
        raise ConfigError("give the token as token=…, not inside the URL")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = unquote(parts.hostname) if ":" in parts.hostname else parts.hostname
    return Address(host, port or _PORTS[parts.scheme], parts.scheme in ("https", "wss"), target)


def _parse_socket(url: str, netloc: str, path: str) -> Address:
    """Read `http+unix:///run/ksrpc.sock`, or `http+unix://%2Frun%2Fksrpc.sock/path`."""
    place, target = (unquote(netloc), path or "/") if netloc else (unquote(path), "/")
    if not place.startswith("/") or place.endswith("/") or "\0" in place:
        raise ConfigError(f"{url!r} names no socket: write http+unix:///run/ksrpc.sock")
    if len(os.fsencode(place)) > _SOCKET_BYTES:
        raise ConfigError(f"{url!r}: the path of a Unix socket has at most {_SOCKET_BYTES} bytes")
    return Address("localhost", 80, False, target, place)


def find_address(
    url: str,
    schemes: tuple[str, ...],
    *,
    proxy: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    cert: object = None,
) -> Address:
    """Return where a URL points to, and how arguments and environment say to get there.

    Args:
        url: As for `parse_url`.
        schemes: As for `parse_url`.
        proxy: URL of an HTTP proxy; empty: none; None: what the environment names.
        ca: See `Trust`; by default $KSRPC_CA.
        cert: The client's certificate, or a pair of certificate and key.

    Raises:
        ConfigError: As `parse_url`; or proxy or files cannot be used.
    """
    address = parse_url(url, schemes)
    if not address.is_tls and (ca or cert):
        raise ConfigError(
            f"ca and cert are for {' and '.join(f'{s}s://' for s in schemes[:1])}: {url!r} is not encrypted"
        )
    if address.is_tls:
        address = address._replace(trust=find_trust(ca, cert))
    if address.socket_path:
        if proxy:
            raise ConfigError(f"no proxy leads to a Unix socket: {url!r}")
        return address
    if proxy is None:
        return address._replace(proxy=find_proxy(address.host, address.port, is_tls=address.is_tls))
    return address._replace(proxy=parse_proxy(proxy, origin="proxy") if proxy else None)


def dial(address: Address, timeout_s: float | None) -> socket.socket:
    """Connect: name, proxy and TLS within the time.

    Raises:
        ConnectError: Nobody there, or proxy or TLS could not be agreed on; the text names the address and the reason.
        ConfigError: A certificate of this side cannot be used.
    """
    deadline = Deadline(timeout_s)
    try:
        sock = _open(address, deadline)
        try:
            _cross(sock, address, deadline)
            if address.is_tls:
                sock.settimeout(deadline.share_s())
                sock = make_context(address.trust).wrap_socket(sock, server_hostname=address.name)
        except BaseException:
            sock.close()
            raise
    except KsrpcError:
        raise
    except (OSError, UnicodeError) as exc:
        raise _explain(address, exc, timeout_s) from exc
    return sock


def _open(address: Address, deadline: Deadline) -> socket.socket:
    if not address.socket_path:
        towards = address.proxy or address
        return reach(towards.host, towards.port, deadline)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(deadline.share_s())
        sock.connect(address.socket_path)
    except BaseException:
        sock.close()
        raise
    return sock


def _cross(sock: socket.socket, address: Address, deadline: Deadline) -> None:
    """Pass the proxy, if there is one."""
    if address.proxy is None:
        return
    tunnel = Tunnel(address.proxy, address.name, address.port)
    sock.settimeout(deadline.share_s())
    sock.sendall(tunnel.request)
    while not tunnel.feed(sock.recv(_TUNNEL_BYTES)):
        sock.settimeout(deadline.share_s())


async def join(address: Address, protocol: asyncio.BaseProtocol, timeout_s: float | None = None) -> None:
    """Do what `dial` does on the running loop.

    Raises:
        ConnectError: As `dial`.
        ConfigError: As `dial`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await _join(address, protocol, Deadline(timeout_s))
    except KsrpcError:
        raise
    except (OSError, UnicodeError) as exc:
        raise _explain(address, exc, timeout_s) from exc


async def _join(address: Address, protocol: asyncio.BaseProtocol, deadline: Deadline) -> None:
    loop = asyncio.get_running_loop()
    if address.socket_path:
        await loop.create_unix_connection(lambda: protocol, address.socket_path)
        return
    towards = address.proxy or address
    sock = await areach(towards.host, towards.port, deadline)
    try:
        await _across(loop, sock, address)
        tls: dict[str, Any] = {}
        if address.is_tls:
            tls = {"ssl": make_context(address.trust), "server_hostname": address.name}
    except BaseException:
        sock.close()
        raise
    await loop.create_connection(lambda: protocol, sock=sock, **tls)


async def _across(loop: asyncio.AbstractEventLoop, sock: socket.socket, address: Address) -> None:
    if address.proxy is None:
        return
    tunnel = Tunnel(address.proxy, address.name, address.port)
    await loop.sock_sendall(sock, tunnel.request)
    while not tunnel.feed(await loop.sock_recv(sock, _TUNNEL_BYTES)):
        pass


def explain_silence(address: Address, timeout_s: float | None) -> str:
    """Say that nobody answered at an address."""
    within = "" if timeout_s is None else f" within {timeout_s:g} s"
    return f"no connection to {address}{within}: no answer"


def _explain(address: Address, exc: Exception, timeout_s: float | None) -> ConnectError:
    if isinstance(exc, TimeoutError):
        return ConnectError(explain_silence(address, timeout_s))
    if isinstance(exc, ssl.SSLError):
        return ConnectError(f"no connection to {address}: {explain_tls(exc)}")
    number = getattr(exc, "errno", None) or 0  # an event loop has texts of its own for them
    reason = os.strerror(number) if number > 0 else getattr(exc, "strerror", None) or exc
    asked = "is the proxy right?" if address.proxy else "is the server running?"
    return ConnectError(f"no connection to {address}: {reason}; {asked}")


def part_from(sock: socket.socket, farewell: bytes) -> None:
    """Say good-bye and wait until the other side has hung up, two seconds at most: what it was sent is then there."""
    until = time.monotonic() + PART_S
    with contextlib.suppress(OSError):
        sock.settimeout(PART_S)
        sock.sendall(farewell)
        while (left_s := until - time.monotonic()) > 0:
            sock.settimeout(left_s)
            if not sock.recv(_DRAIN_BYTES):
                return


def hang_up(sock: socket.socket) -> None:
    """Close a stream, waking whoever reads from it."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
