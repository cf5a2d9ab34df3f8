"""ksrpc.toml: what it may say, and where an error points."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ksrpc.config import Config, find_config, load_config, write_config
from ksrpc.config.environment import kind_of
from ksrpc.config.schema import QuotaSection, QuotaTable
from ksrpc.config.template import TEMPLATE
from ksrpc.errors import ConfigError


def _load(folder: Path, text: str) -> Config:
    path = folder / "ksrpc.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("[server]\nport = 99999\n", 2, "server.port"),
        ('[server]\nhost = "h"\nport = "x"\n', 3, "server.port"),
        ("[call]\ntimeout_s = 0\n", 2, "call.timeout_s"),
        ("[call]\ntimeout_s = nan\n", 2, "call.timeout_s"),
        ("[call]\nprocesses = 0\n", 2, "call.processes"),
        ('[access]\nip_allow = [\n  "any",\n  "10.0.0.0/99",\n]\n', 2, "access.ip_allow.1"),
        ('[access]\nip_allow = "any"\n', 2, "access.ip_allow"),
        ("[server]\nport = 1\n[access]\nallow = 5\n", 4, "access.allow"),
        ("call.queue = 0\n", 1, "call.queue"),
        ("call = {queue = 0}\n", 1, "call.queue"),
        ('[module.math]\nexecutor = "thread"\n', 2, "module.math.executor"),
        ('[module."my.lib"]\nprocesses = 0\n', 2, 'module."my.lib".processes'),
        ("[[user]]\nallow = []\n", 1, "user"),
        ('[server]\nhost = "0.0.0.0"\n[access]\nanonymous = true\n', 2, "server.host"),
        ('[access]\nblock = []\nallow = ["*"]\n', 3, "access.allow"),
        ('[access]\nallow = ["demo"]\n[user.li]\nallow = ["os"]\n', 4, "user.li.allow"),
    ],
)
def test_errors_name_line_and_key(tmp_path: Path, text: str, line: int, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'ksrpc.toml'}:{line}: {key}")


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("[server]\nprot = 1\n", 2, "unknown key server.prot; did you mean port?"),
        ("[acess]\nallow = []\n", 1, "unknown key acess; did you mean access?"),
        ("[user.li]\nalow = []\n", 2, "unknown key user.li.alow; did you mean allow?"),
        ("[module.math]\nexecuter = 1\n", 2, "unknown key module.math.executer; did you mean executor?"),
        ("[server]\nzzz = 1\n", 2, "unknown key server.zzz"),
        ("[foo.bar]\nx = 1\n", 1, "unknown key foo"),
    ],
)
def test_unknown_keys(tmp_path: Path, text: str, line: int, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'ksrpc.toml'}:{line}: {told}"


def test_every_error_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, "[server]\nport = -1\n[call]\nqueue = 0\n")
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["2", "4"]


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 2"):
        _load(tmp_path, "[server]\nport = \n")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist; `ksrpc init` writes it"):
        load_config(tmp_path / "nothing.toml")
    (tmp_path / "ksrpc.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "ksrpc.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_anonymous_is_for_loopback_alone(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="ksrpc token create"):
        _load(tmp_path, f'[server]\nhost = "{host}"\n[access]\nanonymous = true\n')
    assert _load(tmp_path, f'[server]\nhost = "{host}"\nplaintext = true\n').server.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_tokens_do_not_cross_the_network_unless_that_is_said(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match=r"server.host.*server.plaintext = true"):
        _load(tmp_path, f'[server]\nhost = "{host}"\n')
    proxied = f'[server]\nhost = "{host}"\n[access]\ntrusted_proxies = ["10.0.0.2/32"]\n'
    assert _load(tmp_path, proxied).server.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_anonymous_on_loopback(tmp_path: Path, host: str) -> None:
    assert _load(tmp_path, f'[server]\nhost = "{host}"\n[access]\nanonymous = true\n').access.anonymous


def _keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        section, is_table = kind_of(field.annotation)
        key = f"{prefix}{name}{'.NAME' if is_table else ''}"
        found |= _keys(section, f"{key}.") if section else {key}
    return found | {f"{prefix}NAME.{key}" for key in (QuotaSection.model_fields if model is QuotaTable else ())}


def _written(node: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in node.items():
        is_chosen = prefix in ("user.", "module.", "module.NAME.handles.") or (prefix == "quota." and name != "default")
        key = f"{prefix}{'NAME' if is_chosen else name}"
        is_section = isinstance(value, dict) and name != "parameters"
        found |= _written(value, f"{key}.") if is_section else {key}
    return found


def _uncommented() -> str:
    lines = [line.removeprefix("# ") if line[2:].split(" ")[0].startswith("[") or " = " in line else line
             for line in TEMPLATE.splitlines()]  # fmt: skip
    return "\n".join(lines)


def test_the_template_has_every_key_and_no_other() -> None:
    assert _written(tomllib.loads(_uncommented())) == _keys(Config)


def test_the_template_says_the_defaults(tmp_path: Path) -> None:
    assert Config.model_validate(tomllib.loads(TEMPLATE)) == Config()
    assert _load(tmp_path, TEMPLATE).server.data_dir == tmp_path / "data"


def test_what_is_written_loads_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ksrpc.toml"
    write_config(path, enabled=True, lan=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = load_config(path)
    assert (config.call.enabled, config.server.host) == (True, "0.0.0.0")
    with pytest.raises(ConfigError, match="exists already"):
        write_config(path)


def test_the_file_that_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KSRPC_CONFIG", raising=False)
    assert find_config(None) == tmp_path / "ksrpc.toml"
    monkeypatch.setenv("KSRPC_CONFIG", str(tmp_path / "a.toml"))
    assert find_config(None) == tmp_path / "a.toml"
    assert find_config("b.toml") == tmp_path / "b.toml"


# rules

RULES = """
[access]
allow = ["demo", "numpy", "os.path"]
block = ["numpy.random"]
unsafe = ["demo"]
[user.li]
allow = ["demo", "numpy.linalg"]
block = ["demo.secret"]
[user.admin]
allow = ["demo", "os"]
unsafe = ["os"]
"""


def test_user_lists_narrow(tmp_path: Path) -> None:
    config = _load(tmp_path, RULES)
    assert config.rules_for("anybody").allow == ("demo", "numpy", "os.path")
    assert config.rules_for("li").allow == ("demo", "numpy.linalg")
    assert config.rules_for("li").block == ("numpy.random", "demo.secret")
    assert config.rules_for("li").unsafe == ("demo",)
    assert config.rules_for("admin").unsafe == ("demo", "os")
    assert config.all_rules.allow == ("demo", "numpy", "os.path", "numpy.linalg", "os")


@pytest.mark.parametrize("pattern", ["os", "nump", "numpyx", "demos.f", "*", "os.pathx"])
def test_a_user_list_cannot_widen(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"user\.li\.allow: .* is not opened by access\.allow"):
        _load(tmp_path, f'[access]\nallow = ["demo", "numpy", "os.path"]\n[user.li]\nallow = ["{pattern}"]\n')


def test_paths_are_taken_from_the_file_s_folder(tmp_path: Path) -> None:
    text = '[server]\ndata_dir = "d"\n[module.my]\npath = "my.py"\n'
    with pytest.raises(ConfigError, match=r":4: module\.my\.path: there is no file"):
        _load(tmp_path, text)
    (tmp_path / "my.py").write_text("")
    config = _load(tmp_path, text)
    assert config.server.data_dir == tmp_path / "d"
    assert config.module["my"].path == tmp_path / "my.py"
