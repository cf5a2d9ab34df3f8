"""ksrpc: call any Python library on a server as if it were here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ksrpc.client import (
        AsyncGateway,
        RemoteGateway,
        RemoteHandle,
        RpcClient,
        aconnect,
        collect,
        connect,
        install,
        lazy,
        uninstall,
    )
    from ksrpc.vault import Secret, secret

__version__ = "1.0.0.dev0"
__all__ = [
    "AsyncGateway",
    "RemoteGateway",
    "RemoteHandle",
    "RpcClient",
    "Secret",
    "__version__",
    "aconnect",
    "collect",
    "connect",
    "install",
    "lazy",
    "secret",
    "uninstall",
]


def __getattr__(name: str) -> Any:
    """Load the client when it is first asked for: a worker process has no use for it."""
    if name in ("Secret", "secret"):
        from ksrpc import vault  # noqa: PLC0415 - a worker process has no use for the client

        return getattr(vault, name)
    if name in __all__:
        from ksrpc import client  # noqa: PLC0415 - lazily, see above

        return getattr(client, name)
    raise AttributeError(f"module 'ksrpc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
