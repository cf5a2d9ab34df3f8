"""The `ksrpc` command: composition root."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None, prog_name: str = "ksrpc") -> None:
    """Run the command line, or say in one line what it needs: a client is installed without it."""
    try:
        from ksrpc.cli.command import main as run  # noqa: PLC0415 - its packages are optional
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] == "ksrpc":
            raise
        sys.exit(f"{exc.name} is not installed: pip install 'ksrpc[server]'")
    run(args=args, prog_name=prog_name)
