"""The folder of modules, and who may write what."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ksrpc.config import LoadedConfig, load_config, read_config
from ksrpc.config.folder import is_installed
from ksrpc.errors import ConfigError
from ksrpc.expose.origin import BUILTIN

OTHER = 54_321


def _read(folder: Path, text: str = "") -> LoadedConfig:
    path = folder / "ksrpc.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path, {})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    mask = os.umask(0o022)
    (tmp_path / "server").mkdir()
    yield tmp_path / "server"
    os.umask(mask)


def test_each_file_is_a_module(server: Path) -> None:
    (server / "bars.py").write_text("")
    (server / "notes.txt").write_text("")
    loaded = _read(server.parent, '[access]\nallow = ["bars.daily"]\n[module.bars]\nprocesses = 1\n')
    assert list(loaded.config.module) == ["bars"]
    assert loaded.config.module["bars"].path == server / "bars.py"
    assert loaded.config.module["bars"].processes == 1
    assert loaded.warnings == ()


def test_the_configuration_names_another_file(server: Path) -> None:
    (server / "bars.py").write_text("")
    (server.parent / "other.py").write_text("")
    config = _read(server.parent, '[module.bars]\npath = "other.py"\n').config
    assert config.module["bars"].path == server.parent / "other.py"


def test_no_folder_is_no_error(tmp_path: Path) -> None:
    assert _read(tmp_path).config.module == {}
    (tmp_path / "server").write_text("")
    with pytest.raises(ConfigError, match=r"server\.modules_dir: .*server cannot be read"):
        _read(tmp_path)


def test_another_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "bars.py").write_text("")
    config = _read(tmp_path, '[server]\nmodules_dir = "a/b"\n').config
    assert config.module["bars"].path == tmp_path / "a" / "b" / "bars.py"


@pytest.mark.parametrize("name", ["_bars.py", "my-bars.py", "1.py", "class.py", "a.b.py"])
def test_files_without_a_usable_name_are_warned_of(server: Path, name: str) -> None:
    (server / name).write_text("")
    loaded = _read(server.parent)
    assert loaded.config.module == {}
    assert [warning.split(" is not served")[0] for warning in loaded.warnings] == [str(server / name)]


def test_other_things_that_are_not_served(server: Path) -> None:
    (server / "pack").mkdir()
    (server / "pack" / "__init__.py").write_text("")
    (server / "odd.py").mkdir()
    (server / "gone.py").symlink_to(server / "nowhere")
    (server / "__pycache__").mkdir()
    (server / "__init__.py").write_text("")
    warnings = _read(server.parent).warnings
    assert [Path(warning.split(" is not served")[0]).name for warning in warnings] == ["gone.py", "odd.py", "pack"]


def test_what_nobody_may_call_is_warned_of(server: Path) -> None:
    (server / "bars.py").write_text("")
    (warning,) = _read(server.parent).warnings
    assert "access.allow does not name bars" in warning
    assert _read(server.parent, '[access]\nallow = ["*"]\nunsafe = ["*"]\n').warnings == ()


@pytest.mark.parametrize("name", ["json", "numpy", "os", "click"])
def test_the_name_of_another_module_needs_a_word(server: Path, name: str) -> None:
    (server / f"{name}.py").write_text("")
    with pytest.raises(
        ConfigError, match=rf"server/{name}\.py: module\.{name}\.path: .* has this name: .*shadow = true"
    ):
        _read(server.parent)
    config = _read(server.parent, f"[module.{name}]\nshadow = true\n").config
    assert config.module[name].path == server / f"{name}.py"


def test_a_path_in_the_file_needs_it_too(tmp_path: Path) -> None:
    (tmp_path / "j.py").write_text("")
    with pytest.raises(ConfigError, match=r"ksrpc\.toml:2: module\.json\.path: a module of the standard library"):
        _read(tmp_path, '[module.json]\npath = "j.py"\n')


@pytest.mark.parametrize("name", BUILTIN)
def test_what_comes_with_ksrpc_is_replaced_freely(server: Path, name: str) -> None:
    (server / f"{name}.py").write_text("")
    assert _read(server.parent).config.module[name].path == server / f"{name}.py"


@pytest.mark.parametrize("name", ["ksrpc", "ksrpc_server", "ksrpc_render"])
def test_ksrpc_itself_never(server: Path, name: str) -> None:
    (server / f"{name}.py").write_text("")
    with pytest.raises(ConfigError, match="this name is ksrpc's own"):
        _read(server.parent, f"[module.{name}]\nshadow = true\n")


def test_the_current_folder_is_no_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zzbars.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not is_installed("zzbars", ())
    monkeypatch.chdir("/")
    assert is_installed("zzbars", ())
    assert not is_installed("zzbars", (tmp_path,))


# who may write


@pytest.mark.parametrize(
    ("mode", "told"), [(0o666, "every user of this machine: chmod go-w "), (0o602, "every user of this machine")]
)
def test_a_configuration_that_everybody_can_write(tmp_path: Path, mode: int, told: str) -> None:
    path = tmp_path / "ksrpc.toml"
    path.write_text("")
    path.chmod(mode)
    with pytest.raises(ConfigError, match=told):
        load_config(path)
    path.chmod(0o600)
    assert load_config(path)


def test_a_group_that_is_one_s_own_may_write(tmp_path: Path) -> None:
    path = tmp_path / "ksrpc.toml"
    path.write_text("")
    path.chmod(0o664)
    assert load_config(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_others(tmp_path: Path) -> None:
    path = tmp_path / "ksrpc.toml"
    path.write_text("")
    path.chmod(0o664)
    os.chown(path, -1, OTHER)
    with pytest.raises(ConfigError, match=f"by the group {OTHER}: chmod g-w "):
        load_config(path)
    os.chown(path, OTHER, 0)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=rf"another user \(uid {OTHER}\), who could change it: chown 0 "):
        load_config(path)


@pytest.mark.parametrize("named", [False, True], ids=["in the folder", "by its path"])
def test_code_that_everybody_can_write(server: Path, named: bool) -> None:
    file = server.parent / "bars.py" if named else server / "bars.py"
    file.write_text("")
    file.chmod(0o666)
    text = '[module.bars]\npath = "bars.py"\n' if named else ""
    with pytest.raises(ConfigError, match=r"bars\.py can be changed by every user"):
        _read(server.parent, text)
    file.chmod(0o644)
    assert _read(server.parent, text).config.module["bars"]


def test_a_folder_that_everybody_can_write(server: Path) -> None:
    server.chmod(0o777)
    with pytest.raises(ConfigError, match=r"server can be changed by every user .*chmod go-w "):
        _read(server.parent)


def test_a_link_is_as_safe_as_where_it_leads(server: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "open"
    elsewhere.mkdir()
    (elsewhere / "bars.py").write_text("")
    (server / "bars.py").symlink_to(elsewhere / "bars.py")
    assert _read(tmp_path).config.module["bars"]
    elsewhere.chmod(0o777)
    with pytest.raises(ConfigError, match=r"bars\.py lies in .*open, where every user .*chmod o-w "):
        _read(tmp_path)
    elsewhere.chmod(0o755)
    (elsewhere / "bars.py").chmod(0o666)
    with pytest.raises(ConfigError, match=r"bars\.py can be changed by every user"):
        _read(tmp_path)


# the text of the file


def test_a_mark_of_byte_order_and_windows_lines(tmp_path: Path) -> None:
    (tmp_path / "ksrpc.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nport = 1\r\n[call]\r\nqueue = 0\r\n")
    with pytest.raises(ConfigError, match=r"ksrpc\.toml:4: call\.queue: "):
        load_config(tmp_path / "ksrpc.toml")
    (tmp_path / "ksrpc.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nport = 1\r\n")
    assert load_config(tmp_path / "ksrpc.toml").server.port == 1


@pytest.mark.parametrize(
    "text",
    ["x = " + "[" * 500_000, "x = " + "9" * 5000, "#" * (1 << 20) + "\n", "[" + "a." * 2000 + "a]", "a = 1\n\0"],
    ids=["deep", "digits", "large", "dots", "zero"],
)
def test_hostile_text(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        _read(tmp_path, text)


def test_no_waiting_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ksrpc.toml")
    with pytest.raises(ConfigError, match="it is not a file"):
        load_config(tmp_path / "ksrpc.toml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[quota.defualt]\nrows_per_day = 1\n",
            "1: quota.defualt: nothing of this name is open to anybody; did you mean",
        ),
        ('[quota."demo.tst"]\nrows_per_day = 1\n[quota."math"]\n', "3: quota.math: nothing of this name"),
        ("[quota.default]\nrows_per_dy = 1\n", "2: unknown key quota.default.rows_per_dy; did you mean rows_per_day?"),
        ("[quota.demo]\nrows_per_dy = 1\n", "2: unknown key quota.demo.rows_per_dy; did you mean rows_per_day?"),
        ("[quota.demo]\nrows_per_day = -1\n", "2: quota.demo.rows_per_day: "),
        ('[access]\nallow = ["not a path"]\n', "2: access.allow.0: 'not a path' is not a dotted path of public names"),
        ('[server]\npublic_url = "https://me:secret@x"\n', "2: server.public_url: this is no address"),
    ],
)
def test_more_errors_with_their_lines(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'ksrpc.toml'}:{told}")


def test_a_quota_above_and_below_what_is_open(tmp_path: Path) -> None:
    text = '[access]\nallow = ["demo.test"]\n[quota.demo]\nrows_per_day = 1\n[quota."demo.test.x"]\nrows_per_day = 2\n'
    assert set(_read(tmp_path, text).config.quota.named) == {"demo", "demo.test.x"}


def test_problems_of_the_whole_are_told_together(tmp_path: Path) -> None:
    text = '[server]\nhost = "0.0.0.0"\n[access]\nanonymous = true\n[user.li]\nallow = ["os"]\n[quota.x]\n'
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, text)
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["2", "6", "7"]
