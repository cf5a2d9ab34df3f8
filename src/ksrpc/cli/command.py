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
    "config": "ksrpc.cli.configuration:configuration",
    "doctor": "ksrpc.cli.doctor.command:doctor",
    "user": "ksrpc.cli.user:user",
    "token": "ksrpc.cli.token:token",
    "quota": "ksrpc.cli.quota:quota",
    "cache": "ksrpc.cli.cache:cache",
    "policy": "ksrpc.cli.policy:policy",
    "audit": "ksrpc.cli.audit:audit",
    "login": "ksrpc.cli.account:login",
    "logout": "ksrpc.cli.account:logout",
    "me": "ksrpc.cli.account:me",
    "ls": "ksrpc.cli.looking:list_names",
    "describe": "ksrpc.cli.looking:describe",
    "call": "ksrpc.cli.calling:call",
    "completion": "ksrpc.cli.completing:completion",
}
#: Those that call a gateway; all others work on the files of one.
CLIENT = frozenset({"login", "logout", "me", "ls", "describe", "call", "completion"})


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    client=CLIENT,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="ksrpc")
def main() -> None:
    """Let a whole team call any Python library through one gateway: safe, exact, fast."""
