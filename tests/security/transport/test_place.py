"""Gate D: a served module that was taken over stays in its process, and everybody else lives on."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ksrpc
from ksrpc.client import RemoteGateway
from ksrpc.errors import LostError, RemoteError
from ksrpc.worker.place.kernel import landlock_version
from tests.helpers.process import is_running
from tests.helpers.server import GatewayProcess
from tests.security.transport import captive

CONFIG = """
[server]
port = 0
socket = "gw.sock"
[call]
enabled = true
processes = 1
data_roots = ["prices"]
[access]
anonymous = true
allow = ["captive", "confined", "free", "demo", "numpy"]
[module.captive]
arguments = "any"
memory_mb = 200
connect_ports = [{port}]
[module.confined]
path = "confined.py"
arguments = "any"
place = "strict"
[module.free]
path = "server/captive.py"
arguments = "any"
place = "open"
"""
#: What the gateway is started with, and no worker sees.
ENVIRONMENT = {"KSRPC_TRIAL": "c4n4rybird", "MY_PASSWORD": "c4n4rybird", "PYTHONOPTIMIZE": "2"}
pytestmark = pytest.mark.skipif(landlock_version() < 6, reason="this kernel keeps less in; `ksrpc doctor` tells what")


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as sock:
        yield sock


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, listener: socket.socket) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("place")
    for name in ("server", "prices"):
        (folder / name).mkdir(mode=0o755)
    shutil.copy(captive.__file__, folder / "server" / "captive.py")
    shutil.copy(captive.__file__, folder / "confined.py")
    (folder / "prices" / "a.csv").write_text("1,2")
    (folder / "server" / "beside.csv").write_text("3,4")
    (folder / "kept.txt").write_text("kept")
    config = CONFIG.format(port=listener.getsockname()[1])
    with GatewayProcess(folder, config, env=ENVIRONMENT) as process:
        yield process


@pytest.fixture
def gw(server: GatewayProcess, transport: str) -> Iterator[RemoteGateway]:
    """Connect by each transport, and see afterwards that nobody else was hurt."""
    with _unharmed(server, server.url if transport == "http" else server.ws_url) as gateway:
        yield gateway


@pytest.fixture
def one(server: GatewayProcess) -> Iterator[RemoteGateway]:
    """Connect by one of them: for what costs more than its way matters."""
    with _unharmed(server, server.ws_url) as gateway:
        yield gateway


@contextmanager
def _unharmed(server: GatewayProcess, url: str) -> Iterator[RemoteGateway]:
    pid = server.pid
    with ksrpc.connect(url, timeout=60) as gateway:
        yield gateway
        assert gateway.call("demo.echo", "well") == "well"
    assert (server.pid, is_running(pid)) == (pid, True)


def _refused(gw: RemoteGateway, path: str, *args: Any) -> str:
    with pytest.raises(PermissionError) as caught:
        gw.call(path, *args)
    assert isinstance(caught.value, RemoteError)
    return str(caught.value)


@pytest.fixture(params=["captive", "confined"])
def module(request: pytest.FixtureRequest) -> str:
    """Run one attack in a place with a network and in one without."""
    return str(request.param)


# files


def _outside(server: GatewayProcess) -> list[Path]:
    data = server.folder / "data"
    return [
        Path("/etc/passwd"),
        Path("/etc/shadow"),
        data / "store.sqlite3",
        server.folder / "ksrpc.toml",
        server.folder / "kept.txt",
        *(Path(f"/proc/{server.pid}/{name}") for name in ("environ", "mem", "maps", "cmdline", "cwd/kept.txt")),
        Path("/proc/1/environ"),
        Path("/dev/mem"),
        Path(__file__),
    ]


def test_files_of_the_machine_and_of_the_gateway_cannot_be_read(
    gw: RemoteGateway, server: GatewayProcess, module: str
) -> None:
    for path in filter(Path.exists, _outside(server)):
        assert "Permission denied" in _refused(gw, f"{module}.read", str(path))
    for folder in (server.folder, server.folder / "data", Path("/"), Path("/proc"), Path.home()):
        _refused(gw, f"{module}.names", str(folder))
    _refused(gw, f"{module}.through_link")


def test_what_it_needs_can_be_read(one: RemoteGateway, server: GatewayProcess) -> None:
    for path in ("prices/a.csv", "server/beside.csv", "server/captive.py"):
        assert one.call("captive.read", str(server.folder / path)) > 0
    for path in ("/proc/self/status", "/proc/meminfo", "/dev/urandom", sys.executable, subprocess.__file__):
        assert one.call("captive.read", path) > 0
    assert one.call("confined.read", str(server.folder / "prices/a.csv")) > 0
    _refused(one, "confined.read", str(server.folder / "server/captive.py"))


def test_nothing_is_written_but_its_own(gw: RemoteGateway, server: GatewayProcess, module: str) -> None:
    kept = server.folder / "kept.txt"
    for path in (kept, kept.with_name("new"), Path("/tmp/ksrpc-captive"), Path(sys.prefix) / "new", Path("new")):
        _refused(gw, f"{module}.write", str(path))
    for way in ("remove", "rename", "link", "replace", "folder", "cut", "symlink"):
        with pytest.raises(OSError, match=r"Permission denied|cross-device"):
            gw.call(f"{module}.change", way, str(kept))
    assert kept.read_text() == "kept"
    assert not list(server.folder.glob("kept.txt?*"))
    own = Path(gw.call(f"{module}.write_own", "a.txt"))
    assert own.read_text() == "mine"
    assert own.is_relative_to(Path("/tmp")) or "ksrpc-worker-" in str(own)


def test_the_gateway_s_environment_stays_there(gw: RemoteGateway, module: str) -> None:
    assert gw.call(f"{module}.environment").keys().isdisjoint(ENVIRONMENT)
    assert gw.call(f"{module}.optimised") == 0


# processes


@pytest.mark.parametrize("way", captive.STARTS)
def test_no_process_is_started(gw: RemoteGateway, way: str) -> None:
    pid = gw.call("captive.pid")
    told = _refused(gw, "captive.start", way)
    assert "start programs" in told or way == "spawn process"  # which fails before, making a lock in shared memory
    assert gw.call("captive.pid") == pid


def test_nobody_else_is_signalled(gw: RemoteGateway, server: GatewayProcess, module: str) -> None:
    others = [server.pid, *(pid for pid in server.worker_pids if pid != gw.call(f"{module}.pid"))]
    assert len(others) > 1 or gw.call("demo.echo", 1) == 1
    for pid in others:
        _refused(gw, f"{module}.kill", pid)
        assert is_running(pid)


# the network


def test_ports_that_are_not_listed_cannot_be_reached(gw: RemoteGateway, server: GatewayProcess, module: str) -> None:
    _refused(gw, f"{module}.connect", "127.0.0.1", server.port)
    for port in (0, 39_417):
        _refused(gw, f"{module}.listen", port)
    _refused(gw, f"{module}.unix", str(server.folder / "gw.sock"))


def test_a_listed_port_is_reached_where_there_is_a_network(gw: RemoteGateway, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    gw.call("captive.connect", "127.0.0.1", port)
    listener.accept()[0].close()
    _refused(gw, "confined.connect", "127.0.0.1", port)
    _refused(gw, "confined.datagram", port)


# native code, which no audit hook sees


@pytest.mark.parametrize("way", captive.NATIVE)
def test_native_code_meets_the_kernel(gw: RemoteGateway, server: GatewayProcess, module: str, way: str) -> None:
    number = server.port if way == "connect" else server.pid
    told = gw.call(f"{module}.native", way, number)
    assert told in (("EACCES", "EPERM") if (way, module) != ("datagram", "captive") else ("",))
    assert is_running(server.pid)


def test_threads_are_no_processes(one: RemoteGateway, module: str) -> None:
    assert one.call(f"{module}.threads", 20) == 20


def test_libraries_work_where_there_is_no_network(one: RemoteGateway) -> None:
    assert one.call("numpy.add", 1, 2) == 3
    assert len(one.call("demo.test")) == 5


# descriptors and memory


@contextmanager
def watched(pid: int) -> Iterator[int]:
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


def test_descriptors_are_bounded(one: RemoteGateway) -> None:
    with pytest.raises(OSError, match="Too many open files"):
        one.call("captive.open_many")
    one.call("captive.let_go")


def test_memory_is_bounded_while_it_works_and_while_it_should_not(one: RemoteGateway) -> None:
    with pytest.raises(LostError, match="200 MiB"):
        one.call("captive.grow")
    pid = one.call("captive.grow_later")
    assert one.call("demo.echo", 1) == 1
    with watched(pid) as ended:
        assert select.select([ended], [], [], 60)[0]
    assert one.call("captive.pid") != pid


def test_an_open_place_is_open(one: RemoteGateway, server: GatewayProcess) -> None:
    names = one.call("free.names", str(server.folder))
    assert {"ksrpc.toml", "data", "server"} <= set(names)
    assert one.call("free.native", "fork") == ""


OLDER = """
from ksrpc.worker.place.entry import fence
from ksrpc.worker.place.plan import Plan
fence(Plan("network", ports=(80,)), ({folder!r},), {version})
import decimal
open({new!r}, "w").close()
try:
    open("/etc/passwd")
