"""Serve: `python -m ksrpc` is `ksrpc serve`, with the other commands behind it too."""

import sys

from ksrpc.cli import main

_COMMAND_GIVEN = any(not word.startswith("-") for word in sys.argv[1:2]) or "--help" in sys.argv

main(args=sys.argv[1:] if _COMMAND_GIVEN else ["serve", *sys.argv[1:]], prog_name="python -m ksrpc")
