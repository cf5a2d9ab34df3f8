"""Put an edited configuration in force while the server runs; a broken one changes nothing.

Source: docs/howto/serve-a-team.md "Change the configuration".
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from ksrpc.config import Config, load_config
from ksrpc.config.watch import Watch
from ksrpc.errors import KsrpcError
from ksrpc.gateway import Gateway

_LOOK_S = 0.4
#: What a running server cannot change.
_FIXED = ("host", "port", "data_dir", "socket", "tls_cert", "tls_key", "tls_client_ca")
_log = logging.getLogger("ksrpc")


class Follower:
    """Read a configuration anew when its file, or the signal file of `ksrpc config reload`, was written.

    Args:
        path: The file.
        adjust: Applies to what was read what the command line says.
    """

    def __init__(self, path: Path, adjust: Callable[[Config], Config]) -> None:
        self._path = path
        self._adjust = adjust
        self._is_asked = False
        self._watch = Watch(path)

    def load(self) -> Config:
        """Read the file.

        Raises:
            ConfigError: It is broken.
        """
        return self._adjust(load_config(self._path))

    async def follow(self, gateway: Gateway) -> None:
        """Look again and again; SIGHUP reads at once."""
        self._watch.include(gateway.config.server.data_dir)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._ask)
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._watch.has_news() or self._is_asked:
                self._is_asked = False
                await self._reload(gateway)

    def _ask(self) -> None:
        self._is_asked = True

    async def _reload(self, gateway: Gateway) -> None:
        try:
            before, config = gateway.config, await asyncio.to_thread(self.load)
            gateway.reload(_keep_fixed(before, config))
        except KsrpcError as exc:
            gateway.fault = "the configuration file is broken; the one before it is in force"
            _say(f"{gateway.fault}:\n{exc}")
        except Exception:  # a fault of ours must not end the watch
            gateway.fault = "the configuration could not be read; the one before it is in force"
            _log.exception(gateway.fault)
        else:
            gateway.fault = ""
            _say("ksrpc: the configuration was read anew")
            for name in _FIXED:
                if getattr(config.server, name) != getattr(before.server, name):
                    _say(f"ksrpc: server.{name} takes effect when the server is started again")


def _keep_fixed(before: Config, config: Config) -> Config:
    fixed = {name: getattr(before.server, name) for name in _FIXED}
    return config.model_copy(update={"server": config.server.model_copy(update=fixed)})


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
