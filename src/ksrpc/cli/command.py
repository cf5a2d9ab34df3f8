"""The command `ksrpc` and its table of commands.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import click

from ksrpc import __version__
from ksrpc.cli.group import LazyGroup

#: Name → where the command is.
COMMANDS = {
    "init": "ksrpc.cli.start:init",
    "serve": "ksrpc.cli.start:serve",
    "token": "ksrpc.cli.token:token",
}


@click.group(
    cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="ksrpc")
def main() -> None:
    """Let a whole team call any Python library through one gateway: safe, exact, fast."""
