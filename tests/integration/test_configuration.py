"""`ksrpc config`, variables and the folder of modules, seen from outside."""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from pathlib import Path

import pytest

import ksrpc
from ksrpc.errors import NotFoundError
from tests.helpers.server import OPEN_CONFIG, GatewayProcess, StartError, clean_environment
from tests.helpers.terminal import run_on_terminal

RELOADED = "the configuration was read anew"


@pytest.fixture
def idle(tmp_path: Path) -> GatewayProcess:
    """A gateway that is not started: its folder, and commands in it."""
    (tmp_path / "ksrpc.toml").write_text(OPEN_CONFIG)
    return GatewayProcess(tmp_path)


def test_check(idle: GatewayProcess) -> None:
    done = idle.run("config", "check")
    assert (done.returncode, done.stdout) == (0, f"ok: {idle.folder / 'ksrpc.toml'}\n")
    (idle.folder / "server").mkdir()
    (idle.folder / "server" / "bars.py").write_text("")
    (idle.folder / "server" / "my-bars.py").write_text("")
    done = idle.run("config", "check")
    assert done.returncode == 0
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["ok", "warning", "warning"]
    assert "access.allow does not name bars" in done.stdout
    assert "my-bars.py is not served" in done.stdout


def test_check_tells_every_error(idle: GatewayProcess) -> None:
    (idle.folder / "ksrpc.toml").write_text("[server]\nport = -1\n[cal]\n[user.li]\n[access]\nalow = []\n")
    done = idle.run("config", "check")
    assert (done.returncode, done.stdout) == (1, "")
    told = [line.partition("ksrpc.toml:")[2] for line in done.stderr.splitlines()]
    assert [line.split(":")[0] for line in told] == ["2", "6", "3"]
    assert "Traceback" not in done.stderr


def test_a_user_without_a_token_is_no_error(idle: GatewayProcess) -> None:
    with (idle.folder / "ksrpc.toml").open("a") as file:
        file.write('[user.li]\nallow = ["demo"]\n')
    assert idle.run("config", "check").stdout.startswith("ok: ")


def test_show_is_toml_that_means_the_same(idle: GatewayProcess) -> None:
    with (idle.folder / "ksrpc.toml").open("a") as file:
        file.write('[user."li@x"]\nquota = { rows_per_day = 5 }\n[quota."demo.test"]\nrows_per_day = 6\n')
    shown = idle.run("config", "show").stdout
    tree = tomllib.loads(shown)
    assert tree["access"]["allow"] == ["demo", "math"]
    assert tree["server"]["data_dir"] == str(idle.folder / "data")
    assert tree["user"]["li@x"]["quota"]["rows_per_day"] == 5
    assert tree["call"]["timeout_s"] == 300
    (idle.folder / "again.toml").write_text(shown)
    assert idle.run("config", "show", "-c", "again.toml").stdout == shown


def test_show_says_where_values_are_from(tmp_path: Path) -> None:
    server = GatewayProcess(tmp_path, env={"KSRPC__CALL__QUEUE": "7"})
    (tmp_path / "ksrpc.toml").write_text(OPEN_CONFIG)
    shown = server.run("config", "show", "--origin").stdout
    origins = {line.split(" = ")[0]: line.partition("# ")[2] for line in shown.splitlines() if " = " in line}
    assert tomllib.loads(shown)["call"]["queue"] == 7
    assert (origins["port"], origins["queue"], origins["host"]) == ("ksrpc.toml:3", "KSRPC__CALL__QUEUE", "default")


def test_show_on_a_terminal(idle: GatewayProcess) -> None:
    command = [sys.executable, "-m", "ksrpc", "config", "show", "--origin"]
    shown = run_on_terminal(command, cwd=idle.folder, env=clean_environment())
    assert shown.status == 0
    assert "\x1b[" in shown.text
    assert "ksrpc.toml:3" in shown.text


def test_reload_refuses_a_broken_file(idle: GatewayProcess) -> None:
    (idle.folder / "ksrpc.toml").write_text("[server\n")
    done = idle.run("config", "reload")
    assert done.returncode == 1
    assert not (idle.folder / "data").exists()


