"""The environments that cases travel between: what `.ci/environments` made, and the one that runs the tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.server import ROOT, GatewayProcess, clean_environment

#: Name → interpreter. "new" runs the tests, "old" has the oldest pandas and numpy, "oldest" only reads.
ENVIRONMENTS = {
    "new": Path(sys.executable),
    "old": ROOT / ".venv-pandas2" / "bin" / "python",
    "oldest": ROOT / ".venv-pandas1" / "bin" / "python",
}

CONFIG = f"""
[server]
port = 0
[call]
enabled = true
timeout_s = 60
data_roots = ['{ROOT}']
[access]
anonymous = true
allow = ["demo", "there"]
[module.there]
arguments = "any"
"""

_SOURCE = ROOT / "tests" / "fidelity"


def interpreter(name: str) -> Path:
    """Return the interpreter of an environment; without it the test is skipped and says what makes it."""
    path = ENVIRONMENTS[name]
    if not path.exists():
        pytest.skip(f"no {path.relative_to(ROOT)}: .ci/environments makes it, as `make test` does")
    return path


def run_cases(name: str, answer: Path, command: str, *arguments: str) -> dict[str, Any]:
    """Run a command of `run_cases.py` in an environment and return its answer."""
    line = [str(interpreter(name)), str(_SOURCE / "run_cases.py"), command, str(answer), *arguments]
    env = {**clean_environment(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return told


def gateway_of(name: str, folder: Path) -> GatewayProcess:
    """Return a gateway, not started, that runs in an environment and makes cases there."""
    (folder / "server").mkdir(parents=True)
    way_home = f"from __future__ import annotations\n\nimport sys\n\nsys.path.insert(0, {str(ROOT)!r})\n"
    text = (_SOURCE / "there.py").read_text(encoding="utf-8").replace(way_home.partition("\n")[0], way_home)
    (folder / "server" / "there.py").write_text(text, encoding="utf-8")
    return GatewayProcess(folder, CONFIG, python=(str(interpreter(name)),))
