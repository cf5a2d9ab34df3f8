"""The original program's switches: what each becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ksrpc.config import Config
from ksrpc.config.draft import Conversion
from ksrpc.config.file import parse_config
from ksrpc.config.legacy import convert
from ksrpc.config.switch import SWITCHES
from ksrpc.config.template import TEMPLATE, fill
from ksrpc.errors import ConfigError


def _convert(text: str) -> Conversion:
    return convert(text.encode(), "config.py")


def _config(text: str, tmp_path: Path) -> Config:
    return parse_config(fill(TEMPLATE, _convert(text).settings), tmp_path / "ksrpc.toml", {}).config


def _told(made: Conversion) -> dict[str, str]:
    return {line.switch: f"{line.becomes} | {line.note}" for line in made.lines}


ALLOW = "METHODS_ALLOW = {'pandas': {'read_csv': True, 'a': {'b': {'c': True, 'd': False}}}, 'os': True, 'x': False}\n"


def test_what_may_be_called(tmp_path: Path) -> None:
    text = ALLOW + "METHODS_BLOCK = {'os': {'remove': False, 'stat': True}, 'ksrpc': {'config': False}}\n"
    access = _config(text, tmp_path).access
    assert access.allow == ("pandas.read_csv", "pandas.a.b.c", "os")
    assert access.block == ("pandas.a.b.d", "os.remove")
    assert access.unsafe == ()
    assert "ksrpc itself is always closed" in _told(_convert(text))["METHODS_BLOCK"]


def test_everything_never_becomes_a_star(tmp_path: Path) -> None:
    text = f"METHODS_CHECK = False\n{ALLOW}"
    assert _config(text, tmp_path).access.allow == ("pandas.read_csv", "pandas.a.b.c", "os")
    assert "only METHODS_ALLOW is open" in _told(_convert(text))["METHODS_CHECK"]
    rules = _convert("IMPORT_RULES = {'*': True}\n")
    assert ("access", "allow") not in rules.settings
    assert "name the modules" in _told(rules)["IMPORT_RULES"]


def test_an_empty_table_opens_nothing(tmp_path: Path) -> None:
    assert _config("METHODS_ALLOW = {}\n", tmp_path).access.allow == ()


def test_what_opens_needs_more(tmp_path: Path) -> None:
    made = convert(ALLOW.encode(), "config.py", lambda patterns: [f"needs {' '.join(patterns)}"])
    assert "needs pandas.read_csv pandas.a.b.c os" in _told(made)["METHODS_ALLOW"]


@pytest.mark.parametrize(
    ("rules", "allow", "block"),
    [
        ({"ksrpc.server.demo": True, "tushare": False, "*": True}, ("demo",), ()),
        ({"tushare": True, "akshare*": True, "baostock.*": True}, ("tushare", "akshare", "baostock"), ()),
        ({"tushare.pro": False, "tushare*": True}, ("tushare",), ("tushare.pro",)),
        ({"tushare.pro": True, "tushare*": False}, ("tushare.pro",), ()),
        ({"ksrpc*": True, "*": False}, ("demo",), ()),
        ({"builtins": True, "math": True, "?s": True}, ("math",), ()),
        ({"ksrpc.server.demo": False, "ksrpc.server.*": True}, ("demo",), ("demo",)),
    ],
)
def test_import_rules(rules: dict[str, bool], allow: tuple[str, ...], block: tuple[str, ...], tmp_path: Path) -> None:
    config = _config(f"IMPORT_RULES = {rules!r}\n", tmp_path)
    assert (config.access.allow, config.access.block, config.call.enabled) == (allow, block, True)


def test_addresses(tmp_path: Path) -> None:
    text = (
        "IP_CHECK = True\nIP_ALLOW = {'127.0.0.0/8': True, '10.0.0.1/8': True, '10.9.0.0/16': False}\n"
        "IP_BLOCK = {'8.8.8.8/32': False, '8.8.4.4': True}\n"
    )
    access = _config(text, tmp_path).access
    assert access.ip_allow == ("127.0.0.0/8", "10.0.0.1/8")
    assert access.ip_block == ("10.9.0.0/16", "8.8.8.8/32")
    assert "cannot be excepted from what is blocked: 8.8.4.4" in _told(_convert(text))["IP_BLOCK"]


def test_an_address_check_that_was_off_lets_nobody_more_in(tmp_path: Path) -> None:
    text = "IP_CHECK = False\nIP_ALLOW = {'0.0.0.0/0': True}\nIP_BLOCK = {'8.8.8.8/32': False}\n"
    access = _config(text, tmp_path).access
    assert (access.ip_allow, access.ip_block) == (("loopback", "private"), ("8.8.8.8/32",))
    assert "was off" in _told(_convert(text))["IP_CHECK"]


def test_tokens() -> None:
    text = 'AUTH_TOKENS = {"secret-token-1": "john", "her-own-word": "susan"}\n'
    assert _convert("AUTH_CHECK = True\n" + text).tokens == {"secret-token-1": "john", "her-own-word": "susan"}
    made = _convert("AUTH_CHECK = False\n" + text)
    assert made.tokens == {"her-own-word": "susan"}  # nobody needed it, and everybody knows it
    assert "`ksrpc token create NAME`" in _told(made)["AUTH_CHECK"]


def test_nobody_is_let_in_without_a_token(tmp_path: Path) -> None:
    config = _config("AUTH_CHECK = False\nHOST = '0.0.0.0'\n", tmp_path)
    assert (config.access.anonymous, config.server.host) == (False, "0.0.0.0")


QUOTAS = (
    "QUOTA_MODULE = {'demo': 1000, 'tushare': 5}\nQUOTA_FUNC = {'demo': {'test': 500}}\n"
    "QUOTA_MODULE_DEFAULT = 10000 * 10000\nQUOTA_FUNC_DEFAULT = 10000 * 1000\n"
)


def test_quotas(tmp_path: Path) -> None:
    text = QUOTAS + "QUOTA_CHECK = True\n"
    quota = _config(text, tmp_path).quota
    assert {name: section.rows_per_day for name, section in quota.named.items()} == {"demo": 1000, "demo.test": 500}
    assert (quota.default.module_rows_per_day, quota.default.function_rows_per_day) == (100_000_000, 10_000_000)
    assert quota.default.rows_per_day is None
    assert "not open, so without a quota: tushare" in _told(_convert(text))["QUOTA_MODULE"]


def test_quotas_that_were_not_in_force(tmp_path: Path) -> None:
    assert _config(QUOTAS + "QUOTA_CHECK = False\n", tmp_path).quota == Config().quota


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("ENABLE_SERVER = True", "call.enabled", True),
        ("ENABLE_SERVER = False", "call.enabled", False),
        ("ENABLE_SERVER = False\nIMPORT_RULES = {'demo': True}", "call.enabled", False),
        ("PORT = 8080", "server.port", 8080),
        ("PORT = '8081'", "server.port", 8081),
        ("HOST = '[::]'", "server.host", "::"),
        ("HOST = '[::]'\nHOST = '0.0.0.0'", "server.host", "0.0.0.0"),
        ("CACHE_ENABLE = False", "cache.enabled", False),
    ],
)
def test_plain_switches(text: str, key: str, value: Any, tmp_path: Path) -> None:
    section, _, name = key.partition(".")
    assert getattr(getattr(_config(text + "\n", tmp_path), section), name) == value


def test_accounts_are_kept_aside() -> None:
    names = ("REDIS_URL", "JQ_USERNAME", "JQ_PASSWORD", "TUSHARE_TOKEN", "EIKON_APP_KEY", "RQ_USERNAME", "RQ_PASSWORD")
    made = _convert("".join(f"{name} = 'hush-{name}'\n" for name in names) + "USER_CREDENTIALS = {'li': 'hush'}\n")
    assert made.secrets == {name: f"hush-{name}" for name in names}
    assert made.settings == {}
    assert "hush" not in str(made.lines)
    assert all("not in this version" in _told(made)[name] for name in names)
    assert "ksrpc token create NAME" in _told(made)["USER_CREDENTIALS"]


@pytest.mark.parametrize("name", ["ENABLE_RELAY", "CACHE_TYPE", "CACHE_PATH", "CACHE_TIMEOUT", "WIND_ENABLE", "PATH"])
def test_what_is_not_there_yet_is_said(name: str) -> None:
    assert _told(_convert(f"{name} = {{}}\n"))[name].startswith("— | not in this version: ")


def test_the_report_has_every_name_in_the_file_s_order() -> None:
    made = _convert("FOO = 1\nPORT = 1\nlower = 2\nfrom x import *\n_BAR = 1\nHOST = 'h'\n")
    assert [(line.switch, line.line) for line in made.lines] == [("FOO", 1), ("PORT", 2), ("import *", 4), ("HOST", 6)]
    assert _told(made)["FOO"] == "— | not a switch of the original"


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_that_cannot_be_read_is_an_error_with_its_line(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^config\.py:2: {name}: a call is not executed here"):
        _convert(f"\n{name} = str(1)\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("PORT = 'x'", "1: PORT: this must be a whole number"),
        ("PORT = 70000", "1: PORT: 70000 is no port"),
        ("HOST = 1", "1: HOST: this must be a text"),
        ("ENABLE_SERVER = 'yes'", "1: ENABLE_SERVER: this must be True or False"),
        ("METHODS_ALLOW = {'a': 'x'}", "1: METHODS_ALLOW: a: this must be True or False, or a dict"),
        ("METHODS_ALLOW = {'a-b': True}", "1: METHODS_ALLOW: 'a-b' is not a dotted path"),
        ("METHODS_ALLOW = {1: True}", "1: METHODS_ALLOW: '1' is no name"),
        ("METHODS_ALLOW = ['a']", "1: METHODS_ALLOW: this must be a dict of names"),
        ("IMPORT_RULES = {'a': 1}", "1: IMPORT_RULES: this must be a dict of module patterns"),
        ("IP_ALLOW = {'300.0.0.0/8': True}", "1: IP_ALLOW: '300.0.0.0/8' is no network"),
        ("IP_BLOCK = 5", "1: IP_BLOCK: this must be a dict"),
        ("AUTH_TOKENS = {1: 'li'}", "1: AUTH_TOKENS: this must be a dict of tokens and names"),
        ("QUOTA_MODULE = {'demo': -1}", "1: QUOTA_MODULE: -1 is no number of rows"),
        ("QUOTA_FUNC_DEFAULT = 10 ** 30", "1: QUOTA_FUNC_DEFAULT: "),
        ("JQ_PASSWORD = 12345", "1: JQ_PASSWORD: this must be a text"),
    ],
)
def test_values_that_cannot_be(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _convert(text + "\n")
    assert str(caught.value).startswith(f"config.py:{told}")


def test_every_error_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        _convert("PORT = f()\nHOST = 'h'\nIP_CHECK = g()\n")
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["1", "3"]
