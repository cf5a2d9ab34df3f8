"""The entry point: it says what is missing instead of failing with a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.server import clean_environment


@pytest.mark.parametrize("package", ["click", "rich", "pydantic", "uvicorn"])
def test_a_missing_package_of_the_server_is_named_with_its_cure(package: str, tmp_path: Path) -> None:
    hidden = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv = ['ksrpc', '--help']; import ksrpc.cli as c; c.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert package in done.stderr
    assert "pip install 'ksrpc[server]'" in done.stderr


@pytest.mark.parametrize("words", [["-m", "ksrpc"], ["-c", "from ksrpc.cli import main; main()"]])
def test_both_names_are_the_same_program(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *words, "token", "create", "--help"],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "token create [OPTIONS] NAME" in done.stdout
