"""Open a stream to a server: TCP, or TLS on it; blocking, or on a loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from ksrpc.errors import ConfigError, ConnectError

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Address(NamedTuple):
    """Hold where a URL points to."""

    host: str
    port: int
    is_tls: bool
    target: str  # path and query

    @property
    def netloc(self) -> str:
        """Return the Host header's value."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def parse_url(url: str, schemes: tuple[str, ...]) -> Address:
    """Take a URL apart.

    Raises:
        ConfigError: Not a URL of these schemes, or one that holds a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ConfigError(f"{url!r} is not a URL: {exc}") from exc
    if parts.scheme not in schemes or not parts.hostname:
        raise ConfigError(f"{url!r} must begin with {' or '.join(f'{s}://' for s in schemes)} and name a host")
    if parts.fragment or not all("!" <= char <= "~" for char in url):
        raise ConfigError(f"{url!r} holds characters that a URL of a server cannot have")
    if parts.username or parts.password:
        raise ConfigError("give the token as token=…, not inside the URL")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.hostname, port or _PORTS[parts.scheme], parts.scheme in ("https", "wss"), target)


def dial(address: Address, timeout_s: float | None) -> socket.socket:
    """Connect.

    Raises:
        ConnectError: Nobody there, or TLS could not be agreed on; the text names the address and the reason.
    """
    try:
        sock = socket.create_connection((address.host, address.port), timeout=timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.is_tls:
            context = ssl.create_default_context()
            sock = context.wrap_socket(sock, server_hostname=address.host)
    except TimeoutError as exc:
        raise ConnectError(explain_silence(address, timeout_s)) from exc
    except (OSError, UnicodeError) as exc:
        raise ConnectError(_explain(address, exc)) from exc
    return sock


async def join(address: Address, protocol: asyncio.BaseProtocol) -> None:
    """Connect on the running loop; the caller bounds the time.

    Raises:
        ConnectError: As `dial`.
    """
    context = ssl.create_default_context() if address.is_tls else None
    try:
        await asyncio.get_running_loop().create_connection(lambda: protocol, address.host, address.port, ssl=context)
    except TimeoutError as exc:
        raise ConnectError(explain_silence(address, None)) from exc
    except (OSError, UnicodeError) as exc:
        raise ConnectError(_explain(address, exc)) from exc


def explain_silence(address: Address, timeout_s: float | None) -> str:
    """Say that nobody answered at an address."""
    within = "" if timeout_s is None else f" within {timeout_s:g} s"
    return f"no connection to {address.host}:{address.port}{within}: no answer"


def _explain(address: Address, exc: Exception) -> str:
    reason = getattr(exc, "strerror", None) or exc
    return f"no connection to {address.host}:{address.port}: {reason}; is the server running?"


def hang_up(sock: socket.socket) -> None:
    """Close a stream, waking whoever reads from it."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
