"""What every connection can do, and what a call can be told."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias, TypedDict

from ksrpc.connections.shell import Shell, Shells
from ksrpc.errors import ConfigError
from ksrpc.transport.watch import State, Trail, Trails, Watch

Timeout: TypeAlias = float | tuple[float | None, float | None] | None
File: TypeAlias = str | os.PathLike[str]


class Way(TypedDict, total=False):
    """Name what tells how to get to a gateway.

    Attributes:
        proxy: URL of an HTTP proxy; "" = none; by default what HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say.
        ca: PEM file of the authorities that are trusted, or a folder of such files; by default $KSRPC_CA, then those
            of the system.
        cert: PEM file of the client's own certificate, or a pair of certificate and key.
    """

    proxy: str | None
    ca: File | None
    cert: File | tuple[File, File] | None


@dataclass(frozen=True, slots=True)
class Options:
    """Tell how a call is to be made.

    Attributes:
        cache_get: False = ask the vendor, not the cache. None = the server decides.
        cache_expire: Seconds an answer may be old; None = the server's rule.
        async_remote: False = run on the worker's main thread, one at a time.
        async_local: True = the call is awaited.
        timeout_s: The call's time; None = the connection's, and without one the server's.
    """

    cache_get: bool | None = None
    cache_expire: float | None = None
    async_remote: bool = True
    async_local: bool = False
    timeout_s: float | None = None


class Connection(ABC):
    """Carry calls to one gateway: blocking for threads, awaited for event loops, both at the same time if need be.

    Attributes:
        timeout: Seconds for connecting and for the answer, or a pair of both; None waits as long as it takes.
        watch: Who sees its calls; set it before the first one.
        is_followed: Whether it was decided who does.
    """

    watch: Watch | None = None
    is_followed: bool = False
    _shells: Shells[Any, Any]

    def __init__(self, url: str, *, token: str | None = None, timeout: Timeout = None) -> None:
        self.url = url
        self.timeout = timeout
        self._token = _check_token(token or os.environ.get("KSRPC_TOKEN"))

    @abstractmethod
    def call(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        """Call what stands at `path` on the server and return its value.

        Raises:
            KsrpcError: As `ksrpc.errors` has it; a library's builtin exception also as that builtin.
        """

    @abstractmethod
    async def acall(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        """Do what `call` does, awaited; cancelling the task cancels the call.

        Raises:
            KsrpcError: As `call`.
        """

    @abstractmethod
    def describe(self, path: str) -> dict[str, Any]:
        """Return the descriptor of what stands at `path`: kind, signature, docstring, members."""

    @abstractmethod
    async def adescribe(self, path: str) -> dict[str, Any]:
        """Do what `describe` does, awaited."""

    @abstractmethod
    def ask(self, target: str) -> dict[str, Any]:
        """Return what an address of the gateway tells, such as "/v1/me"; over HTTP in any case."""

    @abstractmethod
    async def aask(self, target: str) -> dict[str, Any]:
        """Do what `ask` does, awaited."""

    @abstractmethod
    async def _aopen(self) -> Shell:
        """Connect on the running loop."""

    def close(self) -> None:
        """Hang up; calls under way in other threads or tasks fail. The next call connects again."""
        self._shells.close()

    async def aopen(self) -> None:
        """Connect now on the running loop, where there is one connection for all calls.

        Raises:
            ConnectError: There is no gateway.
        """
        await self._shells.aget(self._aopen)

    async def aclose(self) -> None:
        """Do what `close` does, and wait until the server knows."""
        await self._shells.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _opening(self, host: str) -> AbstractContextManager[Trail]:
        """Show that a connection is being made, as long as this is entered."""
        return Trails(self.watch).opened(host, State.CONNECTING)

    @property
    def _connect_s(self) -> float | None:
        return self.timeout[0] if isinstance(self.timeout, tuple) else self.timeout

    def _answer_s(self, options: Options) -> float | None:
        if options.timeout_s is not None:
            return options.timeout_s
        return self.timeout[1] if isinstance(self.timeout, tuple) else self.timeout


def _check_token(token: str | None) -> str | None:
    """Take a token without the white space that copying adds; the text of an error never shows it.

    Raises:
        ConfigError: It holds what no header may hold.
    """
    token = (token or "").strip()
    if not all("!" <= char <= "~" for char in token):
        raise ConfigError("the token holds characters that no token has")
    return token or None
