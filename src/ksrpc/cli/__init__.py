"""The `ksrpc` command: composition root."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ksrpc.cli.extra import describe_missing

__all__ = ["main"]


def main(args: Sequence[str] | None = None, prog_name: str = "ksrpc") -> None:
    """Run the command line, or say in one line what it needs: its packages are optional."""
    try:
        from ksrpc.cli.command import main as run  # noqa: PLC0415 - its packages are optional
    except ModuleNotFoundError as exc:
        sys.exit(f"{describe_missing(exc, extra='client')}, or 'ksrpc[server]' to serve")
    try:
        run(args=args, prog_name=prog_name)
    except ModuleNotFoundError as exc:
        sys.exit(describe_missing(exc, extra="client"))
