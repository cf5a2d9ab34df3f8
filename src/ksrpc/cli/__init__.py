"""The `ksrpc` command: composition root."""

from ksrpc.cli.command import main

__all__ = ["main"]
