"""`ksrpc completion`: the shell completes commands, options and the paths that the gateway offers.

Source: docs/reference/cli.md; https://click.palletsprojects.com/en/stable/shell-completion/.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path
from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

from ksrpc.cli.remote import Remote, says_remote_errors
from ksrpc.client.gateway import RemoteGateway
from ksrpc.errors import ConfigError

_SHELLS: Final = ("bash", "zsh", "fish")
#: How long somebody who pressed the tabulator waits for a server [s].
_PATIENCE_S = 2.0
#: What is put on a command line may hold nothing that a shell would act on.
_PATH: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_HINTS: Final = {
    "bash": "a new shell has it, if the package bash-completion is installed",
    "zsh": "put `fpath+=({folder})` into ~/.zshrc, before compinit",
    "fish": "a new shell has it",
}


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.option("--install", is_flag=True, help="Write the script into your own completion folder.")
@click.pass_context
@says_remote_errors
def completion(ctx: click.Context, shell: str, *, install: bool) -> None:
    """Print the completion script for a shell.

    Try it: `eval "$(ksrpc completion bash)"`.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise ConfigError(f"this version of click cannot complete in {shell}")
    # the base class: bash's own looks for a bash here
    script = ShellComplete.source(kind(ctx.find_root().command, {}, "ksrpc", "_KSRPC_COMPLETE"))
    if not install:
        click.echo(script)
        return
    path = find_script(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc
    click.echo(f"wrote {path}\n{_HINTS[shell].format(folder=path.parent)}")


def find_script(shell: str) -> Path:
    """Return where a shell looks for its user's completions."""
    data = _folder("XDG_DATA_HOME", ".local/share")
    if shell == "bash":
        folder = os.environ.get("BASH_COMPLETION_USER_DIR")
        return (Path(folder) if folder else data / "bash-completion") / "completions" / "ksrpc"
    if shell == "zsh":
        return data / "zsh" / "site-functions" / "_ksrpc"
    return _folder("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / "ksrpc.fish"


def complete_path(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the paths that begin so. Silent where there is no gateway, no right or no answer in time."""
    remote = Remote(*map(ctx.params.get, ("url", "token_file", "ca", "cert", "proxy")))
    found: list[str] = []

    def ask() -> None:
        # a shell's prompt is no place for anybody's error, whatever it is
        times_s = {"connect_s": _PATIENCE_S, "answer_s": _PATIENCE_S}
        with contextlib.suppress(Exception), remote.open(**times_s, progress=False) as gateway:
            found.extend(_offer(gateway, incomplete))

    asker = threading.Thread(target=ask, daemon=True)  # the answer may come later than anybody waits
    asker.start()
    asker.join(_PATIENCE_S)
    return [path for path in list(found) if path.startswith(incomplete) and _PATH.fullmatch(path)]


def _offer(gateway: RemoteGateway, incomplete: str) -> list[str]:
    """Return open modules, and the members of the one that is typed already."""
    told = gateway.me()
    paths = sorted({*told["allow"], *told["unsafe"]})
    module = incomplete if incomplete in paths else incomplete.rpartition(".")[0]
    if not module:
        return paths
    with contextlib.suppress(Exception):  # not a module, or not open: then only the roots are offered
        paths += [f"{module}.{name}" for name in gateway.describe(module)["members"]]
    return paths


def _folder(variable: str, default: str) -> Path:
    given = Path(os.environ.get(variable, ""))
    return given if given.is_absolute() else Path.home() / default
