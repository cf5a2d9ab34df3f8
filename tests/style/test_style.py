"""The project keeps its own rules, and the rules find what they are for."""

from __future__ import annotations

import ast
import statistics
import tomllib
from collections.abc import Iterator

import pytest

from tests.style.exception import EXCEPTIONS
from tests.style.rule import ROOT, RULES, Function, Source, load_sources

SUFFIXES = (".py", ".md", ".toml", ".sh", "")


def find_all(rule: str) -> Iterator[tuple[str, str]]:
    check, folders = RULES[rule]
    for source in load_sources(*folders, suffixes=SUFFIXES if "docs" in folders else (".py",)):
        yield from check(source)


def place(where: str) -> str:
    """Cut the line number off: exceptions must outlive an edit above them."""
    head, _, tail = where.rpartition(":")
    return head if tail.isdigit() else where


@pytest.mark.parametrize("rule", RULES)
def test_rule_holds(rule: str) -> None:
    found = [f"{where}: {what}" for where, what in find_all(rule) if (rule, place(where)) not in EXCEPTIONS]
    assert not found, "\n".join([rule, *found])


def test_every_exception_is_needed_and_has_a_reason() -> None:
    needed = {(rule, place(where)) for rule in RULES for where, _ in find_all(rule)}
    assert set(EXCEPTIONS) <= needed, "remove what is not needed any more"
    assert all(EXCEPTIONS.values())


BAD = [
    ("too_long", "src/ksrpc/a.py", "x = 1\n" * 401),
    ("too_long", "tests/unit/test_a.py", "x = 1\n" * 601),
    ("empty_name", "src/ksrpc/wire/utils.py", ""),
    ("empty_name", "src/ksrpc/common/key.py", ""),
    ("asserting", "src/ksrpc/a.py", "def f(x):\n    assert x\n"),
    ("pickling", "src/ksrpc/a.py", "def f():\n    import pickle\n"),
    ("pickling", "src/ksrpc/a.py", "from marshal import loads\n"),
    ("pickling", "src/ksrpc/a.py", "eval('1')\n"),
    ("unfinished", "src/ksrpc/a.py", "x = 1  # " + "TO" + "DO later\n"),
    ("unfinished", "src/ksrpc/a.py", "def f():\n    raise NotImplementedError\n"),
    ("one_machine", "docs/a.md", "see /ro" + "ot/notes\n"),
    ("taking_from_the_top", "src/ksrpc/a.py", "from ksrpc import RpcClient\n"),
    ("undocumented", "src/ksrpc/a.py", '"""A."""\ndef f():\n    return 1\n'),
    ("undocumented", "src/ksrpc/a.py", '"""A."""\nclass A:\n    """A."""\n    async def f(self): ...\n'),
    ("undocumented", "src/ksrpc/a.py", "x = 1\n"),
    ("sleeping", "tests/unit/test_a.py", "import time\ntime.sleep(0.1)\n"),
    ("sleeping", "tests/unit/test_a.py", "from asyncio import sleep\nasync def f():\n    await sleep(1)\n"),
]
GOOD = [
    ("too_long", "src/ksrpc/a.py", "x = 1\n" * 400),
    ("asserting", "tests/unit/test_a.py", "assert True\n"),
    ("taking_from_the_top", "src/ksrpc/a.py", "from ksrpc import __version__, wire\n"),
    ("one_machine", "docs/a.md", "GET /v1/call/homes, https://example.org/work-flow\n"),
    ("undocumented", "src/ksrpc/a.py", '"""A."""\ndef _f():\n    def inner(): ...\n'),
    ("sleeping", "tests/unit/test_a.py", "async def f():\n    await asyncio.sleep(0)\n"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_rule_finds_what_it_is_for(rule: str, path: str, text: str) -> None:
    assert list(RULES[rule][0](Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_rule_spares_what_is_right(rule: str, path: str, text: str) -> None:
    assert not list(RULES[rule][0](Source(path, text)))


def test_half_of_all_functions_have_at_most_eight_lines() -> None:
    sizes = [
        node.body[-1].end_lineno - node.body[bool(ast.get_docstring(node))].lineno + 1
        for source in load_sources("src")
        for node in ast.walk(source.tree)
        if isinstance(node, Function) and node.body[-1].end_lineno and len(node.body) > bool(ast.get_docstring(node))
    ]
    assert statistics.median(sizes) <= 8


def contracts() -> dict[str, dict[str, list[str]]]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return {contract["name"]: contract for contract in tomllib.loads(text)["tool"]["importlinter"]["contracts"]}


@pytest.mark.parametrize(
    ("contract", "side", "rooms"),
    [
        ("thin client", "source_modules", ("client", "connections", "hack", "importhook")),
        (
            "thin client",
            "forbidden_modules",
            ("gateway", "worker", "relay", "server", "expose", "store", "vendors", "config", "cli"),
        ),
        ("sans-I/O", "source_modules", ("errors", "host", "limits", "model", "text", "vault", "wire", "protocol")),
    ],
)
def test_layer_contract_names_every_room_that_exists(contract: str, side: str, rooms: tuple[str, ...]) -> None:
    """A contract may not name a room that does not exist yet; this asks for it once the room is built."""
    top = ROOT / "src" / "ksrpc"
    there = {f"ksrpc.{room}" for room in rooms if list(top.glob(f"{room}.py")) or list(top.glob(f"{room}/*.py"))}
    assert set(contracts()[contract][side]) == there
