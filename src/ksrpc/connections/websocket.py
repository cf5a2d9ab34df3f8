"""Calls over one WebSocket: any number at the same time.

Source: docs/reference/websocket.md.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from ksrpc import wire
from ksrpc.connections.base import Connection, Options, Timeout
from ksrpc.connections.http import HttpxConnection
from ksrpc.errors import ConfigError
from ksrpc.transport.dial import parse_url
from ksrpc.transport.websocket import WebSocketShell

_ENDING = "/ws/bytes"


class WebSocketConnection(Connection):
    """Call over a WebSocket. Usable from any number of threads, inside a running loop and after a fork.

    Connects with the first call, and again with the first one after the connection was lost.

    Args:
        url: The gateway's address, with or without the path: `ws://host:8000/ws/bytes`.
        token: What `ksrpc token create` printed; by default $KSRPC_TOKEN.
        timeout: See `Connection`.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout: Timeout = None) -> None:
        super().__init__(url, token=token, timeout=timeout)
        parse_url(url, ("ws", "wss"))
        path = urlsplit(url).path
        if path.endswith(("/json", "/admin", "/client")):
            raise ConfigError(f"{url!r}: Python calls go to {_ENDING}")
        self._url = url if path.endswith(("/bytes", "/v1/ws")) else url.rstrip("/") + _ENDING
        self._shell: WebSocketShell | None = None
        self._pid = 0

    def call(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        """Send one call and wait for its value; see `Connection.call`."""
        message = wire.pack_arguments(args, kwargs)
        timeout_s = self._answer_s(options)
        meta: dict[str, Any] = {"path": path}
        if timeout_s is not None:
            meta["deadline_ms"] = max(1, round(timeout_s * 1000))
        if not options.async_remote:
            meta["executor"] = "main"
        if options.cache_get is not None:
            meta["cache_get"] = options.cache_get
        if options.cache_expire is not None:
            meta["cache_expire"] = options.cache_expire
        return self._get_shell().call(meta, message.segments, timeout_s)

    def describe(self, path: str) -> dict[str, Any]:
        """Ask for a descriptor; see `Connection.describe`."""
        fields: dict[str, Any] = self._get_shell().describe(path, self._answer_s(Options()))
        return fields

    def ask(self, target: str) -> dict[str, Any]:
        """Read an address of the gateway in a request of its own; see `Connection.ask`."""
        url = "http" + self._url.removeprefix("ws").removesuffix(_ENDING).removesuffix("/v1/ws")
        with HttpxConnection(url, token=self._token, timeout=self.timeout) as beside:
            return beside.ask(target)

    def close(self) -> None:
        """Say good-bye and hang up; calls under way in other threads fail."""
        with self._lock:
            shell, self._shell = self._shell, None
        if shell is not None and self._pid == os.getpid():
            shell.close()

    def _get_shell(self) -> WebSocketShell:
        shell = self._shell
        if shell is not None and shell.is_usable and self._pid == os.getpid():
            return shell
        with self._lock:
            if self._shell is None or not self._shell.is_usable or self._pid != os.getpid():
                self._shell = WebSocketShell(self._url, token=self._token, connect_s=self._connect_s)
                self._pid = os.getpid()
            return self._shell
