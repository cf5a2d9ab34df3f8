"""The command `ksrpc`: which commands there are, and where; a command is loaded when it is named.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

from importlib import import_module

import click

from ksrpc.cli.extra import describe_missing


class LazyGroup(click.Group):
    """Load each command from its module when it is asked for: `ksrpc ls` need not load what serves.

    Args:
        table: Name of the command → "module:attribute".
        client: Names of those that need no more than the extra `client`.
    """

    def __init__(
        self, *args: object, table: dict[str, str], client: frozenset[str] = frozenset(), **kwargs: object
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._table = table
        self._client = client

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return [*self._table, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None if there is none of that name."""
        place = self._table.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = place.partition(":")
        try:
            command: click.Command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as exc:
            extra = "client" if cmd_name in self._client else "server"
            return _Missing(cmd_name, describe_missing(exc, extra=extra))
        return command


class _Missing(click.Command):
    """Stand in the list for a command whose packages are not installed, and say so when it is run."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, short_help=f"({reason})", add_help_option=False)
        self._reason = reason

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:  # the shell's completion is no place for an error
            raise click.ClickException(self._reason)
        return []
