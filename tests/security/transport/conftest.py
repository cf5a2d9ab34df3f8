"""Gateways to attack, in an environment that has traps installed: packages that leave a mark when they are imported."""

from __future__ import annotations

import socket
import sys
import sysconfig
import threading
import venv
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ksrpc.connections.base import Connection
from tests.helpers.leak import leaves_nothing
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import connection_to, guarded, token

__all__ = ["guarded", "leaves_nothing", "token"]

TRAP = "from pathlib import Path\nPath({marks!r}, __name__).touch()\n"
OPEN_TO_EVERYBODY = """
[server]
port = 0
[call]
enabled = true
processes = 1
timeout_s = 20
place = "open"
[access]
anonymous = true
allow = ["demo", "math", "numpy", "pandas", "os.path", "trap_open", "trap_broken", "not_installed"]
[module.trap_file]
path = "trap_file.py"
"""


class Fortress(NamedTuple):
    """Hold a gateway under attack.

    Attributes:
        marks: Folder in which every trap that is imported, and every command that is run, leaves a file.
    """

    gateway: GatewayProcess
    marks: Path

    @property
    def imported(self) -> list[str]:
        """List the marks that were left."""
        return sorted(path.name for path in self.marks.iterdir())


def install_traps(folder: Path, marks: Path) -> str:
    """Make an environment that has everything of this one, and the traps; return its interpreter."""
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (site / "parent.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    trap = TRAP.format(marks=str(marks))
    (site / "trap_closed.py").write_text(trap)
    (site / "trap_broken.py").write_text("raise RuntimeError(f'cannot live in {__file__}')\n")
    package = site / "trap_open"
    (package / "tests").mkdir(parents=True)
    (package / "__init__.py").write_text("import os\nimport trap_helper\ndef greet():\n    return 'hello'\n")
    (site / "trap_helper.py").write_text("def help():\n    return 'no'\n")
    for name in ("hidden.py", "tests/__init__.py", "utils.py", "_private.py"):
        (package / name).write_text(trap)
    return str(python)


@pytest.fixture(scope="session", params=["", "1"], ids=["plain", "optimised"])
def fortress(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    """Run a gateway that is open to everybody here, once as it is and once under `python -O`."""
    folder = tmp_path_factory.mktemp("fortress")
    marks = folder / "marks"
    marks.mkdir()
    python = install_traps(folder / "venv", marks)
    home = folder / "home"
    home.mkdir()
    (home / "trap_file.py").write_text(TRAP.format(marks=str(marks)))
    (home / "trap_cwd.py").write_text(TRAP.format(marks=str(marks)))
    env = {"PYTHONOPTIMIZE": request.param} if request.param else {}
    with GatewayProcess(home, OPEN_TO_EVERYBODY, python=(python,), env=env) as gateway:
        yield Fortress(gateway, marks)


@pytest.fixture(scope="session")
def attacker(fortress: Fortress, transport: str) -> Iterator[Connection]:
    """Share one connection to `fortress` for each transport."""
    with connection_to(fortress.gateway, transport) as opened:
        opened.describe("math.pow")  # connected before the first test, so that none is told to have left it open
        yield opened


# hosts to ask


def _own_address() -> str:
    """Find an address of this machine that is not the loopback's, without sending anything."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(sock.getsockname()[0])


ADDRESS = _own_address()


class _Vendor(BaseHTTPRequestHandler):
    """Answer with what was asked, or lead elsewhere."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/lead?"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        seen = sorted(name.lower() for name in self.headers if name.lower().startswith("proxy"))
        self._say(f"{self.path} {self.headers['Host']} {seen}")

    def do_POST(self) -> None:
        self._say(str(len(self.rfile.read(int(self.headers["Content-Length"])))))

    def _say(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def vendors() -> Iterator[list[ThreadingHTTPServer]]:
    """Serve what is listed, and what is not."""
    servers = [ThreadingHTTPServer((ADDRESS, 0), _Vendor) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for thread in threads:
        thread.start()
    yield servers
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()
