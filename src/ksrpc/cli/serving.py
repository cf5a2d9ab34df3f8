"""Put store, gateway and application together and serve them with uvicorn.

Source: docs/explanation/architecture.md.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import sys

import uvicorn

from ksrpc.cli.address import client_urls
from ksrpc.cli.following import Follower
from ksrpc.config import Config
from ksrpc.errors import ConfigError
from ksrpc.gateway import Gateway
from ksrpc.server import make_app
from ksrpc.server.head import BoundedHttpProtocol
from ksrpc.store import TokenStore
from ksrpc.transport.steady import SteadyProtocol

_READY = "ksrpc ready: "
_BACKLOG = 1024


class _Server(uvicorn.Server):
    """Say on which address it listens once it does; with port 0 nobody else knows."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway, follower: Follower | None) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._follower = follower
        self._following: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if not self.started:
            return
        port = self.servers[0].sockets[0].getsockname()[1]
        config = self._gateway.config
        first, *others = client_urls(config, port=port)
        lines = [f"{_READY}{first}", *(f"  also {url}" for url in others), *(f"  {line}" for line in _notices(config))]
        print("\n".join(lines), flush=True)
        if self._follower is not None:
            self._following = asyncio.get_running_loop().create_task(self._follower.follow(self._gateway))

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        if self._following is not None:
            self._following.cancel()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def serve_forever(settings: Config, *, follower: Follower | None = None, shows_output: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; with a follower, by what its file says at any time.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    tokens = TokenStore(settings.server.data_dir / "store.sqlite3")
    gateway = Gateway(settings, tokens, shows_output=shows_output)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
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
        backlog=_BACKLOG,
    )
    server = _Server(config, gateway, follower)
    try:
        server.run(sockets=_listen(settings.server.host, settings.server.port))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        tokens.close()


def _listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host; on a free port only on the first.

    Raises:
        ConfigError: One of them cannot be listened on; the text names it and the reason.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found if port else found[:1]):
            sockets.append(socket.create_server(address, family=family, backlog=_BACKLOG))
    except OSError as exc:
        for sock in sockets:
            sock.close()
        hint = "; is another server running there?" if exc.errno == errno.EADDRINUSE else ""
        raise ConfigError(f"cannot listen on {host}:{port}: {os.strerror(exc.errno or 0)}{hint}") from None
    return sockets


def _notices(settings: Config) -> list[str]:
    access = settings.access
    if not settings.call.enabled:
        return ["the call service is off (call.enabled = false)"]
    lines = [f"open to callers: {', '.join(access.allow) or 'nothing'}"]
    if access.anonymous:
        lines.append("anonymous: whoever can log in to this machine may call, no token needed")
    if access.unsafe:
        lines.append(f"UNSAFE, no gates: {', '.join(access.unsafe)}: whoever may call these owns the worker processes")
    return lines
