"""Every public callable of every module that a preset lists was looked at: it is open, or closed with a reason."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ksrpc.errors import ForbiddenError
from ksrpc.expose import Resolver, load_presets
from ksrpc.expose.parameter import class_by_name
from ksrpc.expose.preset import Preset
from ksrpc.model import Rules
from tests.fidelity.environment import interpreter
from tests.helpers.server import ROOT, clean_environment
from tests.security.expose import classify
from tests.security.expose.classify import unclassified

PRESETS = {root: preset for root, preset in load_presets().items() if preset.kind != "vendor"}


@pytest.mark.parametrize("root", sorted(PRESETS))
def test_nothing_is_unclassified(root: str) -> None:
    """A name in neither list was never looked at."""
    count, left = unclassified(root)
    assert count >= 4
    assert left == []


def test_nor_with_the_oldest_libraries() -> None:
    """The same with the oldest numpy and pandas that are supported."""
    line = [str(interpreter("old")), str(Path(classify.__file__)), "numpy", "pandas"]
    env = {**clean_environment(), "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["numpy"]["version"].startswith("1.26")
    assert told["pandas"]["version"].startswith("2.2")
    for found in (told["numpy"], told["pandas"]):
        assert found["count"] > 100
        assert found["unclassified"] == []


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.root)
def test_every_reason_is_a_sentence_for_callers(preset: Preset) -> None:
    """It is short, and names no number of a list or a file."""
    for path, closed in preset.closed.items():
        assert re.fullmatch(r"[a-z0-9][^\n]{8,110}[a-z0-9)]", closed.reason), (path, closed.reason)


@pytest.mark.parametrize("root", sorted(PRESETS))
def test_what_names_a_file_is_closed_or_checked(root: str) -> None:
    """Reading and writing by name is open nowhere."""
    names = {path.rpartition(".")[2] for path in PRESETS[root].names}
    acts = re.compile(r"^(read_|scan_|write_|sink_|load$|save|open|fetch_|dump$|from_file|fromfile|tofile)")
    assert sorted(name for name in names if acts.match(name)) == []


def test_capabilities_by_name() -> None:
    """A new parameter of an open function that names a capability is closed by its name."""
    assert {class_by_name(name) for name in ("engine", "path_or_buf", "storage_options", "callback")} == {"number"}


@pytest.mark.parametrize("name", ["irfft", "hfft", "irfft2", "irfftn", "fft"])
def test_no_transform_of_nothing(name: str) -> None:
    """Numpy would answer with memory that was not cleared: addresses of the process, for one."""
    target = Resolver(Rules(allow=("numpy",))).resolve(f"numpy.fft.{name}")
    nothing: list[Any] = [[], np.zeros((2, 0))]
    for empty in nothing:
        with pytest.raises(ForbiddenError, match="without elements"):
            target.call_check((empty, 3) if name in ("fft", "irfft", "hfft") else (empty,), {})
