"""ksrpc: call any Python library on a server as if it were here."""

__version__ = "1.0.0.dev0"
