"""ksrpc: call any Python library on a server as if it were here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ksrpc.client import RemoteGateway, RpcClient, connect

__version__ = "1.0.0.dev0"
__all__ = ["RemoteGateway", "RpcClient", "__version__", "connect"]


def __getattr__(name: str) -> Any:
    """Load the client when it is first asked for: a worker process has no use for it."""
    if name in ("RemoteGateway", "RpcClient", "connect"):
        from ksrpc import client  # noqa: PLC0415 - lazily, see above

        return getattr(client, name)
    raise AttributeError(f"module 'ksrpc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
