"""`ksrpc ls` and `ksrpc describe`: what there is to call, and how.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import click

from ksrpc.cli.completing import complete_path
from ksrpc.cli.remote import Remote, remote_options, says_remote_errors
from ksrpc.client.gateway import RemoteGateway
from ksrpc.errors import KsrpcError
from ksrpc.text import clean, first_line

#: Of how many members the signatures are asked for, each with a request of its own.
_DESCRIBED = 60
_AT_ONCE = 8
_MARKS: Final = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}

_json_option = click.option("--json", "as_json", is_flag=True, help="Print everything that is known, as JSON.")


@click.command("ls")
@click.argument("path", required=False, shell_complete=complete_path)
@_json_option
@remote_options
@says_remote_errors
def list_names(path: str | None, *, remote: Remote, as_json: bool) -> None:
    """List the modules open to you, or what is in PATH.

    On a terminal a table; in a pipe a path a line.
    """
    is_seen = sys.stdout.isatty()
    with remote.open() as gateway:
        entries = gateway.modules() if path is None else _members(gateway, path, is_told=is_seen or as_json)
    if as_json:
        _print_json(entries)
    elif not is_seen:
        click.echo("".join(f"{clean(entry['path'])}\n" for entry in entries), nl=False)
    elif path is None:
        _show(["module", "kind", "version", ""], [_module_row(entry) for entry in entries], _NOTHING)
    else:
        _show(["name", ""], [_member_row(entry) for entry in entries], f"nothing is open in {clean(path)}")


_NOTHING = "no module is listed for you; `ksrpc me` shows your rules"


@click.command()
@click.argument("path", shell_complete=complete_path)
@_json_option
@remote_options
@says_remote_errors
def describe(path: str, *, remote: Remote, as_json: bool) -> None:
    """Show the signature and documentation of PATH; runs nothing."""
    with remote.open() as gateway:
        found = gateway.describe(path)
    if as_json:
        _print_json(found)
        return
    version = f" {found['version']}" if found["version"] else ""
    click.secho(clean(f"{found['path']}{pack_signature(found)}"), bold=True)
    click.echo(clean(f"{found['kind']} of {found['owner']}{version}"))
    if found["doc"]:
        click.echo(f"\n{clean(found['doc']).rstrip()}")
    if found["members"]:
        click.echo(f"\nmembers ({len(found['members'])}, `ksrpc ls {clean(path)}` says more):")
        click.echo(clean(click.wrap_text(", ".join(found["members"]), initial_indent="  ", subsequent_indent="  ")))


def pack_signature(found: dict[str, Any]) -> str:
    """Return a signature as Python writes it; empty for what is not called, "(…)" where Python does not know it."""
    if found["kind"] in ("module", "value"):
        return ""
    if found["signature"] is None:
        return "(…)"
    parts: list[str] = []
    kinds = [parameter["kind"] for parameter in found["signature"]]
    for at, parameter in enumerate(found["signature"]):
        if parameter["kind"] == "KEYWORD_ONLY" and not {"VAR_POSITIONAL", "KEYWORD_ONLY"}.intersection(kinds[:at]):
            parts.append("*")
        parts.append(_pack_parameter(parameter))
        if parameter["kind"] == "POSITIONAL_ONLY" and kinds[at + 1 : at + 2] != ["POSITIONAL_ONLY"]:
            parts.append("/")
    returns = f" -> {found['returns']}" if found["returns"] else ""
    return f"({', '.join(parts)}){returns}"


def _pack_parameter(parameter: dict[str, Any]) -> str:
    text: str = _MARKS.get(parameter["kind"], "") + parameter["name"]
    if parameter["annotation"]:
        text += f": {parameter['annotation']}"
    if parameter["default"]:
        text += f" = {parameter['default']}" if parameter["annotation"] else f"={parameter['default']}"
    return text


def _members(gateway: RemoteGateway, path: str, *, is_told: bool) -> list[dict[str, Any]]:
    """Return what is in a module; of few members each with its description. What is no module stands for itself."""
    found = gateway.describe(path)
    if found["kind"] != "module":
        return [found]
    paths = [f"{path}.{name}" for name in found["members"]]
    if not is_told or len(paths) > _DESCRIBED:
        return [{"path": inner} for inner in paths]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda inner: _try_describe(gateway, inner), paths))


def _try_describe(gateway: RemoteGateway, path: str) -> dict[str, Any]:
    try:
        return gateway.describe(path)
    except KsrpcError as exc:
        return {"path": path, "error": str(exc)}


def _module_row(entry: dict[str, Any]) -> list[str]:
    told = entry.get("error") or entry.get("doc", "")
    return [entry["path"], entry.get("kind", "—"), entry.get("version", ""), first_line(told)]


def _member_row(entry: dict[str, Any]) -> list[str]:
    name = entry["path"].rpartition(".")[2]
    if "kind" not in entry:
        return [name, first_line(entry.get("error", ""))]
    return [name + pack_signature(entry), first_line(entry["doc"])]


def _show(names: list[str], rows: list[list[str]], nothing: str) -> None:
    from ksrpc.cli.showing import show_list  # noqa: PLC0415 - what nobody looks at needs no tables

    if rows:
        show_list(names, rows)
    else:
        click.echo(nothing, err=True)


def _print_json(fields: Any) -> None:
    text = json.dumps(fields, ensure_ascii=False, indent=2, default=repr)
    click.echo(clean(text) if sys.stdout.isatty() else text)
