"""What every connection can do, and what a call can be told."""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

from ksrpc.errors import ConfigError

Timeout: TypeAlias = float | tuple[float | None, float | None] | None


@dataclass(frozen=True, slots=True)
class Options:
    """Tell how a call is to be made.

    Attributes:
        cache_get: False = ask the vendor, not the cache. None = the server decides.
        cache_expire: Seconds an answer may be old; None = the server's rule.
        async_remote: False = run on the worker's main thread, one at a time.
        timeout_s: The call's time; None = the connection's, and without one the server's.
    """

    cache_get: bool | None = None
    cache_expire: float | None = None
    async_remote: bool = True
    timeout_s: float | None = None


class Connection(ABC):
    """Carry calls to one gateway.

    Attributes:
        timeout: Seconds for connecting and for the answer, or a pair of both; None waits as long as it takes.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout: Timeout = None) -> None:
        self.url = url
        self.timeout = timeout
        self._token = _check_token(token or os.environ.get("KSRPC_TOKEN"))
        self._lock = threading.Lock()
        _MADE.add(self)

    @abstractmethod
    def call(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Any:
        """Call what stands at `path` on the server and return its value.

        Raises:
            KsrpcError: As `ksrpc.errors` has it; a library's builtin exception also as that builtin.
        """

    @abstractmethod
    def describe(self, path: str) -> dict[str, Any]:
        """Return the descriptor of what stands at `path`: kind, signature, docstring, members."""

    @abstractmethod
    def ask(self, target: str) -> dict[str, Any]:
        """Return what an address of the gateway tells, such as "/v1/me"; over HTTP in any case."""

    @abstractmethod
    def close(self) -> None:
        """Hang up. The next call connects again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    @property
    def _connect_s(self) -> float | None:
        return self.timeout[0] if isinstance(self.timeout, tuple) else self.timeout

    def _answer_s(self, options: Options) -> float | None:
        if options.timeout_s is not None:
            return options.timeout_s
        return self.timeout[1] if isinstance(self.timeout, tuple) else self.timeout


_MADE: weakref.WeakSet[Connection] = weakref.WeakSet()


def _unlock() -> None:
    """Free the locks in the child of a fork: the thread that may have held one does not exist there."""
    for connection in _MADE:
        connection._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


def _check_token(token: str | None) -> str | None:
    """Take a token without the white space that copying adds; the text of an error never shows it.

    Raises:
        ConfigError: It holds what no header may hold.
    """
    token = (token or "").strip()
    if not all("!" <= char <= "~" for char in token):
        raise ConfigError("the token holds characters that no token has")
    return token or None
