"""The command `ksrpc`: which commands there are, and where; a command is loaded when it is named.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

from importlib import import_module

import click


class LazyGroup(click.Group):
    """Load each command from its module when it is asked for: `ksrpc ls` need not load what serves.

    Args:
        table: Name of the command → "module:attribute".
    """

    def __init__(self, *args: object, table: dict[str, str] | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._table = table or {}

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
            if (exc.name or "").partition(".")[0] == "ksrpc":
                raise
            raise click.ClickException(f"{exc.name} is not installed: pip install 'ksrpc[server]'") from None
        return command
