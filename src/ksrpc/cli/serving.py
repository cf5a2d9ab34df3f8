"""Put store, gateway and application together and serve them with uvicorn.

Source: docs/explanation/architecture.md.
"""

from __future__ import annotations

import logging
import sys

import uvicorn

from ksrpc.config import Config
from ksrpc.errors import ConfigError
from ksrpc.gateway import Gateway
from ksrpc.server import make_app
from ksrpc.store import TokenStore

_READY = "ksrpc ready: "


class _Server(uvicorn.Server):
    """Say on which address it listens once it does; with port 0 nobody else knows."""

    def __init__(self, config: uvicorn.Config, settings: Config) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if not self.started:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"{_READY}http://{shown}:{port}", flush=True)
        for line in _notices(self._settings):
            print(f"  {line}", flush=True)


def serve_forever(settings: Config, *, shows_output: bool = False) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    tokens = TokenStore(settings.server.data_dir / "store.sqlite3")
    app = make_app(Gateway(settings, tokens, shows_output=shows_output))
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        host=settings.server.host,
        port=settings.server.port,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        ws_max_size=(1 << 20) + (1 << 17),
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=5,
        backlog=1024,
    )
    server = _Server(config, settings)
    try:
        server.run()
    except SystemExit as exc:
        if exc.code:
            address = f"{settings.server.host}:{settings.server.port}"
            raise ConfigError(f"cannot listen on {address}: is another server running there?") from None
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        tokens.close()


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
