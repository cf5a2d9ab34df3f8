"""`ksrpc.aconnect`: one gateway for awaited calls.

Source: docs/reference/client.md "Awaited calls".
"""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any, Self, Unpack

from ksrpc.client.gateway import find_connection
from ksrpc.client.handle import acall
from ksrpc.client.progress import Progress, follow
from ksrpc.client.proxy import RpcClient
from ksrpc.connections.base import Connection, Options, Timeout, Way


def aconnect(
    url: str | None = None,
    *,
    token: str | None = None,
    timeout: Timeout = None,
    progress: Progress = None,
    **way: Unpack[Way],
) -> AsyncGateway:
    """Return the gateway at `url` for awaited calls: await it, or enter it with `async with`.

    Args:
        url: As for `ksrpc.connect`.
        token: As for `ksrpc.connect`.
        timeout: Seconds for connecting and for each answer, or a pair of both.
        progress: As for `ksrpc.connect`.
        way: As for `ksrpc.connect`.

    Raises:
        ConfigError: As `ksrpc.connect`.
    """
    return AsyncGateway(follow(find_connection(url, token, timeout, **way), progress))


class AsyncGateway:
    """Reach the modules of one gateway from event loops; await it to connect at once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = follow(connection)

    def module(self, name: str, *, async_remote: bool = True) -> RpcClient:
        """Return a remote module whose calls are awaited."""
        return RpcClient(name, self.connection, async_local=True, async_remote=async_remote)

    async def call(self, path: str, *args: Any, timeout_s: float | None = None, **kwargs: Any) -> Any:
        """Call a function by its dotted path: `await gw.call("math.pow", 2, 3, timeout_s=5)`."""
        return await acall(self.connection, path, args, kwargs, Options(timeout_s=timeout_s, async_local=True))

    async def describe(self, path: str) -> dict[str, Any]:
        """Return what the server says of a path: kind, signature, docstring, members."""
        return await self.connection.adescribe(path)

    async def me(self) -> dict[str, Any]:
        """Return who the server takes this client for: user, token id, scopes, end, and what may be called."""
        return await self.connection.aask("/v1/me")

    async def modules(self) -> list[dict[str, Any]]:
        """Return what is open to this client: a dict for each module, with its members, or the error it gives."""
        listed: list[dict[str, Any]] = (await self.connection.aask("/v1/modules"))["modules"]
        return listed

    async def close(self) -> None:
        """Hang up."""
        await self.connection.aclose()

    def __await__(self) -> Generator[Any, None, Self]:
        yield from self.connection.aopen().__await__()
        return self

    async def __aenter__(self) -> Self:
        await self.connection.aopen()
        return self

    async def __aexit__(
        self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<ksrpc gateway at {self.connection.url}>"
