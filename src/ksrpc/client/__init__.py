"""The Python client: remote modules that look like the original."""

from ksrpc.client.gateway import RemoteGateway, connect
from ksrpc.client.proxy import RpcClient

__all__ = ["RemoteGateway", "RpcClient", "connect"]
