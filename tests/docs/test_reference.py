"""The reference pages say what the code does: every error, command, option and setting, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from xml.etree import ElementTree

import click
import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from ksrpc.cli.command import main
from ksrpc.cli.importing import advise
from ksrpc.config import Config
from ksrpc.config.environment import kind_of
from ksrpc.config.legacy import convert
from ksrpc.config.schema import QuotaSection, QuotaTable
from ksrpc.config.switch import SWITCHES
from ksrpc.config.template import TEMPLATE
from ksrpc.errors import BY_CODE, KsrpcError, LocalError, LostError
from tests.docs.page import pages
from tests.style.rule import ROOT

REFERENCE = ROOT / "docs" / "reference"
PAGE = REFERENCE / "errors.md"
CLI = REFERENCE / "cli.md"
CONFIG = REFERENCE / "config.md"


def rows(page: Path) -> list[list[str]]:
    """Read the cells of all table rows whose first cell is code."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def documented() -> dict[str, list[str]]:
    """Read the table: class → its other cells."""
    return {row[0].strip("`"): row[1:] for row in rows(PAGE)}


def test_every_error_is_documented_and_no_other() -> None:
    assert set(documented()) == {cls.__name__ for cls in BY_CODE.values()}


@pytest.mark.parametrize("cls", BY_CODE.values(), ids=BY_CODE)
def test_documented_code_status_and_retry_are_those_of_the_class(cls: type[KsrpcError]) -> None:
    code, status, retry, meaning, cure = documented()[cls.__name__]
    has_status = not issubclass(cls, LocalError) or "status" in vars(cls)
    lost = issubclass(cls, LostError)
    assert code == f"`{cls.code}`"
    assert status == (str(cls.status) if has_status else "—")
    assert retry == ("if it did not run" if lost else "yes" if cls.retryable else "no")
    assert meaning
    assert cure


def test_a_lost_call_is_worth_a_retry_exactly_if_it_did_not_run() -> None:
    assert not LostError(maybe_ran=True).retryable
    assert LostError(maybe_ran=False).retryable


# the command line


def commands(command: click.Command, path: str = "ksrpc") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, f"{path} {name}")


COMMANDS = dict(commands(main))


def documented_commands() -> dict[str, str]:
    """Read the sections of the page: command → text below its heading."""
    parts = re.split(r"^#+ (ksrpc[ \w-]*)$", CLI.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"ksrpc": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def option_names(text: str) -> set[str]:
    """Read the options out of the first cells of a table."""
    cells = re.findall(r"^\| (`-[^|]*`) \|", text, flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", cell)}


def test_every_command_is_documented_and_no_other() -> None:
    assert set(documented_commands()) == set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_documented_and_no_other(path: str) -> None:
    options = {name for parameter in COMMANDS[path].params if isinstance(parameter, click.Option)
               for name in (*parameter.opts, *parameter.secondary_opts)}  # fmt: skip
    if path == "ksrpc":
        options |= {"-h", "--help"}  # click's own, said once for all commands
    assert option_names(documented_commands()[path]) == options


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_explains_itself(path: str) -> None:
    command = COMMANDS[path]
    assert command.help
    assert all(isinstance(parameter, click.Argument) or parameter.help for parameter in command.params)


# the configuration


def settings(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    """Walk the schema: dotted key → its default; a name that users choose is NAME."""
    for name, field in model.model_fields.items():
        section, is_table = kind_of(field.annotation)
        key = f"{path}{name}.NAME" if is_table else f"{path}{name}"
        if section is None:
            yield key, field
        else:
            yield from settings(section, f"{key}.")
    if model is QuotaTable:
        yield from settings(QuotaSection, f"{path}NAME.")


SETTINGS = dict(settings(Config))


def documented_settings() -> dict[str, list[str]]:
    return {row[0].strip("`"): row[1:] for row in rows(CONFIG)}


def test_every_setting_is_documented_and_no_other() -> None:
    assert set(documented_settings()) == set(SETTINGS)


@pytest.mark.parametrize("key", SETTINGS)
def test_the_documented_default_is_that_of_the_code(key: str) -> None:
    default = SETTINGS[key].default
    assert default is not PydanticUndefined
    told = documented_settings()[key][0]
    if default is None:
        assert told == "none" or re.fullmatch(r"as `([\w.]+)`", told)[1] in SETTINGS  # type: ignore[index]
    else:
        assert told == f"`{shown(default)}`"


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    if value == {}:
        return "{}"
    return f'"{value}"' if isinstance(value, str | Path) else f"{value:g}"


@pytest.mark.parametrize("key", [key for key in SETTINGS if get_origin(SETTINGS[key].annotation) is Literal])
def test_every_choice_of_a_setting_is_documented(key: str) -> None:
    text = " ".join(documented_settings()[key])
    assert all(f'"{choice}"' in text for choice in get_args(SETTINGS[key].annotation))


def test_the_written_configuration_shows_every_setting() -> None:
    table, written = "", set()
    for line in TEMPLATE.splitlines():
        header = re.match(r'(?:# )?\[(\w+)(\.default|\.[\w".]+)?\]', line)
        key = re.match(r"(?:# )?(\w+) = ({ \w+)?", line)
        if header:
            table = header[1] + ("" if not header[2] else header[2] if header[2] == ".default" else ".NAME")
            table += ".handles.NAME" if ".handles." in (header[2] or "") else ""
        elif key:
            written.add(f"{table}.{key[1]}{(key[2] or '').replace('{ ', '.')}")
    assert written == set(SETTINGS)


# what the original's switches become

IMPORT = ROOT / "docs" / "howto" / "import-the-original-configuration.md"


def test_every_switch_of_the_original_is_documented_and_no_other() -> None:
    table = IMPORT.read_text(encoding="utf-8").partition("## Every switch")[2]
    cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(SWITCHES)


def test_the_report_on_the_page_is_that_of_its_file() -> None:
    text = IMPORT.read_text(encoding="utf-8")
    source, report = text.partition("<<'END'\n")[2].partition("END\n")[0], text.partition("```text\n")[2]
    shown = [re.split(r" {2,}", line.strip()) for line in report.partition("```")[0].splitlines()[1:]]
    made = convert(source.encode(), "config.py", advise)
    assert shown == [[cell for cell in (line.switch, line.becomes, line.note) if cell] for line in made.lines]


# all pages


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith(("https://", "http://")):
            continue
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}, (
                target
            )


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    here = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in here if page != "README.md" and f"]({page})" not in index] == []


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").rglob("*.svg")), ids=lambda path: path.name)
def test_pictures_are_well_formed_and_say_what_they_show(picture: Path) -> None:
    tree = ElementTree.parse(picture).getroot()
    assert tree.find("{http://www.w3.org/2000/svg}title") is not None
    assert tree.find("{http://www.w3.org/2000/svg}desc") is not None
