"""`[module.NAME.parameters]`: what is a parameter, what is a class, and what the workers are told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksrpc.config import Config
from ksrpc.config.file import load_config
from ksrpc.errors import ConfigError
from ksrpc.gateway.place import plan_reach


def _load(folder: Path, section: str) -> Config:
    path = folder / "ksrpc.toml"
    path.write_text(f'[access]\nallow = ["mine"]\n[module.mine]\n{section}\n')
    return load_config(path)


@pytest.mark.parametrize("key", ["path", "*.path", "read.path", "part.Shop.read.path", "读.路径", "read._path"])
def test_a_parameter_is_named_with_its_function_or_for_all(tmp_path: Path, key: str) -> None:
    config = _load(tmp_path, f'parameters = {{ "{key}" = "path:read" }}')
    assert config.module["mine"].parameters == {key: "path:read"}


@pytest.mark.parametrize(
    "key", ["", "*", ".path", "read.", "read.*", "_read.path", "*.*.path", "read path", "a..b", "read.*.x"]
)
def test_what_is_no_parameter(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=r"is no parameter: write|is not a dotted path"):
        _load(tmp_path, f'parameters = {{ "{key}" = "text" }}')


@pytest.mark.parametrize(
    "kind",
    ["text", "plain", "number", "choice:day", "choice:a|b|", "path:read", "path:write", "url:a.example|10.0.0.0/8:81"],
)
def test_classes_there_are(tmp_path: Path, kind: str) -> None:
    assert _load(tmp_path, f'parameters = {{ x = "{kind}" }}').module["mine"].parameters == {"x": kind}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("pth", "is no class of parameters; there are normal, strict, .*path:read, path:write, url"),
        ("", "is no class of parameters"),
        ("path", "is no class of parameters"),
        ("path:exec", "is no class of parameters"),
        ("text:x", "is no class of parameters"),
        ("choice", "needs its texts"),
        ("choice:", "needs its texts"),
        ("url:", "is no host"),
        ("url:a.example|", "is no host"),
        ("url:https://a.example", "is no"),
        ("url:127.0.0.1", "closed to modules"),
        ("url", r"list the hosts in module\.mine\.hosts"),
    ],
)
def test_a_class_that_is_none_stops_the_start(tmp_path: Path, kind: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        _load(tmp_path, f'parameters = {{ "read.x" = "{kind}" }}')


def test_what_contradicts_itself_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another name for it; keep one"):
        _load(tmp_path, 'parameters = { x = "text", "*.x" = "plain" }')
    with pytest.raises(ConfigError, match="no argument is looked at"):
        _load(tmp_path, 'arguments = "any"\nparameters = { x = "text" }')


def test_what_the_workers_are_told(tmp_path: Path) -> None:
    config = _load(tmp_path, 'data_roots = ["prices"]\nhosts = ["a.example"]\nparameters = { url = "url" }')
    reach = plan_reach(config, "mine")
    assert reach.roots == (str(tmp_path / "prices"),)
    assert str(tmp_path / "data") in reach.closed
    assert (reach.hosts, reach.scratch, dict(reach.classes)) == (("a.example",), "", {"url": "url"})
    assert plan_reach(config, "other").classes == {}
