"""A malicious server names classes, functions and modules in every place there is: the client touches none of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.launch import ROOT, clean_environment
from tests.security.attack.mask import ANSWERS, EXTRAS, NAMES, masks

CANARY = "import pathlib\npathlib.Path('evil_imported').touch()\nclass Boom:\n    pathlib.Path('evil_made').touch()\n"
#: Calls everything, uses what comes as a careless program would, and watches what Python tells of itself meanwhile.
CLIENT = """
import copy, json, pickle, sys
import numpy, pandas
import ksrpc
from ksrpc.connections.base import Options
from ksrpc.errors import KsrpcError

def canary(*args, **kwargs):
    seen.append("called canary")

seen, outcomes = [], {}
url, count, allowed = sys.argv[1], int(sys.argv[2]), {int(sys.argv[1].rpartition(":")[2])}
WATCHED = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "ctypes.dlopen", "exec.named"}

def watch(event, args):
    if event in WATCHED:
        seen.append(f"{event} {args}")
    elif event == "import" and args[0].partition(".")[0] in NAMED:
        seen.append(f"import {args[0]}")
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append(f"open {args[0]}")
    elif event == "socket.connect" and args[1][1] not in allowed:
        seen.append(f"connect {args[1]}")

NAMED = {"evil_canary", "antigravity", "turtle", "xmlrpc"}
gateway = ksrpc.connect(url, timeout=60)
before = None
for number in range(count):
    try:
        value = gateway.connection.call(f"m.number_{number}", (), {}, Options())
        repr(value), str(value), hash(type(value)), dir(value), value == value, bool(isinstance(value, dict))
        copy.copy(value)
        outcome = "value"
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        repr(error), str(error), getattr(error, "remote_traceback", None)
        outcome = "KsrpcError" if isinstance(error, KsrpcError) else type(error).__module__
    outcomes[outcome] = outcomes.get(outcome, 0) + 1
    if before is None:
        before = True
        sys.addaudithook(watch)
gateway.close()
print(json.dumps({"seen": seen, "outcomes": outcomes, "modules": sorted(NAMED & set(sys.modules))}))
"""
#: Takes objects, streams and events of a server, and follows where it points, as far as a client would.
TAKER = (
    CLIENT.replace(
        """for number in range(count):
    try:
        value = gateway.connection.call(f"m.number_{number}", (), {}, Options())
""",
        """for number in range(count):
    try:
        value = gateway.call(f"m.extra_{number}")
        if type(value).__module__.startswith("ksrpc"):
            kept.add(type(value).__name__)
            repr(value), dir(value), getattr(value, "__doc__", ""), getattr(value, "Boom", None)
        if hasattr(type(value), "__next__"):
            list(value)
""",
    )
    .replace("seen, outcomes = [], {}", "seen, outcomes, kept = [], {}, set()")
    .replace('"outcomes": outcomes,', '"outcomes": outcomes, "kept": sorted(kept),')
)
DISCOVERER = """
import inspect, json, sys
import ksrpc
url = sys.argv[1]
gateway = ksrpc.connect(url, timeout=60)
told = ksrpc.install("shown", gateway.connection)
import shown
names = sorted(dir(shown))
texts = [repr(shown.__doc__), getattr(shown, "__version__", "")]
try:
    ksrpc.install("os", gateway.connection)
    replaced = True
except Exception:
    replaced = False
print(json.dumps({"names": names, "doc": shown.__doc__, "replaced": replaced,
                  "modules": sorted({"evil_canary", "antigravity", "turtle"} & set(sys.modules))}))
"""


def run(program: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run a client's program where the canary can be imported; read what it prints."""
    (folder / "evil_canary.py").write_text(CANARY)
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    environment = {**clean_environment(), "PYTHONPATH": f"{ROOT / 'src'}:{folder}"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("index", [0, 1], ids=["http", "websocket"])
def test_no_name_in_an_answer_is_imported_made_or_called(tmp_path: Path, index: int) -> None:
    with masks() as urls:
        told = run(CLIENT, tmp_path, urls[index], str(2 * len(ANSWERS)))
    assert told["seen"] == []
    assert told["modules"] == []
    assert sorted(path.name for path in tmp_path.glob("evil_*")) == ["evil_canary.py"]
    assert sum(told["outcomes"].values()) == 2 * len(ANSWERS)
    assert set(told["outcomes"]) <= {"KsrpcError", "value", "builtins"}
    assert told["outcomes"]["KsrpcError"] > len(NAMES)
    assert told["outcomes"]["value"] > len(NAMES), "hardly any answer was read as one"


@pytest.mark.parametrize("index", [0, 1], ids=["http", "websocket"])
def test_no_name_beside_an_answer_is_followed(tmp_path: Path, index: int) -> None:
    """Objects that are kept, streams, progress, headers, redirects: names of the other side stay texts."""
    assert TAKER.count("extra_") == TAKER.count('"kept"') == 1
    with masks() as urls:
        told = run(TAKER, tmp_path, urls[index], str(len(EXTRAS)))
    assert told["seen"] == []
    assert told["modules"] == []
    assert sorted(path.name for path in tmp_path.glob("evil_*")) == ["evil_canary.py"]
    assert sum(told["outcomes"].values()) == len(EXTRAS)
    assert set(told["outcomes"]) <= {"KsrpcError", "value", "builtins"}
    assert told["kept"], "no object was taken for one"


def test_no_name_in_a_description_becomes_more_than_a_name(tmp_path: Path) -> None:
    with masks() as urls:
        told = run(DISCOVERER, tmp_path, urls[0])
    assert told["modules"] == []
    assert "\x1b" not in told["doc"]
    assert not told["replaced"]
    assert not any("import" in name or "." in name or "\n" in name for name in told["names"])
    assert sorted(path.name for path in tmp_path.glob("evil_*")) == ["evil_canary.py"]
