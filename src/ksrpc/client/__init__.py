"""The Python client: remote modules that look like the original."""

from ksrpc.client.agateway import AsyncGateway, aconnect
from ksrpc.client.gateway import RemoteGateway, connect
from ksrpc.client.proxy import RpcClient

__all__ = ["AsyncGateway", "RemoteGateway", "RpcClient", "aconnect", "connect"]
