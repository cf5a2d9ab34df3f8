"""Settings by variables: every key, errors that name the variable, secrets by file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ksrpc.config import Config, LoadedConfig, load_config, read_config
from ksrpc.config.key import split_key
from ksrpc.config.setting import flatten
from ksrpc.errors import ConfigError


def _read(folder: Path, text: str = "", **environ: str) -> LoadedConfig:
    path = folder / "ksrpc.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path, environ)


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("KSRPC__SERVER__PORT", "9000", "server.port", 9000),
        ("KSRPC__SERVER__HOST", "127.0.0.2", "server.host", "127.0.0.2"),
        ("KSRPC__SERVER__HOST", '"127.0.0.2"', "server.host", "127.0.0.2"),
        ("KSRPC__SERVER__DATA_DIR", "2026", "server.data_dir", None),
        ("KSRPC__CALL__ENABLED", "true", "call.enabled", True),
        ("KSRPC__CALL__TIMEOUT_S", "1.5", "call.timeout_s", 1.5),
        ("KSRPC__ACCESS__ALLOW", '["demo", "math"]', "access.allow", ("demo", "math")),
        ("KSRPC__ACCESS__ALLOW", "[]", "access.allow", ()),
        ("KSRPC__MODULE__MATH__EXECUTOR", "inline", "module.math.executor", "inline"),
        ("KSRPC__USER__LI__ALLOW", '["demo.test"]', "user.li.allow", ("demo.test",)),
        ("KSRPC__USER__LI__QUOTA__ROWS_PER_DAY", "5", "user.li.quota.rows_per_day", 5),
        ("KSRPC__QUOTA__DEFAULT__ROWS_PER_DAY", "6", "quota.default.rows_per_day", 6),
        ("KSRPC__QUOTA__DEMO__ROWS_PER_DAY", "7", "quota.demo.rows_per_day", 7),
        ("KSRPC__QUOTA__DEMO__TEST__ROWS_PER_DAY", "8", 'quota."demo.test".rows_per_day', 8),
    ],
)
def test_each_key_can_be_set(tmp_path: Path, variable: str, text: str, key: str, value: object) -> None:
    loaded = _read(tmp_path, '[access]\nallow = ["demo"]\n[server]\nport = 1\n', **{variable: text})
    assert loaded.origins[key] == variable
    assert flatten(loaded.config)[split_key(key)] == (tmp_path / "2026" if value is None else value)


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("KSRPC__SERVER__PROT", "there is no key server.prot; did you mean KSRPC__SERVER__PORT?"),
        ("KSRPC__SERVER", "there is no key server"),
        ("KSRPC__", "there is no key"),
        ("KSRPC__SERVER__PORT__X", "there is no key server.port.x"),
        ("KSRPC__USER__LI", "there is no key user.li"),
        ("KSRPC__QUOTA__ROWS_PER_DAY", "there is no key quota.rows_per_day"),
        ("KSRPC__ZZZ__PORT", "there is no key zzz.port"),
    ],
)
def test_unknown_variables_are_named(tmp_path: Path, variable: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, **{variable: "1"})
    assert str(caught.value).startswith(f"{variable}: {told}")


def test_all_unknown_variables_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, KSRPC__A__B="1", KSRPC__C__D="2")
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["KSRPC__A__B", "KSRPC__C__D"]


@pytest.mark.parametrize("name", ["KSRPC_CONFIG", "KSRPC_URL", "KSRPC_TOKEN", "KSRPC_SERVER__PORT", "PATH"])
def test_other_variables_are_none_of_ours(tmp_path: Path, name: str) -> None:
    assert _read(tmp_path, **{name: "x"}).config.server.port == Config().server.port


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("KSRPC__SERVER__PORT", "x", "KSRPC__SERVER__PORT: server.port: "),
        ("KSRPC__SERVER__PORT", "1\n[access]\nallow = ['os']", "KSRPC__SERVER__PORT: server.port: "),
        ("KSRPC__ACCESS__ALLOW", "demo", "KSRPC__ACCESS__ALLOW: access.allow: "),
        ("KSRPC__ACCESS__IP_ALLOW", '["10.0.0.0/99"]', "KSRPC__ACCESS__IP_ALLOW: access.ip_allow.0: "),
        ("KSRPC__SERVER__HOST", "0.0.0.0", "KSRPC__SERVER__HOST: server.host = '0.0.0.0' opens"),
        ("KSRPC__SERVER__PORT", "[" * 100_000, "KSRPC__SERVER__PORT: server.port: "),
        ("KSRPC__SERVER__HOST", "\udcff", "KSRPC__SERVER__HOST is not UTF-8"),
    ],
)
def test_wrong_values_name_the_variable(tmp_path: Path, variable: str, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, "[access]\nanonymous = true\n", **{variable: text})
    assert str(caught.value).startswith(told)


def test_names_are_matched_with_those_that_exist(tmp_path: Path) -> None:
    text = '[user.ZhangSan]\nallow = ["demo"]\n[user."li@x"]\n[module.Bars]\nprocesses = 2\n'
    environ = {
        "KSRPC__USER__ZHANGSAN__BLOCK": '["demo.test"]',
        "KSRPC__USER__LI@X__BLOCK": '["demo"]',
        "KSRPC__MODULE__BARS__PROCESSES": "3",
        "KSRPC__MODULE__OTHER__PROCESSES": "4",
    }
    config = _read(tmp_path, text, **environ).config
    assert config.user["ZhangSan"].block == ("demo.test",)
    assert config.user["li@x"].block == ("demo",)
    assert {name: section.processes for name, section in config.module.items()} == {"Bars": 3, "other": 4}


def test_names_that_differ_by_case_alone(tmp_path: Path) -> None:
    text = "[user.Li]\n[user.lI]\n"
    with pytest.raises(ConfigError, match="Li and lI differ by case alone"):
        _read(tmp_path, text, KSRPC__USER__LI__BLOCK='["demo"]')
    assert _read(tmp_path, text, KSRPC__USER__Li__BLOCK='["demo"]').config.user["Li"].block == ("demo",)


def test_modules_of_a_folder_are_names_too(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "BarsOfDay.py").write_text("")
    environ = {"KSRPC__SERVER__MODULES_DIR": "mine", "KSRPC__MODULE__BARSOFDAY__PROCESSES": "2"}
    config = _read(tmp_path, **environ).config
    assert config.module["BarsOfDay"].processes == 2
    assert config.module["BarsOfDay"].path == tmp_path / "mine" / "BarsOfDay.py"


def test_a_value_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("  9001\n")
    loaded = _read(tmp_path, KSRPC__SERVER__PORT_FILE=str(secret))
    assert loaded.config.server.port == 9001
    assert loaded.origins["server.port"] == "KSRPC__SERVER__PORT_FILE"


def test_files_of_values_that_cannot_be(tmp_path: Path) -> None:
    name, secret = "KSRPC__SERVER__HOST_FILE", tmp_path / "secret"
    with pytest.raises(ConfigError, match=f"^{name}: .*secret cannot be read: No such file"):
        _read(tmp_path, **{name: str(secret)})
    secret.write_text("x" * (64 * 1024 + 1))
    with pytest.raises(ConfigError, match=f"^{name}: .*secret is over 64 KiB"):
        _read(tmp_path, **{name: str(secret)})
    secret.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=f"^{name}: .*secret is not UTF-8"):
        _read(tmp_path, **{name: str(secret)})
    with pytest.raises(ConfigError, match=f"^{name}: "):
        _read(tmp_path, **{name: str(tmp_path)})
    with pytest.raises(ConfigError, match=r"^KSRPC__SERVER__PROT_FILE: there is no key"):
        _read(tmp_path, KSRPC__SERVER__PROT_FILE=str(secret))


def test_a_pipe_is_no_file_of_a_value(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="pipe is not a file"):
        _read(tmp_path, KSRPC__SERVER__HOST_FILE=str(tmp_path / "pipe"))


def test_a_value_and_a_file_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("h")
    with pytest.raises(ConfigError, match=r"KSRPC__SERVER__HOST sets server\.host too"):
        _read(tmp_path, KSRPC__SERVER__HOST="g", KSRPC__SERVER__HOST_FILE=str(tmp_path / "secret"))


def test_load_config_reads_this_process_s_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ksrpc.toml").write_text("")
    monkeypatch.setenv("KSRPC__SERVER__PORT", "9002")
    assert load_config(tmp_path / "ksrpc.toml").server.port == 9002


def test_where_each_value_is_from(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "bars.py").write_text("")
    origins = _read(tmp_path, "\n[server]\nport = 1\n", KSRPC__CALL__QUEUE="5").origins
    assert origins["server.port"] == "ksrpc.toml:3"
    assert origins["call.queue"] == "KSRPC__CALL__QUEUE"
    assert origins["module.bars.path"] == "server/bars.py"
    assert origins["module.bars.executor"] == origins["server.host"] == "default"


def test_a_file_s_own_error_is_told_before_a_variable_s(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ksrpc\.toml:1: server: "):
        _read(tmp_path, "server = 5\n", KSRPC__SERVER__PORT="1")
