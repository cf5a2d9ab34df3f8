"""`ksrpc policy learn` proposes what ran, and nothing else."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import ksrpc
from ksrpc.config import load_config
from ksrpc.errors import KsrpcError
from tests.helpers.server import GatewayProcess

CONFIG = """
[server]
port = 0
[call]
enabled = true
[access]
allow = ["math", "statistics", "desk", "desk.delete_all", "os"]
unsafe = ["os"]
[module.desk]
path = "desk.py"
"""
DESK = "def price(code):\n    return 1.5\ndef delete_all():\n    return 'gone'\ndef fails():\n    raise KeyError('x')\n"
LURE = ["sys.exit", "math.\n[access]", 'x"]\nunsafe=["os"]', "numpy.load", "math.nothing"]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Have two users call, one of whom tries doors."""
    folder = tmp_path_factory.mktemp("learn")
    (folder / "desk.py").write_text(DESK, "utf-8")
    with GatewayProcess(folder, CONFIG) as gateway:
        tokens = {name: gateway.create_token(name) for name in ("li.si", "wang")}
        with ksrpc.connect(gateway.ws_url, token=tokens["li.si"]) as client:
            for _ in range(3):
                client.call("math.sqrt", 2.25)
            client.call("desk.price", "600000")
            client.call("desk.delete_all")
            client.call("os.getpid")
            with pytest.raises(KeyError):
                client.call("desk.fails")
        with ksrpc.connect(gateway.ws_url, token=tokens["wang"]) as client:
            client.call("statistics.fmean", [1.0, 2.0])
            for path in LURE:
                with suppress(KsrpcError):
                    client.call(path)
        yield gateway  # its records are on the disk when it has ended, or within a second


def learn(gateway: GatewayProcess, *options: str) -> str:
    """Ask until all calls of the fixture are written down."""
    for _ in range(40):
        done = gateway.run("policy", "learn", *options)
        assert done.returncode == 0, done.stderr
        if "statistics" in done.stdout or "--user" in options:
            return done.stdout
    return done.stdout


def test_what_ran_is_proposed_for_each_user(tried: GatewayProcess) -> None:
    proposed = tomllib.loads(learn(tried))
    mine = ["desk.fails", "desk.price", "math.sqrt"]
    assert proposed["user"]["li.si"]["allow"] == mine
    assert proposed["user"]["wang"]["allow"] == ["statistics.fmean"]
    assert proposed["access"]["allow"] == [*mine, "statistics.fmean"]
    assert "unsafe" not in proposed["access"]


def test_what_was_refused_is_never_proposed(tried: GatewayProcess) -> None:
    """Whatever a path has in it: it stands in a comment of one line."""
    text = learn(tried)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert not any(word in line for line in lines for word in ("sys", "numpy", "unsafe", "nothing"))
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert any(json.dumps("sys.exit") in line for line in comments)


def test_what_acts_or_is_unsafe_is_told_and_not_proposed(tried: GatewayProcess) -> None:
    text = learn(tried)
    assert '# "desk.delete_all"' in text
    assert '# "os.getpid"' in text


def test_the_proposal_is_a_configuration_that_loads(tried: GatewayProcess, tmp_path: Path) -> None:
    (tmp_path / "ksrpc.toml").write_text(learn(tried) + "\n[call]\nenabled = true\n", "utf-8")
    config = load_config(tmp_path / "ksrpc.toml")
    assert config.rules_for("wang").allow == ("statistics.fmean",)


def test_modules_and_single_users(tried: GatewayProcess) -> None:
    proposed = tomllib.loads(learn(tried, "--by-module", "--user", "li.si"))
    assert proposed["access"]["allow"] == ["desk", "math"]
    assert list(proposed["user"]) == ["li.si"]


def test_nothing_is_changed(tried: GatewayProcess, tmp_path: Path) -> None:
    """Neither the configuration nor a file that is there."""
    before = (tried.folder / "ksrpc.toml").read_bytes()
    file = tmp_path / "proposal.toml"
    assert tried.run("policy", "learn", "-o", str(file)).returncode == 0
    written = file.read_bytes()
    again = tried.run("policy", "learn", "-o", str(file))
    assert again.returncode == 1
    assert "is there already; --force replaces it" in again.stderr
    assert file.read_bytes() == written
    assert tried.run("policy", "learn", "-o", str(file), "--force").returncode == 0
    assert (tried.folder / "ksrpc.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (["--user", "nobody"], 0, "nothing that was called has run"),
        (["--since", "2099-01-01"], 0, "nothing that was called has run"),
        (["--since", "soon"], 2, "neither a span such as 2h"),
        (["-o", "/no/such/folder/x.toml"], 1, "cannot be written"),
    ],
)
def test_bad_wishes(tried: GatewayProcess, options: list[str], status: int, text: str) -> None:
    done = tried.run("policy", "learn", *options)
    assert done.returncode == status
    assert text in done.stderr
    assert "Traceback" not in done.stderr
