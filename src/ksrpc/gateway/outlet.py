"""The only way out of a worker process whose module has a list of hosts: a forward proxy that the gateway serves.

The worker makes the listener, where it can in a network of its own that has nothing else in it, and hands it over
before it runs any library. Here the host is compared with the list, resolved, every address it stands for is looked
at, and the connection is made to the address that was looked at; a redirect is a new request and is looked at again.

Source: docs/spec/policy.md "Hosts"; RFC 9110 section 9.3.6 (CONNECT), RFC 9112 section 3.2.2 (absolute form).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import logging
import socket
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import h11

from ksrpc.host import Hosts

_log = logging.getLogger("ksrpc")
_HEAD_BYTES = 65_536
_PIECE_BYTES = 65_536
_HEAD_S = 30.0
_CONNECT_S = 30.0
_CONNECTIONS = 256
_TOLD = 64
#: Headers that are between a client and its proxy (RFC 9110 section 7.6.1).
_OWN = frozenset(
    (b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive", b"te", b"upgrade", b"host")
)


class _Refusal(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Wish(NamedTuple):
    """Say what a request wants: where to, and what to send there first."""

    host: str
    port: int
    head: bytes


class Outlet:
    """Serve the proxy of one worker process.

    Args:
        hosts: What may be asked.
        secret: Which the process shows; other processes of this machine may find the port.
    """

    def __init__(self, hosts: Hosts, secret: str) -> None:
        self._hosts = hosts
        self._shown = b"Basic " + base64.b64encode(f"ksrpc:{secret}".encode())
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._told: set[str] = set()

    async def open(self, listener: socket.socket) -> None:
        """Serve on a listener, which is this object's from now on."""
        self._server = await asyncio.start_server(self._meet, sock=listener)

    def close(self) -> None:
        """Stop serving and end what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._open) >= _CONNECTIONS:
            writer.close()
            return
        self._open.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):  # the other side is gone, or the process ends
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conn = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        try:
            async with asyncio.timeout(_HEAD_S):
                request = await _receive(conn, reader)
            if request is None:
                return
            wish = self._read(request)
            far_reader, far_writer = await self._connect(wish)
        except (_Refusal, TimeoutError, h11.RemoteProtocolError) as exc:
            status = exc.status if isinstance(exc, _Refusal) else 408 if isinstance(exc, TimeoutError) else 400
            writer.write(_answer(status, str(exc)))
            await writer.drain()
            return
        try:
            rest = conn.trailing_data[0]
            if wish.head:
                far_writer.write(wish.head + rest)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                far_writer.write(rest)
            await _splice((reader, far_writer), (far_reader, writer))
        finally:
            far_writer.close()

    def _read(self, request: h11.Request) -> _Wish:
        """Say what a request wants.

        Raises:
            _Refusal: It shows no right to, or wants nothing that a proxy does.
        """
        shown = next((value for name, value in request.headers if name == b"proxy-authorization"), b"")
        if not hmac.compare_digest(shown, self._shown):
            raise _Refusal(407, "this proxy is for one worker process alone")
        target = request.target.decode("ascii", "replace")
        if request.method == b"CONNECT":
            host, port = _place(f"//{target}", 0)
            return _Wish(host, port, b"")
        if not target.lower().startswith("http://"):
            raise _Refusal(400, "this proxy takes CONNECT and http:// addresses")
        host, port = _place(target, 80)
        return _Wish(host, port, _forward(request, target))

    async def _connect(self, wish: _Wish) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to an address of the host, of which every one is open to this module.

        Raises:
            _Refusal: It is not on the list, has no address, stands for a closed one, or does not answer.
        """
        if not self._hosts.admit(wish.host, wish.port):
            raise self._refuse(wish, "is not among the hosts of this module (module.NAME.hosts)")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(wish.host, wish.port, type=socket.SOCK_STREAM)
        except OSError as exc:
            raise _Refusal(502, f"{wish.host} cannot be resolved: {exc.strerror}") from None
        places = list(dict.fromkeys(str(info[4][0]).partition("%")[0] for info in found))
        if not all(self._hosts.reach(ipaddress.ip_address(place), wish.port) for place in places):
            raise self._refuse(wish, "stands for an address that is closed to modules")
        for place in places:
            with suppress(OSError):
                async with asyncio.timeout(_CONNECT_S):
                    return await asyncio.open_connection(place, wish.port)
        raise _Refusal(502, f"{wish.host}:{wish.port} does not answer")

    def _refuse(self, wish: _Wish, reason: str) -> _Refusal:
        place = f"{wish.host[:255]}:{wish.port}"
        if place not in self._told and len(self._told) < _TOLD:
            self._told.add(place)
            _log.warning("a worker process was kept from %r, which %s", place, reason)
        return _Refusal(403, f"{place} {reason}")


async def _receive(conn: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """Receive the head of a request; None if there comes none."""
    while True:
        event = conn.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        conn.receive_data(await reader.read(_PIECE_BYTES))


def _place(url: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or port
    except ValueError:
        host = ""
    if not host or not port or "@" in parts.netloc:
        raise _Refusal(400, "the address has no host and port that a proxy can take")
    return host, port


def _forward(request: h11.Request, target: str) -> bytes:
    """Write the head again as the host is to get it: one request, then the connection ends."""
    parts = urlsplit(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [(name, value) for name, value in request.headers if name not in _OWN]
    headers = [(b"Host", parts.netloc.encode()), *kept, (b"Connection", b"close")]
    head = h11.Connection(h11.CLIENT).send(h11.Request(method=request.method, target=path.encode(), headers=headers))
    return head or b""


def _answer(status: int, text: str) -> bytes:
    body = f"{text}\n".encode()
    lines = [f"HTTP/1.1 {status} ksrpc", "Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(body)}",
             "Connection: close", *(['Proxy-Authenticate: Basic realm="ksrpc"'] if status == 407 else [])]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _splice(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Pass bytes on both ways until both are over, or one breaks."""
    async with asyncio.TaskGroup() as group:
        for reader, writer in ways:
            group.create_task(_pass(reader, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
