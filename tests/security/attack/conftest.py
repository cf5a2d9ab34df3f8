"""Two gateways to attack, one of them without its asserts, and a road into them for each transport."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.server import GatewayProcess
from tests.security.attack.road import ROADS, Road
from tests.security.transport.conftest import TRAP, Fortress, install_traps

BANK = """
import os, subprocess, time
from functools import partial
from importlib import import_module
from subprocess import Popen

_secret = "c4n4rybird-private"
runner = partial(os.system, "id")
disguised = subprocess.run
disguised_too = os.system

class Machine:
    def __call__(self, command):
        return os.system(command)

class Vault:
    def open(self, command):
        return os.system(command)

machine = Machine()
vault = Vault()
kept = [1, 2, 3]
number = 0
PASSWORD = "c4n4rybird-public"

def fetch(url=None, path=None, query=None, proxies=None, engine=None, name=None, callback=None, backend=None):
    return "fetched"

def open_file(file):
    with open(file) as opened:
        return opened.read()

def keep(name, text="kept"):
    with open(name, "w") as opened:
        return opened.write(text)

def ask(url=None, source=None):
    return "asked"

def pick(word):
    return word

def is_strict():
    return __debug__

def same():
    return kept

def count():
    global number
    number += 1
    return number

def fail(api_key="c4n4rybird-default"):
    password = "c4n4rybird-local"
    raise ValueError(f"cannot use {password} of {__file__}")

def rebind():
    globals()["swapped"] = os.system
    globals()["aliased"] = daily

def swapped(code):
    return "as it was"

def aliased(code):
    return "as it was"

def daily(code):
    return {"code": code}

def made(word):
    def get(code):
        return f"{word} {code}"
    return get

daily_open, daily_close = made("open"), made("close")
"""
CONFIG = """
[server]
port = 0
[call]
enabled = true
processes = 1
timeout_s = 60
[access]
anonymous = true
allow = ["demo", "math", "numpy", "pandas", "os.path", "json", "datetime", "operator", "statistics", "bisect",
         "trap_open", "bank"]
[user.narrow]
allow = ["math.pow", "bank.daily"]
[module.bank]
path = "bank/bank.py"
data_roots = ["shelf"]
[module.bank.parameters]
"open_file.file" = "path:read"
"keep.name" = "path:write"
"ask.url" = "url:api.example.com|*.allowed.test"
"*.source" = "url:10.1.0.0/16"
"pick.word" = "choice:day|minute"
[module.trap_file]
path = "bank/trap_file.py"
"""


def _gateway(folder_of: pytest.TempPathFactory, optimise: str) -> Iterator[Fortress]:
    folder = folder_of.mktemp("attacked")
    marks, home = folder / "marks", folder / "home"
    (home / "bank").mkdir(parents=True)
    marks.mkdir()
    python = install_traps(folder / "venv", marks)
    trap = TRAP.format(marks=str(marks))
    (home / "bank" / "bank.py").write_text(BANK)
    (home / "bank" / "trap_file.py").write_text(trap)
    (home / "trap_cwd.py").write_text(trap)
    (home / "shelf").mkdir()
    (home / "shelf" / "a.csv").write_text("1,2")
    (home / "kept.txt").write_text("c4n4rybird-file")
    (home / "shelf" / "out").symlink_to(home / "kept.txt")
    (home / "shelf" / "above").symlink_to(home)
    env = {"PYTHONOPTIMIZE": optimise} if optimise else {}
    with GatewayProcess(home, CONFIG, python=(python,), env=env) as gateway:
        yield Fortress(gateway, marks)


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    """Share one gateway that is open to everybody here."""
    yield from _gateway(tmp_path_factory, "")


@pytest.fixture(scope="session")
def bare_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    """Share the same gateway without asserts and docstrings; `fortress` is the one without asserts alone."""
    yield from _gateway(tmp_path_factory, "2")


@pytest.fixture(scope="session", params=list(ROADS))
def road(request: pytest.FixtureRequest, city: Fortress) -> Iterator[Road]:
    """Share one connection for each transport."""
    opened = ROADS[request.param](city.gateway)
    yield opened
    opened.close()


@pytest.fixture(scope="session", params=["http", "websocket"])
def byte_road(request: pytest.FixtureRequest, city: Fortress) -> Iterator[Road]:
    """Share one connection for each transport that takes bytes."""
    opened = ROADS[request.param](city.gateway)
    yield opened
    opened.close()
