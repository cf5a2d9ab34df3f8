"""The commands from outside, as an administrator types them: files, modes, exit codes, one clear line."""

from __future__ import annotations

import copy
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import ksrpc
from ksrpc.config import load_config
from ksrpc.config.template import TEMPLATE
from ksrpc.connections.http import HttpxConnection
from ksrpc.errors import AuthError
from tests.helpers import launch
from tests.helpers.server import GatewayProcess, clean_environment
from tests.helpers.terminal import run_on_terminal
from tests.integration.conftest import usable
from tests.integration.exchange import ask, post

TOKEN = re.compile(r"ksr_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}")
COMMANDS = [[], ["init"], ["serve"], ["doctor"]] + [
    words.split()
    for words in (
        "token", "token create", "token ls", "token revoke", "user", "user add", "user set", "user ls", "user show",
        "user rm", "cache", "cache ls", "cache show", "cache stats", "cache purge", "cache check",
    )
]  # fmt: skip


def ksrpc_in(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m ksrpc …` in a folder, with no terminal."""
    command = [sys.executable, "-m", "ksrpc", *arguments]
    return launch.run(command, cwd=folder, env={**clean_environment(), **(env or {})})


def mode(path: Path) -> int:
    """Read the permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def assert_one_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """Expect exit code 1 and one line on stderr that holds all parts."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for part in parts:
        assert part in done.stderr


def test_init_writes_private_files_and_keeps_only_a_hash(tmp_path: Path) -> None:
    done = ksrpc_in(tmp_path, "init")
    assert done.returncode == 0, done.stderr
    config, token_file = tmp_path / "ksrpc.toml", tmp_path / "data" / "admin.token"
    assert str(config) in done.stdout
    assert str(token_file) in done.stdout
    assert mode(config) == mode(token_file) == 0o600
    assert mode(tmp_path / "data") == 0o700
    made = token_file.read_text().strip()
    assert TOKEN.fullmatch(made)
    assert made not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != token_file:
            assert made.encode() not in path.read_bytes(), path
            assert made[13:56].encode() not in path.read_bytes(), path
            assert mode(path) & 0o077 == 0, path


def test_what_init_writes_can_be_served(tmp_path: Path) -> None:
    ksrpc_in(tmp_path, "init", "--enable")
    made = (tmp_path / "data" / "admin.token").read_text().strip()
    with (
        GatewayProcess(tmp_path, None, arguments=("serve", "--port", "0")) as gateway,
        HttpxConnection(gateway.url, token=made) as there,
    ):
        assert ksrpc.RpcClient("demo", there).sync_say_hi("A") == "Hi A, from a sync function"


def test_init_leaves_what_is_there_alone(tmp_path: Path) -> None:
    (tmp_path / "ksrpc.toml").write_text("# mine\n")
    assert_one_line(ksrpc_in(tmp_path, "init"), "ksrpc.toml", "exists already")
    assert (tmp_path / "ksrpc.toml").read_text() == "# mine\n"
    assert not (tmp_path / "data").exists()


def test_init_for_the_network_is_served_to_the_network(tmp_path: Path) -> None:
    assert ksrpc_in(tmp_path, "init", "--lan", "--enable").returncode == 0
    with GatewayProcess(tmp_path, None, arguments=("serve", "--port", "0")) as gateway:
        told = {urlsplit(line.split()[-1]).hostname for line in gateway.log.splitlines() if "http://" in line}
        assert told
        assert "0.0.0.0" not in told, "nobody can call that"
        for host in [*filter(None, told), "127.0.0.1"]:
            assert ask(replaced(gateway, host), "GET", "/livez").status == 200, host
        assert post(replaced(gateway, "127.0.0.1"), "demo.echo", {"args": [1]}).status == 401


def replaced(gateway: GatewayProcess, host: str) -> GatewayProcess:
    """Look at the same gateway under another of its addresses."""
    other = copy.copy(gateway)
    other.url = f"http://{host}:{gateway.port}"
    return other


def test_the_ready_line_tells_the_public_address_first(tmp_path: Path) -> None:
    config = '[server]\nport = 0\npublic_url = "https://gateway.example/"\n'
    with GatewayProcess(tmp_path, config) as gateway:
        assert gateway.url == "https://gateway.example"
        gateway.await_log("call.enabled")
        assert re.search(r"^  also http://127.0.0.1:\d+$", gateway.log, re.MULTILINE)


def test_init_allows_what_it_is_told(tmp_path: Path) -> None:
    done = ksrpc_in(tmp_path, "init", "--allow", "math, os.path", "--enable")
    assert done.returncode == 0, done.stderr
    settings = load_config(tmp_path / "ksrpc.toml")
    assert settings.access.allow == ("math", "os.path")
    assert settings.call.enabled
    lines = (tmp_path / "ksrpc.toml").read_text().splitlines()
    assert sum(line.startswith(('allow = ["math", "os.path"]', "block = []")) for line in lines) == 2
    assert len(lines) == TEMPLATE.count("\n"), "nothing else has changed"


def test_init_with_a_wrong_pattern_leaves_nothing_behind(tmp_path: Path) -> None:
    assert_one_line(ksrpc_in(tmp_path, "init", "--allow", "a b"), "a b")
    assert list(tmp_path.iterdir()) == []


def test_init_asks_on_a_terminal_only_what_it_was_not_told(tmp_path: Path) -> None:
    def init(*arguments: str, typed: str = "") -> str:
        (tmp_path / "ksrpc.toml").unlink(missing_ok=True)
        command = [sys.executable, "-m", "ksrpc", "init", *arguments]
        shown = run_on_terminal(
            command, cwd=tmp_path, env=clean_environment(), typed=[("[Y/n]", typed)] if typed else []
        )
        assert shown.status == 0, shown.text
        assert len(TOKEN.findall(shown.text)) == 1, "on a terminal the token is shown"
        return shown.text

    def is_enabled() -> bool:
        return load_config(tmp_path / "ksrpc.toml").call.enabled

    assert "call.enabled = true switches" in init(typed="n\n")
    assert not is_enabled()
    assert "call.enabled" not in init(typed="\n")
    assert is_enabled()
    assert "[Y/n]" not in init("--disable")
    assert not is_enabled()
    assert "[Y/n]" not in init("--enable")
    assert is_enabled()
    assert list((tmp_path / "data").glob("*.token")) == []


def test_init_says_what_is_next(tmp_path: Path) -> None:
    text = ksrpc_in(tmp_path, "init", "--config", "gate way.toml").stdout
    for command in ("serve", "user add NAME", "doctor"):
        assert f"ksrpc {command} --config 'gate way.toml'" in text
    assert "http://127.0.0.1:8000" in text


@pytest.mark.parametrize("arguments", [(), ("serve",)])
def test_serving_without_a_configuration_writes_one_and_calls_are_off(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    with GatewayProcess(tmp_path, None, arguments=(*arguments, "--port", "0")) as gateway:
        assert str(tmp_path / "ksrpc.toml") in gateway.log
        assert "call.enabled = true" in gateway.log
        assert gateway.url.startswith("http://127.0.0.1:")
        assert ask(gateway, "GET", "/livez").status == 200
        gateway.run("token", "create", "zhang")
        made = (tmp_path / "data" / "zhang.token").read_text().strip()
        headers = {"Authorization": f"Bearer {made}"}
        for _ in range(1000):
            reply = post(gateway, "demo.echo", {"args": [1]}, **headers)
            if reply.status != 401:
                break
        assert reply.status == 503
        assert "call.enabled" in reply.problem()["detail"]
    assert mode(tmp_path / "ksrpc.toml") == 0o600
    assert all(mode(path) & 0o077 == 0 for path in (tmp_path / "data").rglob("*"))


def test_a_configuration_elsewhere_keeps_its_data_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "etc" / "gateway.toml"
    done = ksrpc_in(tmp_path, "init", env={"KSRPC_CONFIG": str(place)})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "etc" / "data" / "admin.token").is_file()
    listed = ksrpc_in(tmp_path, "token", "ls", "--config", str(place))
    assert "admin" in listed.stdout
    assert not (tmp_path / "ksrpc.toml").exists()


BROKEN = [
    ("[server\nport = 1", ["ksrpc.toml", "line 1"]),
    ("[server]\nprot = 1", ["ksrpc.toml:2", "unknown key server.prot", "did you mean port?"]),
    ("[srever]\nport = 1", ["ksrpc.toml:1", "unknown key srever", "did you mean server?"]),
    ("[server]\n\nport = 70000", ["ksrpc.toml:3", "server.port"]),
    ('[call]\nenabled = "maybe"', ["ksrpc.toml:2", "call.enabled"]),
    ('[access]\nip_allow = ["10.0.0.0/33"]', ["ksrpc.toml:2", "access.ip_allow"]),
    ('[access]\nallow = ["a b"]', ["a b"]),
    ('[access]\nallow = ["*"]', ["unsafe"]),
    ('[access]\nallow = ["math"]\n[user.li]\nallow = ["os"]', ["user.li.allow", "'os'"]),
    ("[user.li]\nallwo = []", ["ksrpc.toml:2", "user.li.allwo"]),
    ('[server]\nhost = "0.0.0.0"\n[access]\nanonymous = true', ["0.0.0.0", "anonymous", "ksrpc token create"]),
    ('[server]\nhost = "::"\n[access]\nanonymous = true', ["::", "anonymous"]),
    ('[server]\nhost = "gateway.example"\n[access]\nanonymous = true', ["gateway.example", "anonymous"]),
    ('[module.mine]\npath = "nosuch.py"\n[access]\nallow = ["mine"]', ["nosuch.py"]),
]


@pytest.mark.parametrize(("text", "parts"), BROKEN)
def test_a_configuration_that_cannot_be_is_one_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    (tmp_path / "ksrpc.toml").write_text(text + "\n")
    assert_one_line(ksrpc_in(tmp_path, "serve", "--port", "0"), *parts)


def test_several_mistakes_are_all_told(tmp_path: Path) -> None:
    (tmp_path / "ksrpc.toml").write_text("[server]\nprot = 1\n[call]\nqueue = 0\n")
    done = ksrpc_in(tmp_path, "serve", "--port", "0")
    assert done.returncode == 1
    assert "ksrpc.toml:2" in done.stderr
    assert "ksrpc.toml:4" in done.stderr


@pytest.mark.parametrize("arguments", [("serve", "--host", "0.0.0.0"), ("serve", "--try", "--host", "0.0.0.0")])
def test_the_host_option_does_not_open_an_anonymous_server(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "ksrpc.toml").write_text("[call]\nenabled = true\n[access]\nanonymous = true\n")
    assert_one_line(ksrpc_in(tmp_path, *arguments, "--port", "0"), "0.0.0.0", "anonymous")


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_one_line(ksrpc_in(tmp_path, "serve", "--try", "--port", port), f"127.0.0.1:{port}", "cannot listen")


def test_an_address_that_is_not_here_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ksrpc.toml").write_text('[server]\nhost = "203.0.113.7"\n')
    assert_one_line(ksrpc_in(tmp_path, "serve", "--port", "0"), "203.0.113.7")


def test_a_missing_configuration_is_one_line(tmp_path: Path) -> None:
    for words in ("token ls", "token create li", "token revoke abcdefgh", "user ls", "user add li", "cache stats"):
        assert_one_line(ksrpc_in(tmp_path, *words.split()), "ksrpc.toml", "ksrpc init")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert_one_line(ksrpc_in(tmp_path, "init"), "cannot be written")


def test_a_data_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    (tmp_path / "ksrpc.toml").write_text("[call]\nenabled = true\n")
    assert_one_line(ksrpc_in(tmp_path, "serve", "--port", "0"), str(tmp_path / "data"), "server.data_dir")
    assert_one_line(ksrpc_in(tmp_path, "token", "create", "li"), str(tmp_path / "data"), "server.data_dir")


def test_a_store_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "store.sqlite3").write_bytes(b"not a database" * 100)
    (tmp_path / "ksrpc.toml").write_text("[call]\nenabled = true\n")
    assert_one_line(ksrpc_in(tmp_path, "token", "ls"), "store.sqlite3")


def test_tokens_are_made_listed_and_revoked(tmp_path: Path) -> None:
    config = "[server]\nport = 0\n[call]\nenabled = true\n"
    with GatewayProcess(tmp_path, config) as gateway:
        made = gateway.create_token("zhang")
        assert TOKEN.fullmatch(made)
        listed = gateway.run("token", "ls")
        assert made[4:12] in listed.stdout
        assert "zhang" in listed.stdout
        assert "valid" in listed.stdout
        assert made[13:] not in listed.stdout
        revoked = gateway.run("token", "revoke", made[4:12])
        assert revoked.returncode == 0
        assert "revoked" in gateway.run("token", "ls").stdout
        assert_one_line(gateway.run("token", "revoke", made[4:12]), "no valid token")
        assert_one_line(gateway.run("token", "revoke", "nosuch"), "no valid token")
    database = sqlite3.connect(tmp_path / "data" / "store.sqlite3")
    assert made[13:] not in str(database.execute("SELECT * FROM token").fetchall())
    database.close()


def test_a_token_that_expired_is_refused(tmp_path: Path) -> None:
    with GatewayProcess(
        tmp_path, "[server]\nport = 0\n[call]\nenabled = true\n[access]\nallow = ['math']\n"
    ) as gateway:
        made = usable(gateway, gateway.create_token("zhang", "--days", str(3.5 / 86_400)))
        with HttpxConnection(gateway.url, token=made) as there:
            math = ksrpc.RpcClient("math", there)
            assert math.pi() == 3.141592653589793
            with pytest.raises(AuthError):
                _ = [math.pi() for _ in range(100_000)]
        assert "expired" in gateway.run("token", "ls").stdout


@pytest.mark.parametrize("name", ["../../evil", "a/b", "", "a\nb", "x" * 300])
def test_a_users_name_leads_to_no_other_place(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    ksrpc_in(folder, "init")
    before = {path for path in tmp_path.rglob("*")}
    done = ksrpc_in(folder, "token", "create", name)
    assert done.returncode in (1, 2), done.stdout
    assert "Traceback" not in done.stderr
    assert "user name" in done.stderr
    assert {path for path in tmp_path.rglob("*") if "sqlite3" not in path.name} <= before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(tmp_path: Path, command: list[str]) -> None:
    done = ksrpc_in(tmp_path, *command, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: ")
    assert done.stdout.count("\n") > 3
    assert list(tmp_path.iterdir()) == []


def test_the_short_flag_explains_all_commands(tmp_path: Path) -> None:
    assert ksrpc_in(tmp_path, "-h").stdout == ksrpc_in(tmp_path, "--help").stdout


def test_version(tmp_path: Path) -> None:
    done = ksrpc_in(tmp_path, "--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"ksrpc, version {ksrpc.__version__}")


@pytest.mark.parametrize(
    "arguments", [("nosuch",), ("serve", "--nosuch"), ("serve", "--port", "x"), ("token", "nosuch")]
)
def test_what_is_no_command_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = ksrpc_in(tmp_path, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_it_ends_cleanly_by_its_signal(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path)
    gateway.start()
    post(gateway, "demo.echo", {"args": [1]})
    assert gateway.worker_pids
    assert gateway.stop() in (0, -signal.SIGTERM)
    assert "killed" not in gateway.log
    assert "Traceback" not in gateway.log
