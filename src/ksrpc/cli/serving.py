"""Put store, gateway and application together and serve them with uvicorn.

Source: docs/explanation/architecture.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
from collections.abc import Callable

import uvicorn

from ksrpc.cli.address import client_urls
from ksrpc.cli.following import Follower
from ksrpc.cli.listening import BACKLOG, listening
from ksrpc.config import Config
from ksrpc.config.certificate import make_tls_context
from ksrpc.gateway import Gateway
from ksrpc.server import make_app
from ksrpc.server.head import BoundedHttpProtocol
from ksrpc.store import TokenStore
from ksrpc.text import clean
from ksrpc.transport.steady import SteadyProtocol

_READY = "ksrpc ready: "


class _Server(uvicorn.Server):
    """Say on which address it listens once it does; with port 0 nobody else knows."""

    def __init__(
        self, config: uvicorn.Config, gateway: Gateway, follower: Follower | None, leave: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._leave = leave
        self._gateway = gateway
        self._follower = follower
        self._following: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        by_file = [sock for sock in sockets or () if sock.family == socket.AF_UNIX]
        await super().startup([sock for sock in sockets or () if sock not in by_file])
        if not self.started:
            return
        for sock in by_file:  # without TLS: nothing of it leaves this machine
            server = await asyncio.get_running_loop().create_unix_server(self._make_protocol, sock=sock)
            self.servers.append(server)
        config = self._gateway.config
        port = next((sock.getsockname()[1] for sock in sockets or () if sock.family != socket.AF_UNIX), 0)
        first, *others = client_urls(config, port=port)
        lines = [f"{_READY}{first}", *(f"  also {url}" for url in others), *(f"  {line}" for line in _notices(config))]
        print("\n".join(lines), flush=True)
        if self._follower is not None:
            self._following = asyncio.get_running_loop().create_task(self._follower.follow(self._gateway))

    def _make_protocol(self) -> BoundedHttpProtocol:
        return BoundedHttpProtocol(self.config, self.server_state, self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._following is not None:
            self._following.cancel()
        await super().shutdown(sockets)
        self._leave()  # now: the signal that ended this server is raised again after it


def serve_forever(settings: Config, *, follower: Follower | None = None, shows_output: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; with a follower, by what its file says at any time.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    tls = _find_tls(settings)
    tokens = TokenStore(settings.server.data_dir / "store.sqlite3")
    gateway = Gateway(settings, tokens, shows_output=shows_output)
    _log_plainly()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # its warnings are written by whoever sends nonsense
    config = uvicorn.Config(
        make_app(gateway),
        log_config=None,
        access_log=False,
        lifespan="on",
        http=BoundedHttpProtocol,
        ws=SteadyProtocol,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        ws_max_size=(1 << 20) + (1 << 17),
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=5,
        backlog=BACKLOG,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    place = settings.server
    try:
        with contextlib.ExitStack() as stack:
            sockets = stack.enter_context(listening(place.host, place.port, place.socket))
            _Server(config, gateway, follower, leave=stack.close).run(sockets=sockets)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        tokens.close()


class PlainFormatter(logging.Formatter):
    """Write a record so that no text in it steers a terminal or passes as another record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line for the message; what follows it is indented."""
        first, *rest = super().format(record).splitlines()
        return "\n".join([clean(first), *(f"    {clean(line)}" for line in rest)])


def _log_plainly() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def _find_tls(settings: Config) -> ssl.SSLContext | None:
    server = settings.server
    cert, key = server.tls_cert, server.tls_key
    return None if cert is None or key is None else make_tls_context(cert, key, server.tls_client_ca)


def _notices(settings: Config) -> list[str]:
    access = settings.access
    lines = []
    if settings.server.plaintext and settings.server.tls_cert is None:
        lines.append("PLAINTEXT: without TLS, whoever listens on the network reads tokens and data (server.plaintext)")
    if not settings.call.enabled:
        return [*lines, "the call service is off (call.enabled = false)"]
    lines += [f"open to callers: {', '.join(access.allow) or 'nothing'}"]
    if access.anonymous:
        lines.append("anonymous: whoever can log in to this machine may call, no token needed")
    if access.unsafe:
        lines.append(f"UNSAFE, no gates: {', '.join(access.unsafe)}: whoever may call these owns the worker processes")
    return lines
