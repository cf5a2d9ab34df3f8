"""What the commands that call a gateway have in common: which one, as whom, and how its errors are told.

Source: docs/reference/cli.md "Calling a gateway".
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from ksrpc.client.gateway import RemoteGateway, connect
from ksrpc.connections.base import Way
from ksrpc.errors import AuthError, ConfigError, KsrpcError, RemoteError
from ksrpc.text import clean

_CONNECT_S = 10.0
_TOKEN_BYTES = 4096
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Remote:
    """Hold which gateway the command line names."""

    url: str | None = None
    token_file: str | None = None
    ca: str | None = None
    cert: str | None = None
    proxy: str | None = None

    @contextlib.contextmanager
    def open(
        self, *, connect_s: float = _CONNECT_S, answer_s: float | None = None, progress: bool | None = None
    ) -> Iterator[RemoteGateway]:
        """Give the gateway for a while.

        Raises:
            ConfigError: None is named, or the token cannot be read.
        """
        token = None if self.token_file is None else read_token(Path(self.token_file))
        timeout = (connect_s, answer_s)
        road = make_road(self.ca, self.cert, self.proxy)
        with connect(self.url, token=token, timeout=timeout, progress=progress, **road) as gateway:
            yield gateway


def make_road(ca: str | None, cert: str | None, proxy: str | None) -> Way:
    """Return how to get to a gateway; `cert` is a file, or a certificate and its key with a comma between them."""
    certificate, _, key = (cert or "").partition(",")
    return Way(proxy=proxy, ca=ca, cert=(certificate, key) if key else certificate or None)


def read_token(path: Path) -> str:
    """Read a token from a file.

    Raises:
        ConfigError: The file cannot be read, or holds none.
    """
    try:
        with path.open("rb") as file:
            token = file.read(_TOKEN_BYTES).decode().strip()
    except OSError as exc:
        raise ConfigError(f"--token-file {path}: {exc.strerror}") from exc
    except UnicodeDecodeError:
        raise ConfigError(f"--token-file {path}: there is no token in it") from None
    if not token:
        raise ConfigError(f"--token-file {path}: it is empty")
    return token


def gather(name: str, make: Callable[..., Any], *options: Callable[..., Any]) -> Callable[..., Any]:
    """Hand what several options say to a command as one parameter.

    Args:
        name: The parameter.
        make: Makes its value; takes what the options say by their names.
        options: As `click.option` makes them.
    """
    keys = list(inspect.signature(make).parameters)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(**given: Any) -> Any:
            told = {key: given.pop(key) for key in keys}
            return command(**given, **{name: make(**told)})

        return functools.reduce(lambda made, option: option(made), reversed(options), run)

    return decorate


#: How to get to a gateway: the same for `login` as for the commands that call.
way_options = (
    click.option(
        "--ca", metavar="FILE", help="Trust the authorities in this PEM file [default: $KSRPC_CA, the system's]."
    ),
    click.option("--cert", metavar="FILE[,KEY]", help="Show this certificate of your own, in PEM form."),
    click.option("--proxy", metavar="URL", help='Go through this HTTP proxy; "" = none [default: the environment\'s].'),
)

#: Which gateway, handed on as `remote`. A token itself is no option: all users of a machine see arguments.
remote_options = gather(
    "remote",
    Remote,
    click.option("--url", metavar="URL", help="The gateway [default: $KSRPC_URL or that of `ksrpc login`]."),
    click.option(
        "--token-file",
        metavar="FILE",
        help="Read the token from here [default: $KSRPC_TOKEN or that of `ksrpc login`].",
    ),
    *way_options,
)


def says_remote_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Tell every error in a line, without what could steer the terminal: 1 for errors, 130 for Ctrl-C."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        _spare_characters()
        try:
            return command(*args, **kwargs)
        except RemoteError as exc:
            _end(describe_error(exc), 1)
        except AuthError as exc:
            raise click.ClickException(f"{clean(str(exc))}; `ksrpc login URL` keeps a token") from None
        except KsrpcError as exc:
            raise click.ClickException(clean(str(exc))) from None
        except (KeyboardInterrupt, click.Abort):
            _end("interrupted", _INTERRUPTED)

    return run


def describe_error(exc: RemoteError) -> str:
    """Return what the library raised as Python would: class and text."""
    name, text = exc.type_name.rpartition(".")[2], str(exc)
    if type(exc) is not RemoteError:
        text = f"{name}: {text}" if text else name
    return clean(text)


def _spare_characters() -> None:
    """Print a question mark where the terminal's encoding lacks a character, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _end(line: str, status: int) -> NoReturn:
    click.echo(line, err=True)
    sys.exit(status)
