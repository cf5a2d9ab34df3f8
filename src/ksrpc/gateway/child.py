"""One worker process: started clean, watched, ended.

It gets a fixed command line, an allow-listed environment, an empty read-only current folder, no descriptor but its
two, and no secret. It is never forked from the gateway's memory and never outlives it.

Source: docs/spec/policy.md "Gate D".
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from ksrpc import __version__
from ksrpc.errors import BusyError, KsrpcError, LostError
from ksrpc.gateway.outlet import Outlet
from ksrpc.gateway.printout import Printout
from ksrpc.host import Hosts
from ksrpc.protocol import Meta
from ksrpc.transport.link import WorkerLink
from ksrpc.worker.place import Plan

_ENVIRONMENT = {"PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
                "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
                "no_proxy", "SYSTEMROOT"}  # fmt: skip
_ENVIRONMENT_PREFIXES = ("LC_", "OMP_", "OPENBLAS_", "MKL_", "NUMEXPR_")
_START_S = 60.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Child:
    """Own one worker process and the link to it."""

    def __init__(
        self, process: subprocess.Popen[bytes], link: WorkerLink, scratch: Path, outlet: Outlet | None = None
    ) -> None:
        self.process = process
        self.link = link
        self._outlet = outlet
        self.deadline: float | None = None
        self.expiring: dict[int, float] = {}  # calls side by side → when each must be over
        self.idle_since = 0.0
        self.fate = ""  # why the gateway ended it
        self.held = 0  # how many iterators and objects it keeps for later calls
        self._scratch = scratch

    @classmethod
    async def start(cls, boot: Meta, *, shows_output: bool = False) -> Child:
        """Start a process and wait until it greets.

        Raises:
            BusyError: It did not come up.
        """
        loop = asyncio.get_running_loop()
        scratch = _make_scratch()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        channel, their_channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for sock in (ours, channel):
            sock.setblocking(False)
        place, outlet = _with_secret(boot.get("place", Plan()))
        try:
            channel.send(place.pack())  # it enters its place before it reads anything else
            process = _spawn(theirs, their_channel, scratch, _open_output(boot) if shows_output else None)
        except OSError as exc:
            ours.close()
            channel.close()
            _remove_scratch(scratch)
            raise BusyError(f"no worker process can be started: {exc.strerror}") from exc
        finally:
            theirs.close()
            their_channel.close()
        link = WorkerLink(channel)
        child = cls(process, link, scratch, outlet)
        try:
            if outlet is not None:
                async with asyncio.timeout(_START_S):
                    await outlet.open(await _receive_listener(channel))
            told = {key: value for key, value in boot.items() if key != "place"}
            link.session.greet({"ksrpc": __version__, **told})
            await loop.create_unix_connection(lambda: link, sock=ours)
            await asyncio.wait_for(asyncio.shield(link.greeted), _START_S)
        except BaseException as exc:
            child.kill("it did not start")
            await child.reap()
            if not isinstance(exc, TimeoutError | KsrpcError):
                raise
            raise BusyError("the worker process did not start; `ksrpc serve --worker-output` shows why") from exc
        return child

    def kill(self, fate: str) -> None:
        """End the process at once; the link then fails what runs on it."""
        self.fate = self.fate or fate
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def reap(self) -> str:
        """End the process if it still runs, wait for it, remove its scratch; return why it ended."""
        self.link.close()
        if self._outlet is not None:
            self._outlet.close()
        for _ in range(200):
            if self.process.poll() is not None:
                break
            await asyncio.sleep(0.005)
        else:
            self.kill("it did not end")
            await asyncio.get_running_loop().run_in_executor(None, self.process.wait)
        await asyncio.get_running_loop().run_in_executor(None, _remove_scratch, self._scratch)
        return self.fate or _explain_exit(self.process.returncode)

    def resident_bytes(self) -> int:
        """Return the memory that the process holds [bytes]; 0 where the system does not tell."""
        try:
            with open(f"/proc/{self.process.pid}/statm", "rb") as file:
                fields = file.read().split()
            return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES
        except (OSError, IndexError, ValueError):
            return 0


def _with_secret(place: Plan) -> tuple[Plan, Outlet | None]:
    """Give a place with hosts a secret of its own, and make the proxy that asks for it."""
    if place.hosts is None:
        return place, None
    secret = secrets.token_urlsafe(24)
    return dataclasses.replace(place, secret=secret), Outlet(Hosts(place.hosts), secret)


async def _receive_listener(channel: socket.socket) -> socket.socket:
    """Wait for the listener that the process makes before anything else.

    Raises:
        LostError: It has ended.
    """
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(channel, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(channel)
    _, fds, _, _ = socket.recv_fds(channel, 1, 1)
    if not fds:
        raise LostError("the worker process ended before it was in its place")
    return socket.socket(fileno=fds[0])


def _open_output(boot: Meta) -> Printout:
    root = next(iter(boot["rules"]["allow"]), "worker").partition(".")[0]
    return Printout(root, boot.get("secrets", {}).values())


def _spawn(
    frames: socket.socket, channel: socket.socket, scratch: Path, output: Printout | None
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-s", "-X", "utf8", "-m", "ksrpc.worker"]
    fds = (frames.fileno(), channel.fileno())
    try:
        return subprocess.Popen(  # noqa: S603 - a fixed command line
            [*command, *map(str, fds)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if output is None else output.writer,
            stderr=subprocess.DEVNULL if output is None else subprocess.STDOUT,
            env=make_environment(scratch),
            cwd=scratch / "cwd",
            pass_fds=fds,
            start_new_session=True,
        )
    finally:
        if output is not None:
            output.hand_over()


def make_environment(scratch: Path) -> dict[str, str]:
    """Return the environment of a worker: what is on the allow-list, and a home of its own."""
    kept = {
        key: value for key, value in os.environ.items() if key in _ENVIRONMENT or key.startswith(_ENVIRONMENT_PREFIXES)
    }
    home = str(scratch / "home")
    return {**kept, "HOME": home, "TMPDIR": home, "PYTHONDONTWRITEBYTECODE": "1"}


def _make_scratch() -> Path:
    scratch = Path(tempfile.mkdtemp(prefix="ksrpc-worker-"))
    (scratch / "home").mkdir(mode=0o700)
    (scratch / "cwd").mkdir(mode=0o500)
    return scratch


def _remove_scratch(scratch: Path) -> None:
    with contextlib.suppress(OSError):
        (scratch / "cwd").chmod(0o700)
    shutil.rmtree(scratch, ignore_errors=True)


def _explain_exit(code: int) -> str:
    if code >= 0:
        return f"it exited with status {code}"
    try:
        return f"it died of {signal.Signals(-code).name}"
    except ValueError:
        return f"it died of signal {-code}"
