"""Serve: `python -m ksrpc` is `ksrpc serve`, with the other commands behind it too."""

import sys

from ksrpc.cli import main

_FIRST = "".join(sys.argv[1:2])
_COMMAND_GIVEN = _FIRST in ("-h", "--help", "--version") or (_FIRST and not _FIRST.startswith("-"))

main(args=sys.argv[1:] if _COMMAND_GIVEN else ["serve", *sys.argv[1:]], prog_name="python -m ksrpc")
