"""The entry point: it says what is missing instead of failing with a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ksrpc.cli.command import CLIENT, COMMANDS
from tests.helpers.server import clean_environment


def run_without(package: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command where a package is not installed."""
    hidden = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv = ['ksrpc', *{arguments!r}]; "
        "from ksrpc.cli import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", hidden],
        cwd=cwd, env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("package", "arguments", "cure"),
    [
        ("click", ["--help"], "pip install 'ksrpc[client]', or 'ksrpc[server]' to serve"),
        ("click", ["ls"], "pip install 'ksrpc[client]', or 'ksrpc[server]' to serve"),
        ("rich", ["token", "ls"], "pip install 'ksrpc[server]'"),
        ("pydantic", ["serve", "--try"], "pip install 'ksrpc[server]'"),
        ("pydantic", ["token", "ls"], "pip install 'ksrpc[server]'"),
        ("uvicorn", ["serve", "--help"], "pip install 'ksrpc[server]'"),
        ("pyarrow", ["call", "a.b", "-o", "x.parquet", "--url", "http://127.0.0.1:9"], "pip install 'ksrpc[arrow]'"),
    ],
)
def test_a_missing_package_is_named_with_its_cure(
    package: str, arguments: list[str], cure: str, tmp_path: Path
) -> None:
    done = run_without(package, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert package in done.stderr
    assert done.stderr.rstrip().endswith(cure)


@pytest.mark.parametrize("package", ["rich", "pydantic", "uvicorn", "pyarrow", "pandas"])
def test_the_help_lists_every_command_and_what_some_of_them_lack(package: str, tmp_path: Path) -> None:
    done = run_without(package, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    listed = {line.split()[0]: line for line in done.stdout.partition("Commands:")[2].splitlines() if line}
    assert set(COMMANDS) <= set(listed)
    assert all("not installed" not in listed[name] for name in CLIENT)
    if package in ("pydantic", "uvicorn"):
        assert f"({package} is not installed" in listed["serve"]


@pytest.mark.parametrize("name", sorted(CLIENT))
def test_the_commands_of_a_client_need_nothing_of_the_server(name: str, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['pydantic', 'uvicorn', 'rich', 'pandas', 'pyarrow']));"
        f"sys.argv = ['ksrpc', {name!r}, '--help']; from ksrpc.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=clean_environment(), capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"ksrpc {name}" in done.stdout


@pytest.mark.parametrize("words", [["-m", "ksrpc"], ["-c", "from ksrpc.cli import main; main()"]])
def test_both_names_are_the_same_program(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *words, "token", "create", "--help"],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "token create [OPTIONS] NAME" in done.stdout
