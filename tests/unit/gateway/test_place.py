"""Which place a module's processes get."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from ksrpc.config import Config, load_config
from ksrpc.errors import ConfigError
from ksrpc.gateway.place import plan_place
from ksrpc.gateway.run import Executors

BASE: dict[str, Any] = {
    "server": {"data_dir": "/srv/gw/data", "modules_dir": "/srv/gw/server", "tls_key": "/srv/gw/key", "tls_cert": "/c"},
    "access": {"allow": ["demo", "math", "numpy", "requests", "akshare", "mine", "lib"], "unsafe": ["os"]},
    "module": {"mine": {"path": "/srv/gw/server/mine.py"}, "lib": {"path": "/srv/gw/lib.py"}},
}


def _level(root: str, *, is_unsafe: bool = False, **changes: dict[str, Any]) -> str:
    merged = {**BASE, **{name: {**BASE.get(name, {}), **table} for name, table in changes.items()}}
    return plan_place(Config.model_validate(merged), root, is_unsafe=is_unsafe).level


@pytest.mark.parametrize(
    ("root", "level"),
    [
        ("demo", "strict"),
        ("math", "strict"),
        ("numpy", "strict"),
        ("os", "strict"),
        ("requests", "network"),
        ("urllib", "network"),
        ("akshare", "network"),
        ("mine", "network"),
    ],
)
def test_the_kind_of_a_module_decides(root: str, level: str) -> None:
    assert _level(root) == level


def test_who_has_no_gates_has_no_fence_unless_it_is_said() -> None:
    assert _level("os", is_unsafe=True) == "open"
    assert _level("os", is_unsafe=True, module={"os": {"place": "strict"}}) == "strict"
    assert _level("os", is_unsafe=True, call={"place": "network"}) == "network"


def test_a_module_s_own_place_goes_before_the_common_one() -> None:
    assert _level("numpy", call={"place": "open"}) == "open"
    assert _level("numpy", call={"place": "open"}, module={"numpy": {"place": "network"}}) == "network"


def test_a_toolkit_that_is_a_service_and_a_file_of_its_name_are_no_toolkit() -> None:
    assert _level("numpy", access={"services": ["numpy"]}) == "network"
    assert _level("numpy", module={"numpy": {"path": "/srv/gw/server/numpy.py"}}) == "network"
    assert _level("demo", module={"demo": {"path": "/srv/gw/server/demo.py"}}) == "network"


def test_a_file_is_read_with_its_folder_unless_the_gateway_s_own_things_are_there(tmp_path: Path) -> None:
    config = Config.model_validate(BASE)
    assert plan_place(config, "mine", is_unsafe=False).read == ("/srv/gw/server/mine.py", "/srv/gw/server")
    assert plan_place(config, "lib", is_unsafe=False).read == ("/srv/gw/lib.py",)
    for folder in (Path.home(), Path(tempfile.gettempdir()), Path("/")):
        shared = Config.model_validate({**BASE, "module": {"lib": {"path": folder / "lib.py"}}})
        assert plan_place(shared, "lib", is_unsafe=False).read == (str(folder / "lib.py"),)
    (tmp_path / "ksrpc.toml").touch()
    apart = Config.model_validate({**BASE, "module": {"lib": {"path": tmp_path / "lib.py"}}})
    assert plan_place(apart, "lib", is_unsafe=False).read == (str(tmp_path / "lib.py"),)
    assert plan_place(config, "numpy", is_unsafe=False).read == ()
    assert plan_place(config, "numpy", is_unsafe=False).module == "numpy"


def test_the_gateway_s_secrets_are_closed() -> None:
    assert {"/srv/gw/data", "/srv/gw/key"} <= set(
        plan_place(Config.model_validate(BASE), "mine", is_unsafe=False).closed
    )


def test_roots_and_ports_of_a_module_go_before_the_common_ones() -> None:
    tree = {**BASE, "call": {"data_roots": ["/prices"], "connect_ports": [443]}}
    common = plan_place(Config.model_validate(tree), "akshare", is_unsafe=False)
    assert (common.read, common.ports) == (("/prices",), (443,))
    tree["module"] = {"akshare": {"data_roots": [], "connect_ports": [7000]}}
    own = plan_place(Config.model_validate(tree), "akshare", is_unsafe=False)
    assert (own.read, own.ports) == ((), (7000,))


@pytest.mark.parametrize("bad", [{"place": "tight"}, {"connect_ports": [0]}, {"connect_ports": [70_000]}])
def test_values_that_cannot_be(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Config.model_validate({"call": bad})


def test_what_runs_in_the_gateway_has_no_place(tmp_path: Path) -> None:
    (tmp_path / "ksrpc.toml").write_text('[module.math]\nexecutor = "inline"\nplace = "strict"\n')
    with pytest.raises(ConfigError, match=r":3: module\.math\.place: .*inline"):
        load_config(tmp_path / "ksrpc.toml")


def test_data_roots_are_taken_from_the_file_s_folder(tmp_path: Path) -> None:
    text = '[call]\ndata_roots = ["a", "/b"]\n[module.math]\ndata_roots = ["c"]\n'
    (tmp_path / "ksrpc.toml").write_text(text)
    config = load_config(tmp_path / "ksrpc.toml")
    assert config.call.data_roots == (tmp_path / "a", Path("/b"))
    assert config.module["math"].data_roots == (tmp_path / "c",)


def test_answers_to_arguments_that_named_other_places_are_not_given_again() -> None:
    def edition(**section: Any) -> str:
        module = {**BASE["module"], "akshare": section}
        return Executors(Config.model_validate({**BASE, "module": module})).edition("akshare.read")

    classed = {"parameters": {"read.path": "path:read"}}
    told = [
        edition(),
        edition(**classed),
        edition(**classed, data_roots=["/prices"]),
        edition(**classed, hosts=["a.example"]),
        edition(parameters={"read.path": "plain"}),
    ]
    assert told[0] == "", "without classes, arguments mean the same everywhere"
    assert len(set(told)) == len(told)
    assert edition(**classed) == told[1]