except PermissionError:
    print("kept")
"""


@pytest.mark.parametrize("version", [1, 3, 4])
def test_older_kernels_keep_files_at_least(version: int, tmp_path: Path) -> None:
    code = OLDER.format(folder=str(tmp_path), new=str(tmp_path / "new"), version=version)
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "kept\n"


FALLBACK = """
import os, socket, sys
from ksrpc.worker.place import entry, outlet
from ksrpc.worker.place.plan import Plan
outlet.leave_network = lambda: False
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
outlet.hand_over(theirs, "word")
told, (fd,), _, _ = socket.recv_fds(ours, 1, 1)
listener = socket.socket(fileno=fd)
plan = Plan("network", hosts=("example.com",))
entry.fence(plan, (), {version})
entry.sift("network", only_streams=True)
entry.watch(plan)
import decimal
other = {port}
print(told[0], os.environ["HTTPS_PROXY"].startswith("http://ksrpc:word@127.0.0.1:"))
socket.create_connection(listener.getsockname()).close()
for kind, host, port in (("STREAM", "127.0.0.1", other), ("DGRAM", "127.0.0.1", 53), ("STREAM", "192.0.2.1", 80)):
    try:
        socket.socket(type=getattr(socket, "SOCK_" + kind)).connect((host, port))
        print("reached")
    except PermissionError:
        print("kept")
"""


def test_without_a_network_of_its_own_ports_and_addresses_are_bounded(listener: socket.socket) -> None:
    code = FALLBACK.format(version=landlock_version(), port=listener.getsockname()[1])
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "kept", "kept", "kept"]