def test_reload_takes_a_changed_module_into_service(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    module = tmp_path / "server" / "bars.py"
    module.write_text("def version():\n    return 1\n")
    with GatewayProcess(tmp_path, OPEN_CONFIG.replace('"math"', '"math", "bars"')) as server:
        with ksrpc.connect(server.url, timeout=60) as gw:
            assert gw.call("bars.version") == 1
            module.write_text("def version():\n    return 22\n")
            done = server.run("config", "reload")
            assert done.returncode == 0
            assert "two seconds" in done.stdout
            server.await_log(RELOADED)
            assert gw.call("bars.version") == 22
        signal = tmp_path / "data" / "reload"
        assert stat.S_IMODE(signal.stat().st_mode) == 0o600


def test_files_of_the_folder_go_before_what_is_built_in_or_installed(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    for name in ("demo", "json", "statistics"):
        (tmp_path / "server" / f"{name}.py").write_text(f"def whose():\n    return 'mine: {name}'\n")
    config = OPEN_CONFIG.replace('"math"', '"json", "statistics"')
    with pytest.raises(StartError, match=r"module\.json\.path: a module of the standard library has this name"):
        GatewayProcess(tmp_path, config).start()
    config += "[module.json]\nshadow = true\n[module.statistics]\nshadow = true\nexecutor = 'inline'\n"
    with GatewayProcess(tmp_path, config) as server, ksrpc.connect(server.url, timeout=60) as gw:
        for name in ("demo", "json", "statistics"):
            assert gw.call(f"{name}.whose") == f"mine: {name}"


def test_a_file_that_is_not_open_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "bars.py").write_text("def version():\n    return 1\n")
    with GatewayProcess(tmp_path) as server, ksrpc.connect(server.url, timeout=60) as gw:
        with pytest.raises(NotFoundError):
            gw.call("bars.version")
        assert gw.call("math.pow", 2, 3) == 8.0


def test_variables_go_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "allow").write_text('["statistics"]\n')
    env = {"KSRPC__ACCESS__ALLOW_FILE": "allow", "KSRPC__CALL__ENABLED": "true"}
    config = OPEN_CONFIG.replace("enabled = true", "enabled = false")
    with GatewayProcess(tmp_path, config, env=env) as server, ksrpc.connect(server.url, timeout=60) as gw:
        assert gw.call("statistics.mean", [1.0, 2.0]) == 1.5
        with pytest.raises(NotFoundError):
            gw.call("math.pow", 2, 3)


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"KSRPC__SERVER__PROT": "1"}, r"KSRPC__SERVER__PROT: there is no key server\.prot"),
        ({"KSRPC__SERVER__PORT": "x"}, r"KSRPC__SERVER__PORT: server\.port: "),
    ],
)
def test_a_wrong_variable_is_told_and_nothing_is_served(tmp_path: Path, env: dict[str, str], told: str) -> None:
    with pytest.raises(StartError, match=told):
        GatewayProcess(tmp_path, env=env).start()


def test_a_configuration_that_others_can_write_is_not_served(tmp_path: Path) -> None:
    path = tmp_path / "ksrpc.toml"
    path.write_text(OPEN_CONFIG)
    path.chmod(0o666)
    with pytest.raises(StartError, match="can be changed by every user of this machine: chmod go-w "):
        GatewayProcess(tmp_path, None).start()


def test_it_is_not_reloaded_either(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as server, ksrpc.connect(server.url, timeout=60) as gw:
        assert gw.call("math.pow", 2, 3) == 8.0  # it follows the file by now
        path = tmp_path / "ksrpc.toml"
        path.chmod(0o666)
        os.utime(path)
        server.await_log("the configuration file is broken; the one before it is in force")
        assert gw.call("math.pow", 2, 3) == 8.0


def test_init_for_the_network_knows_the_machine_s_name(tmp_path: Path) -> None:
    idle = GatewayProcess(tmp_path)
    assert idle.run("init", "--lan", "--enable").returncode == 0
    section = tomllib.loads((tmp_path / "ksrpc.toml").read_text())["server"]
    assert section["host"] == "0.0.0.0"
    assert os.uname().nodename in section["hosts"]
