"""What the doctor says of the place of worker processes, for kernels that are not here."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksrpc.cli.doctor import place
from ksrpc.cli.doctor.finding import Case, Mark
from ksrpc.config import Config

ALL = dict.fromkeys(("read", "write", "start", "fork", "connect", "signal"), True)


@pytest.mark.parametrize("version", [6, 7, 9])
def test_all_is_stopped(version: int) -> None:
    found = place.judge(version, ALL)
    assert (found.mark, found.cure) == (Mark.OK, "")
    assert f"Landlock {version}" in found.text


def test_a_kernel_that_promises_and_does_not_keep_it_is_a_failure() -> None:
    found = place.judge(7, {**ALL, "read": False, "fork": False})
    assert found.mark is Mark.FAIL
    assert "not stopped were reading files, starting processes" in found.text


@pytest.mark.parametrize(
    ("version", "told"), [(1, "cut off"), (3, "TCP ports"), (4, "signals reach"), (5, "signals reach")]
)
def test_older_kernels_are_told_with_what_they_leave_open(version: int, told: str) -> None:
    found = place.judge(version, {**ALL, "signal": False})
    assert found.mark is Mark.WARN
    assert told in found.text
    assert "Linux 6.12" in found.cure


def test_without_landlock_it_says_so_and_what_is_stopped_all_the_same() -> None:
    found = place.judge(0, {**ALL, "read": False, "write": False, "signal": False})
    assert found.mark is Mark.WARN
    assert found.text.startswith("no Landlock in this kernel")
    assert "stopped were starting programs, starting processes, connecting" in found.text
    assert "rights of the server's user" in found.text
    assert "lsm=" in found.cure


def test_where_all_places_are_open_nothing_is_tried(tmp_path: Path) -> None:
    settings = Config.model_validate({"call": {"place": "open"}, "access": {"allow": ["demo", "numpy"]}})
    (found,) = place.check_place(Case(tmp_path / "ksrpc.toml", settings))
    assert found.text == "open: demo, numpy"


def test_inline_modules_have_no_place(tmp_path: Path) -> None:
    tree = {"access": {"allow": ["math", "os"], "unsafe": ["os"]}, "module": {"math": {"executor": "inline"}}}
    (found,) = place.check_place(Case(tmp_path / "ksrpc.toml", Config.model_validate(tree)))
    assert found.text == "open: os"


def test_modules_with_hosts_are_told_with_how_well_they_are_kept() -> None:
    found = place.judge_hosts(["tushare"], is_apart=True)
    assert (found.mark, "for tushare" in found.text) == (Mark.OK, True)
    found = place.judge_hosts(["tushare"], is_apart=False)
    assert found.mark is Mark.WARN
    assert "user namespaces" in found.cure
