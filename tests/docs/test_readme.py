"""Every program in README and docs does what the page says, against a real server."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from ksrpc.config import load_config
from tests.docs import play
from tests.docs.page import Block, expected_lines, is_tutorial, load_blocks, missing_line, pages, strip_comments
from tests.helpers import launch
from tests.helpers.server import ROOT, GatewayProcess, clean_environment

SKIPS_MAX = 3
PRINTED = "127.0.0.1:8000"  # the address that the pages print
TOKENED_CONFIG = """
[call]
enabled = true
[access]
allow = ["demo", "math"]
"""
LIBRARIES_CONFIG = """
[call]
enabled = true
[access]
anonymous = true
allow = ["demo", "math", "os.path", "numpy", "pandas", "arch.data.sp500"]
"""

EVERY = [block for page in pages() if not is_tutorial(page) for block in load_blocks(page)]
BLOCKS = [block for block in EVERY if block.is_runnable]
SETTINGS = [block for block in EVERY if block.language == "toml"]


@dataclass(frozen=True)
class Served:
    """Hold a running server and a token that it knows."""

    gateway: GatewayProcess
    token: str


#: What pages set for the servers that they start.
VARIABLES = {"QUOTES_KEY": "k-93ab-do-not-tell"}


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Block], Served]]:
    """Give the server that a block calls; equal ones are started once."""
    with ExitStack() as stack:
        running: dict[tuple[tuple[str, str], ...], Served] = {}

        def start(files: dict[str, str]) -> Served:
            folder = tmp_path_factory.mktemp("server")
            if not files:
                trial = GatewayProcess(folder, None, arguments=("serve", "--try", "--port", "0"))
                return Served(stack.enter_context(trial), "")
            write_files(folder, files)
            gateway = GatewayProcess(folder, None, arguments=("serve", "--port", "0"), env=VARIABLES)
            token = gateway.create_token("reader")  # before the start: a running server looks for new ones by and by
            return Served(stack.enter_context(gateway), token)

        def get(block: Block) -> Served:
            files = files_of(block)
            key = tuple(sorted(files.items()))
            if key not in running:
                running[key] = start(files)
            return running[key]

        yield get


def files_of(block: Block) -> dict[str, str]:
    """Give the files of the folder in which the block's server is started; none for `ksrpc serve --try`."""
    if "own" in block.marks:
        return files_above(block)
    if "tokened" in block.marks:
        return {"ksrpc.toml": TOKENED_CONFIG}
    return {"ksrpc.toml": LIBRARIES_CONFIG} if "libraries" in block.marks else {}


def files_above(block: Block) -> dict[str, str]:
    """Collect the files that the page has shown before a block; of several versions the last."""
    above = [other for other in EVERY if other.page == block.page and other.line < block.line]
    return {other.marks["file"]: other.code for other in above if "file" in other.marks}


def write_files(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Give an environment in which `ksrpc` and `python` are those under test."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in (("python", [sys.executable]), ("ksrpc", [*launch.commands().words, "-m", "ksrpc"])):
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (programs / name).chmod(0o755)
    env = clean_environment()
    path = f"{programs}{os.pathsep}{env['PATH']}"
    return {**env, "PATH": path, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}


def program(block: Block) -> str:
    """Give the block's code, after that of the blocks it continues."""
    code = block.code
    if block.language == "console":
        code = "".join(line[2:] + "\n" for line in code.splitlines() if line.startswith("$ "))
    if "continues" in block.marks:
        before = [other for other in BLOCKS if other.page == block.page and other.line < block.line]
        same = [other for other in before if other.language == block.language]
        code = program(same[-1]) + code
    return code


def fill_in(code: str, served: Served) -> str:
    """Put the real address, and a real token, where the page prints examples."""
    return code.replace(PRINTED, f"127.0.0.1:{served.gateway.port}").replace("ksr_…", served.token)


def check_extras(line: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for named in re.findall(r"(?:ksrpc|\.)\[([\w,]+)\]", line):
        assert set(named.split(",")) <= set(extras), line


def check_target(line: str) -> None:
    done = subprocess.run(["make", "-n", *line.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def runnable_lines(code: str) -> str:
    """Check the lines that would install, build or fetch, and leave them out of what is run."""
    kept = []
    for line in code.splitlines():
        if line.startswith("pip install "):
            check_extras(line)
        elif line.startswith("make "):
            check_target(line.partition("#")[0])
        elif not line.startswith(("git clone ", "cd ")):
            kept.append(line)
    return "\n".join(kept) + "\n"


def run(block: Block, code: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    if block.language == "python":
        script = folder / "block.py"
        script.write_text(code, encoding="utf-8")
        command = [sys.executable, play.__file__, str(script)]
    else:
        command = ["bash", "-euo", "pipefail", "-c", runnable_lines(code)]
    return launch.run(command, cwd=folder, env=env, timeout=90)


def check_serving(block: Block, folder: Path) -> None:
    """Start what a block's last line starts, on a free port, and wait until it is ready."""
    last = runnable_lines(program(block)).strip().splitlines()[-1]
    words = last.partition("#")[0].split()
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        assert VARIABLES[name] == value
    words[0] = words[0].removeprefix(".venv/bin/")
    assert words[0] == "ksrpc", f"{block.id}: only `ksrpc …` serves"
    write_files(folder, files_above(block))
    with GatewayProcess(folder, None, arguments=[*words[1:], "--port", "0"], env=VARIABLES) as gateway:
        assert gateway.url


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.id)
def test_block_runs(block: Block, serve: Callable[[Block], Served], tmp_path: Path, env: dict[str, str]) -> None:
    if "skip" in block.marks:
        pytest.skip(block.marks["skip"])
    if "serves" in block.marks:
        check_serving(block, tmp_path)
        return
    code, folder = program(block), tmp_path
    if PRINTED in code or "ksr_…" in code or "own" in block.marks:
        served = serve(block)
        code = fill_in(code, served)
        folder = served.gateway.folder if "own" in block.marks else tmp_path
    done = run(block, code, folder, env)
    wanted = block.marks.get("raises")
    if wanted:
        assert done.returncode != 0
        assert wanted in done.stderr.strip().splitlines()[-1]
    else:
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    missing = missing_line(expected_lines(block), done.stdout)
    assert missing is None, f"not printed: {missing}\n{done.stdout}"


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: block.id)
def test_settings_are_accepted(block: Block, tmp_path: Path) -> None:
    others = [other for other in EVERY if other.page == block.page and "file" in other.marks]
    write_files(tmp_path, {other.marks["file"]: other.code for other in others} | {"ksrpc.toml": block.code})
    assert load_config(tmp_path / "ksrpc.toml")


def test_few_blocks_are_left_out() -> None:
    assert sum("skip" in block.marks for block in BLOCKS) <= SKIPS_MAX


def test_both_readmes_hold_the_same_code() -> None:
    english, chinese = (load_blocks(ROOT / name) for name in ("README.md", "README.zh-CN.md"))
    assert [(block.language, strip_comments(block.code)) for block in english] == [
        (block.language, strip_comments(block.code)) for block in chinese
    ]
    assert any(block.is_runnable for block in english)
