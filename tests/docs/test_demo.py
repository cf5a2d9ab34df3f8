"""`make demo` shows what it says, and says so if something is not as claimed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from tests.helpers.server import ROOT, clean_environment

SCRIPT = ROOT / "examples" / "demo.py"


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_everything_is_as_claimed() -> None:
    env = {**clean_environment(), "KSRPC_TOKEN": "ksr_of_another_gateway", "KSRPC_URL": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=env, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    kinds = ("5,031 × 6", "MB/s", "rule A3", "404: no such module", "SIGSEGV", "ZeroDivisionError", "curl -s")
    for shown in (*kinds, ": kept", "429: the quota"):
        assert shown in done.stdout
    assert "All as claimed" in done.stdout


def test_what_is_not_as_claimed_is_told_in_a_line_and_counted(
    demo: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong() -> None:
        demo.claim(False, "the frame differs")

    def lost() -> None:
        raise demo.LostError("the worker process\nwas lost")

    def right() -> None:
        demo.claim(True, "")

    parts = [("one", wrong), ("two", lost), ("three", right)]
    assert demo.run(SimpleNamespace(parts=lambda: parts)) == 2
    printed = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in printed] == [
        "✗ one ClaimError: the frame differs",
        "✗ two LostError: the worker process was lost",
    ]


def test_a_gateway_that_does_not_start_is_told(demo: ModuleType) -> None:
    process = subprocess.Popen([sys.executable, "-c", "print('no port')"], stdout=subprocess.PIPE, text=True)
    with process, pytest.raises(demo.ClaimError, match="did not start: no port"):
        demo.wait_ready(process)
