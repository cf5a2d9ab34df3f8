"""Payloads that work, against the gates before a call alone, the place of a call alone, and both: what each stops."""

from __future__ import annotations

import pickle
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from ksrpc.worker.place.kernel import landlock_version
from tests.helpers.server import GatewayProcess
from tests.security.attack.road import HttpRoad, Told

CONFIG = """
[server]
port = 0
[call]
enabled = true
processes = 1
place = "{place}"
[access]
allow = ["os", "numpy", "pandas", "urllib", "vendor"]
[user.operator]
unsafe = ["os", "numpy", "pandas", "urllib"]
[module.vendor]
path = "vendor/vendor.py"
"""
#: Functions that no gate before the call can judge: what they do with harmless arguments is their own affair.
VENDOR = """
import pathlib, subprocess

def start(code):
    subprocess.run(["touch", {mark!r}], check=True)

def read(table):
    return pathlib.Path(table["file"][0]).read_text()

def write(table):
    pathlib.Path(table["file"][0]).touch()
"""
CANARY = "c4n4rybird"


class Payload(NamedTuple):
    """Describe one payload.

    Attributes:
        name: Of the class of gadgets.
        effect: What shows that it worked, see `Ground.shows`.
        path: What is called.
        args: With "{…}" for what differs from run to run.
        before: Whether gates A to C stop it.
        place: Whether gate D stops it.
    """

    name: str
    effect: str
    path: str
    args: tuple[Any, ...]
    before: bool
    place: bool


PAYLOADS = [
    Payload("command", "mark", "os.system", ("touch {mark}",), True, True),
    Payload("program", "mark", "os.spawnlp", (0, "touch", "touch", "{mark}"), True, True),
    Payload("pickle", "mark", "pandas.read_pickle", ("{pickle}",), True, True),
    Payload("read a table", "secret", "pandas.read_csv", ("{secret}",), True, True),
    Payload("read text", "secret", "numpy.loadtxt", ("{secret}", "U99"), True, True),
    Payload("write an array", "array", "numpy.save", ("{mark}", [1]), True, True),
    Payload("list a folder", "names", "os.listdir", ("{folder}",), True, True),
    Payload("delete", "gone", "os.remove", ("{victim}",), True, True),
    Payload("contact by URL", "contact", "urllib.request.urlopen", ("http://127.0.0.1:{port}/", None, 1), True, True),
    Payload("end a process", "ended", "os.kill", ("{pid}", 9), True, True),
    Payload("common state", "answer", "numpy.set_printoptions", (3,), True, False),
    Payload("memory that was not cleared", "answer", "numpy.empty", (3,), True, False),
    Payload("vendor starts a program", "mark", "vendor.start", ("000001",), False, True),
    Payload("vendor reads a cell's file", "secret", "vendor.read", ("{secret frame}",), False, True),
    Payload("vendor writes a cell's file", "mark", "vendor.write", ("{mark frame}",), False, True),
]


class Mark:
    """Leave a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


class Ground:
    """Hold what payloads reach for, and see whether they did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "ground"
        self.folder.mkdir()
        self.mark, self.victim, self.secret = (self.folder / name for name in ("mark", "victim", "secret"))
        self.pickle = self.folder / "pickle"
        self.pickle.write_bytes(pickle.dumps(Mark(self.mark)))
        self.secret.write_text(f"{CANARY}\n")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0)
        self._process: subprocess.Popen[bytes] | None = None

    def arm(self) -> None:
        """Put everything in its place again."""
        self.victim.touch()
        for mark in (self.mark, self.mark.with_suffix(".npy")):
            mark.unlink(missing_ok=True)
        if self._process is not None:  # of a trial that failed
            self._end_process()
        self._process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)

    def fill(self, value: Any) -> Any:
        """Write what is there into an argument."""
        frames = {"{secret frame}": self.secret, "{mark frame}": self.mark}
        if value == "{pid}":
            return self._process and self._process.pid
        if isinstance(value, str) and value in frames:
            return pd.DataFrame({"file": [str(frames[value])]})
        port = self.listener.getsockname()[1]
        names = {name: str(getattr(self, name)) for name in ("mark", "victim", "secret", "pickle", "folder")}
        return value.format(port=port, **names) if isinstance(value, str) else value

    def shows(self, effect: str, told: Told) -> bool:
        """Tell whether the effect of a payload is there."""
        signs = {
            "mark": self.mark.exists(),
            "array": self.mark.with_suffix(".npy").exists(),
            "gone": not self.victim.exists(),
            "secret": CANARY in told.text,
            "names": "victim" in told.text,
            "answer": told.answer == "result",
            "ended": self._end_process(),
            "contact": self._was_contacted(),
        }
        return signs[effect]

    def _end_process(self) -> bool:
        process, self._process = self._process, None
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        return process.wait(20) != 0

    def _was_contacted(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("matrix"))
    yield made
    made.listener.close()


def _roads(folder: Path, ground: Ground, place: str) -> Iterator[dict[bool, HttpRoad]]:
    (folder / "vendor").mkdir()
    (folder / "vendor" / "vendor.py").write_text(VENDOR.format(mark=str(ground.mark)))
    with GatewayProcess(folder, CONFIG.format(place=place)) as gateway:
        roads = {
            gated: HttpRoad(gateway, gateway.create_token(("operator", "guest")[gated])) for gated in (True, False)
        }
        yield roads
        for road in roads.values():
            road.close()


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory, ground: Ground) -> Iterator[dict[tuple[bool, bool], HttpRoad]]:
    """Give a road for each pair of: gates before the call, a strict place."""
    makers = [_roads(tmp_path_factory.mktemp(place), ground, place) for place in ("open", "strict")]
    found = [next(maker) for maker in makers]
    yield {(gated, placed): found[placed][gated] for gated in (False, True) for placed in (False, True)}
    for maker in makers:
        next(maker, None)


def fires(ground: Ground, road: HttpRoad, payload: Payload) -> bool:
    """Send a payload; tell whether it had its effect."""
    ground.arm()
    told = road.call(payload.path, tuple(map(ground.fill, payload.args)), {})
    return ground.shows(payload.effect, told)


@pytest.mark.skipif(not landlock_version(), reason="this kernel has no Landlock: a place is a weaker one")
@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_what_each_stops(roads: dict[tuple[bool, bool], HttpRoad], ground: Ground, payload: Payload) -> None:
    hit = {cell: fires(ground, road, payload) for cell, road in roads.items()}
    stopped = {cell: "stopped" if not came else "works" for cell, came in hit.items()}
    row = "  ".join(f"{stopped[cell]:8}" for cell in ((False, False), (True, False), (False, True), (True, True)))
    print(f"{payload.name:28}  none, A-C, D, all: {row}")
    assert hit[False, False], "the payload does not work at all"
    assert hit[True, False] is not payload.before
    assert hit[False, True] is not payload.place
    assert hit[True, True] is False
