"""The Python client: remote modules that look like the original."""

from ksrpc.client.agateway import AsyncGateway, aconnect
from ksrpc.client.chain import LazyExpression, collect, lazy
from ksrpc.client.gateway import RemoteGateway, connect
from ksrpc.client.handle import RemoteHandle
from ksrpc.client.importer import install, uninstall
from ksrpc.client.proxy import RpcClient

__all__ = [
    "AsyncGateway",
    "LazyExpression",
    "RemoteGateway",
    "RemoteHandle",
    "RpcClient",
    "aconnect",
    "collect",
    "connect",
    "install",
    "lazy",
    "uninstall",
]
