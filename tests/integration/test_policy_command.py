"""`ksrpc policy test` explains what the gateway decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

import ksrpc
from ksrpc.cli.argument import parse_words
from ksrpc.connections.base import Options
from ksrpc.errors import ForbiddenError, KsrpcError, NotFoundError
from tests.helpers.server import GatewayProcess

CONFIG = """
[server]
port = 0
[call]
enabled = true
[access]
anonymous = true
allow = ["demo", "math", "numpy", "made", "json"]
block = ["math.sin"]
[user.narrow]
allow = ["math.pow"]
[user.operator]
allow = ["os"]
unsafe = ["os"]
[module.math]
executor = "inline"
[module.made]
path = "made.py"
hosts = ["data.example.com"]
"""
MODULE = """
from pathlib import Path
__all__ = ["touch"]
def touch(value=0):
    Path(__file__).with_name("ran").touch()
def hidden():
    return 1
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("policy")
    (folder / "made.py").write_text(MODULE)
    with GatewayProcess(folder, CONFIG) as process:
        process.create_token("narrow")
        with ksrpc.connect(process.url) as gateway, suppress(KsrpcError):
            gateway.call("made.hidden")  # its process is there, with the listener of its proxy
        yield process


def test_all_gates_are_told(server: GatewayProcess) -> None:
    done = server.run("policy", "test", "anonymous", "made.touch", ":=1")
    lines = [line.split(maxsplit=3)[:3] for line in done.stdout.splitlines()[:5]]
    assert lines == [["ok", "user", "callers"], *(["ok", "gate", gate] for gate in "ADBC")]
    assert "'made' in access.allow" in done.stdout
    assert "asks only data.example.com" in done.stdout
    assert done.returncode == 0
    assert not (server.folder / "ran").exists(), "nothing was called"


@pytest.mark.parametrize(
    ("words", "gate", "rule"),
    [
        (["anonymous", "os.system", "id"], "gate A", "no such module"),
        (["narrow", "demo.test"], "gate A", "no such module"),
        (["anonymous", "math.sin", ":=1"], "gate A", "rule A2"),
        (["anonymous", "numpy.save", "x", ":=[1]"], "gate A", "rule A3"),
        (["anonymous", "made.hidden"], "gate B", "rule B15"),
        (["anonymous", "demo.none"], "gate B", "no public name"),
        (["anonymous", "json.loads", "s={}", "object_hook=print"], "gate C", "rule C"),
        (["anonymous", "numpy.zeros", ":=1000000000000"], "gate C", "rule C5"),
        (["anonymous", "numpy.sqrt", "/etc/passwd"], "gate C", "rule C"),
    ],
)
def test_the_gate_that_says_no_is_named_and_it_is_the_gateway_s(
    server: GatewayProcess, words: list[str], gate: str, rule: str
) -> None:
    done = server.run("policy", "test", *words, "--json")
    assert done.returncode == 1, done.stderr
    last = json.loads(done.stdout)["checks"][-1]
    assert (last["mark"], last["subject"]) == ("fail", gate)
    assert rule in last["text"]
    assert last["cure"]
    if words[0] == "anonymous":
        args, kwargs = parse_words(words[2:])
        with ksrpc.connect(server.url) as gw, pytest.raises((NotFoundError, ForbiddenError)) as caught:
            gw.connection.call(words[1], args, kwargs, Options())
        assert rule in str(caught.value)


def test_a_user_without_gates_and_one_without_a_token(server: GatewayProcess) -> None:
    done = server.run("policy", "test", "operator", "os.getcwd")
    assert "no gate looks at it" in done.stdout
    assert "open: whatever" in done.stdout
    assert "ksrpc token create operator" in done.stdout
    assert done.returncode == 0


def test_words_that_are_none(server: GatewayProcess) -> None:
    done = server.run("policy", "test", "anonymous", "demo.echo", ":={")
    assert done.returncode == 2
    assert "this is not JSON" in done.stderr
    with suppress(KsrpcError):
        assert server.run("policy", "test").returncode == 2
