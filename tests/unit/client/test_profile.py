"""The profile of `ksrpc login`: whose token goes where, and who may read the file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ksrpc.client import connect
from ksrpc.client.profile import Profile, dump_profile, find_profile, load_profile, origin_of
from ksrpc.errors import ConfigError

URL, TOKEN = "http://gw:8000", "ksr_abcdefgh_secret"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "ksrpc"


def keep(*pairs: tuple[str, str]) -> Path:
    profile = Profile()
    for url, token in pairs:
        profile.add(url, token)
    return dump_profile(profile)


def token_of(url: str | None = None, token: str | None = None) -> str | None:
    return connect(url, token=token).connection._token


def test_it_is_read_as_it_was_written(folder: Path) -> None:
    path = keep(("https://other/prefix", "ksr_2"), (URL, TOKEN))
    assert path == folder / "profile.toml"
    assert load_profile() == Profile(URL, {"https://other/prefix": "ksr_2", URL: TOKEN})


def test_only_its_owner_can_read_it_and_nothing_is_left_beside_it(folder: Path) -> None:
    mask = os.umask(0)
    try:
        path = keep((URL, TOKEN))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    keep((URL, "ksr_2"))
    assert [entry.name for entry in folder.iterdir()] == ["profile.toml"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_one_that_others_can_read_is_refused_with_the_cure(mode: int) -> None:
    path = keep((URL, TOKEN))
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        load_profile()
    with pytest.raises(ConfigError, match="chmod 600"):
        connect()
    assert token_of(URL, token="ksr_given") == "ksr_given", "what is given needs no profile"


@pytest.mark.parametrize(
    "text", ["current = ", "[token]\n", "current = 5\n[token]\n", 'current = ""\ntoken = "ksr_secret"', "\x00",
             'current = ""\n[token]\n"not a url" = "ksr_secret"\n', 'current = ""\n[token]\n"http://a" = 5\n']
)  # fmt: skip
def test_a_broken_one_is_told_with_the_cure_and_without_a_secret(text: str) -> None:
    path = keep((URL, TOKEN))
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_profile()
    assert str(path) in str(caught.value) or "http://" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_failed_write_keeps_the_one_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep((URL, TOKEN))
    (folder / "deep").write_text("a file")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "deep"))
    with pytest.raises(ConfigError, match="cannot be written"):
        keep((URL, "ksr_2"))
    assert load_profile() == Profile(), "a folder that cannot be is none"


def test_without_a_home_there_is_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert find_profile() is None
    assert load_profile() == Profile()
    with pytest.raises(ConfigError, match="XDG_CONFIG_HOME"):
        keep((URL, TOKEN))


def test_a_relative_folder_is_ignored_as_the_specification_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_profile() == tmp_path / ".config" / "ksrpc" / "profile.toml"


@pytest.mark.parametrize(
    ("url", "is_same"),
    [
        ("http://gw:8000", True),
        ("http://GW:8000/prefix/api/file", True),
        ("ws://gw:8000/ws/bytes", True),
        ("https://gw:8000", False),
        ("wss://gw:8000", False),
        ("http://gw:8001", False),
        ("http://gw", False),
        ("http://gw.evil.example:8000", False),
        ("http://evil.example:8000/?http://gw:8000", False),
    ],
)
def test_a_token_goes_to_its_own_origin_only(url: str, is_same: bool) -> None:
    keep((URL, TOKEN))
    assert token_of(url) == (TOKEN if is_same else None)
    assert (origin_of(url) == origin_of(URL)) is is_same


def test_arguments_go_before_the_environment_and_that_before_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(("http://other:8000", "ksr_other"), (URL, TOKEN))
    assert (connect().connection.url, token_of()) == (URL, TOKEN)
    monkeypatch.setenv("KSRPC_URL", "http://other:8000")
    assert (connect().connection.url, token_of()) == ("http://other:8000", "ksr_other")
    monkeypatch.setenv("KSRPC_TOKEN", "ksr_env")
    assert token_of() == "ksr_env"
    assert (connect(URL).connection.url, token_of(URL)) == (URL, "ksr_env")
    assert token_of(URL, token="ksr_given") == "ksr_given"


def test_logging_out_forgets_and_logging_in_again_replaces() -> None:
    profile = Profile()
    profile.add(URL, TOKEN)
    profile.add(f"{URL}/prefix", "ksr_new")
    assert profile == Profile(f"{URL}/prefix", {f"{URL}/prefix": "ksr_new"})
    profile.add("http://other", "ksr_2")
    assert profile.remove(URL)
    assert profile.current == "http://other"
    assert not profile.remove(URL)
    assert profile.remove("http://other")
    assert profile == Profile()


def test_without_anything_the_error_says_all_the_ways() -> None:
    with pytest.raises(ConfigError, match="KSRPC_URL, or run `ksrpc login URL`"):
        connect()
