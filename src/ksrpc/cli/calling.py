"""`ksrpc call`: one call from the command line, its answer on the terminal, in a pipe or in a file.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

from typing import Any

import click

from ksrpc.cli.argument import parse_words
from ksrpc.cli.completing import complete_path
from ksrpc.cli.remote import Remote, gather, remote_options, says_remote_errors
from ksrpc.cli.saving import FORMATS, Target, make_target
from ksrpc.connections.base import Options
from ksrpc.errors import RemoteError
from ksrpc.text import clean


def _make_options(*, cache_expire: float | None, fresh: bool, timeout: float | None, main: bool) -> Options:
    return Options(
        cache_get=False if fresh else None,
        cache_expire=cache_expire,
        async_remote=not main,
        timeout_s=timeout,
    )


_call_options = gather(
    "options",
    _make_options,
    click.option(
        "--cache-expire",
        metavar="SECONDS",
        type=click.FloatRange(min=0),
        help="The answer may be so old, and is kept for so long.",
    ),
    click.option("--fresh", is_flag=True, help="Ask the library again, whatever the cache holds."),
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="Give up after so long [default: the server's limit].",
    ),
    click.option("--main", is_flag=True, help="Run on the main thread of one worker process, one call at a time."),
)


@click.command()
@click.argument("path", shell_complete=complete_path)
@click.argument("words", metavar="[ARG]...", nargs=-1)
@click.option("-o", "--output", metavar="FILE", help="Write the answer to this file, in the format of its extension.")
@click.option(
    "--format", "fmt", metavar="NAME", type=click.Choice(FORMATS), help=f"{', '.join(FORMATS)}, whatever the extension."
)
@_call_options
@click.option("--traceback", is_flag=True, help="Show the server's traceback too, if it sends one.")
@remote_options
@says_remote_errors
def call(path: str, words: tuple[str, ...], *, remote: Remote, options: Options, traceback: bool, **place: Any) -> None:
    """Call a function, or read a variable.

    \b
    ARG is one of
      text          a positional argument, a text
      name=text     a named argument, a text
      :=JSON        a positional argument: a number, true, null, a list …
      name:=JSON    a named argument in JSON
      name=@FILE    the text in a file; name:=@FILE the JSON in a file
    What begins with - goes after --.
    """
    args, kwargs = parse_words(words)
    target: Target = make_target(place["output"], place["fmt"])
    try:
        with remote.open() as gateway:
            value = gateway.connection.call(path, args, kwargs, options)
    except RemoteError as exc:
        if traceback:
            click.echo(clean(exc.remote_traceback).rstrip() or "the server sends no tracebacks", err=True)
        raise
    _put(value, target)


def _put(value: Any, target: Target) -> None:
    if target.is_terminal and target.format is None:
        from ksrpc.cli.showing import show  # noqa: PLC0415 - what nobody looks at needs no tables

        show(value)
    else:
        target.save(value)
