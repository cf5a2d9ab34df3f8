"""A served module that has been taken over: it tries to get out of its process, in Python and by native code."""

from __future__ import annotations

import base64
import ctypes
import errno
import http.client
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
KEPT: list[Any] = []
PAUSE = threading.Event()


def read(path: str) -> int:
    with open(path, "rb") as file:
        return len(file.read(100))


def names(path: str) -> list[str]:
    return os.listdir(path)


def write(path: str, text: str = "taken") -> str:
    Path(path).write_text(text)
    return Path(path).read_text()


def change(way: str, path: str) -> None:
    """Change what is there without opening it."""
    ways: dict[str, Callable[[], object]] = {
        "remove": lambda: os.unlink(path),
        "rename": lambda: os.rename(path, f"{path}.old"),
        "link": lambda: os.link(path, Path.home() / "linked"),
        "replace": lambda: os.replace(Path(write_own("x")), path),
        "folder": lambda: os.mkdir(f"{path}.new"),
        "cut": lambda: os.truncate(path, 0),
        "symlink": lambda: os.symlink("/etc/passwd", f"{path}.link"),
    }
    ways[way]()


def through_link() -> int:
    link = Path.home() / "link"
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/passwd")
    return read(str(link))


def write_own(name: str) -> str:
    """Write where it may."""
    path = Path.home() / name
    path.write_text("mine")
    return str(path)


STARTS: dict[str, Callable[[], object]] = {
    "run": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    "system": lambda: os.system("true"),
    "popen": lambda: os.popen("true").read(),
    "fork": os.fork,
    "pty": os.forkpty,
    "spawn": lambda: os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}),
    "exec": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
    "fork process": lambda: multiprocessing.get_context("fork").Process(target=print).start(),
    "spawn process": lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
}


def start(way: str) -> None:
    STARTS[way]()


def connect(host: str, port: int) -> None:
    socket.create_connection((host, port), 5).close()


def datagram(port: int) -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        return sock.sendto(b"x", ("127.0.0.1", port))


def fetch(url: str) -> str:
    """Ask as libraries do: by the proxy that the environment names, following redirects."""
    with urllib.request.urlopen(url, timeout=20) as reply:
        return str(reply.read().decode())


def post(url: str, size: int) -> str:
    with urllib.request.urlopen(url, bytes(size), timeout=20) as reply:
        return str(reply.read().decode())


def tunnel(host: str, port: int, secret: str | None = None) -> str:
    """Ask through the proxy by CONNECT, with the secret that it wants or with another one."""
    proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
    shown = base64.b64encode(f"ksrpc:{proxy.password if secret is None else secret}".encode()).decode()
    link = http.client.HTTPConnection(str(proxy.hostname), proxy.port, timeout=20)
    link.set_tunnel(host, port, {"Proxy-Authorization": f"Basic {shown}"})
    link.request("GET", "/tunnelled")
    return link.getresponse().read().decode()


def unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)


def listen(port: int) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
        sock.listen()


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)


def _native_connect(port: int, host: str = "127.0.0.1") -> int:
    fd = LIBC.socket(2, 1, 0)
    if fd < 0:
        return -1
    address = (2).to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + socket.inet_aton(host) + bytes(8)
    try:
        return int(LIBC.connect(fd, address, 16))
    finally:
        failed = ctypes.get_errno()
        LIBC.close(fd)
        ctypes.set_errno(failed)


def _native_exec() -> int:
    arguments = (ctypes.c_char_p * 2)(b"sh", None)
    return int(LIBC.execv(b"/bin/sh", arguments))


def _native_fork() -> int:
    pid = int(LIBC.fork())
    if pid == 0:
        LIBC._exit(0)
    return pid


NATIVE: dict[str, Callable[[int], int]] = {
    "open": lambda _: int(LIBC.open(b"/etc/passwd", 0)),
    "create": lambda _: int(LIBC.creat(b"/tmp/ksrpc-captive", 0o600)),
    "exec": lambda _: _native_exec(),
    "fork": lambda _: _native_fork(),
    "connect": _native_connect,
    "datagram": lambda _: int(LIBC.socket(2, 2, 0)),
    "unix": lambda _: int(LIBC.socket(1, 1, 0)),
    "packet": lambda _: int(LIBC.socket(17, 3, 0)),
    "unshare": lambda _: int(LIBC.unshare(0x10000000)),
    "listen": lambda _: int(LIBC.listen(LIBC.socket(2, 1, 0), 5)),
    "kill": lambda pid: int(LIBC.kill(pid, 9)),
    "trace": lambda pid: int(LIBC.ptrace(16, pid, None, None)),
    "mount": lambda _: int(LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
    "host name": lambda _: int(LIBC.sethostname(b"taken", 5)),
    "root": lambda _: int(LIBC.chroot(b"/tmp")),
}


def native(way: str, number: int = 0) -> str:
    """Return the name of the error, "" if it succeeded."""
    ctypes.set_errno(0)
    return errno.errorcode[ctypes.get_errno()] if NATIVE[way](number) < 0 else ""


def reach(host: str, port: int) -> str:
    """Connect by native code; return the name of the error, "" if it succeeded."""
    ctypes.set_errno(0)
    return errno.errorcode[ctypes.get_errno()] if _native_connect(port, host) < 0 else ""


def threads(count: int) -> int:
    """Use what libraries use: threads are no processes."""
    done: list[int] = []
    made = [threading.Thread(target=done.append, args=(number,)) for number in range(count)]
    for thread in made:
        thread.start()
    for thread in made:
        thread.join()
    return len(done)


def open_many() -> int:
    while True:
        KEPT.append(os.open("/dev/null", os.O_RDONLY))


def let_go() -> None:
    while KEPT:
        os.close(KEPT.pop())


def grow() -> None:
    """Fill memory."""
    while True:
        KEPT.append(b"x" * (8 << 20))
        PAUSE.wait(0.001)


def grow_later() -> int:
    """Answer, and fill memory when nobody waits any more."""
    threading.Thread(target=grow, daemon=True).start()
    return os.getpid()


def environment() -> dict[str, str]:
    return dict(os.environ)


def optimised() -> int:
    return sys.flags.optimize


def pid() -> int:
    return os.getpid()
