"""The sockets on which a server listens: TCP of one or both families, and a Unix socket.

Source: docs/reference/config.md "[server]".
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from ksrpc.errors import ConfigError

BACKLOG = 1024
_EVERY_V6 = "::"
#: Of `sun_path`, less its end.
_SOCKET_BYTES = 107


@contextlib.contextmanager
def listening(host: str, port: int, path: Path | None) -> Iterator[list[socket.socket]]:
    """Listen on every address of a host, on a free port only on the first; and on a Unix socket, removed at the end.

    Raises:
        ConfigError: One of them cannot be listened on; the text names it and the reason.
    """
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        for sock in _listen(host, port):
            sockets.append(stack.enter_context(sock))
        if path is not None:
            sockets.append(stack.enter_context(_listen_unix(path)))
            stack.callback(_remove, path, os.stat(path))
        yield sockets


def _listen(host: str, port: int) -> Iterator[socket.socket]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found if port else found[:1]):
            both = address[0] == _EVERY_V6 and socket.has_dualstack_ipv6()
            yield socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as exc:
        hint = "; is another server running there?" if exc.errno == errno.EADDRINUSE else ""
        reason = exc.strerror if isinstance(exc, socket.gaierror) else os.strerror(exc.errno or 0)
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise ConfigError(f"cannot listen on {place}: {reason}{hint}") from None


def _listen_unix(path: Path) -> socket.socket:
    """Make a socket that only this user can open; in the place of one that a server left behind.

    Raises:
        ConfigError: A server listens there, something else stands there, or it cannot be made.
    """
    if len(os.fsencode(path)) > _SOCKET_BYTES:
        raise ConfigError(f"server.socket: {path} has more than {_SOCKET_BYTES} bytes; no system has longer ones")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(path)
        before = os.umask(0o177)
        try:
            sock.bind(os.fspath(path))
        finally:
            os.umask(before)
        sock.listen(BACKLOG)
    except OSError as exc:
        sock.close()
        raise ConfigError(f"cannot listen on {path}: {exc.strerror or exc}") from None
    except BaseException:
        sock.close()
        raise
    return sock


def _clear(path: Path) -> None:
    """Remove a socket on which nobody listens.

    Raises:
        ConfigError: Somebody does, or it is no socket.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(f"server.socket: {path} is there and no socket; remove it, or name another file")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:  # its queue is full: it lives
            pass
    raise ConfigError(f"cannot listen on {path}: another server is running there")


def _remove(path: Path, made: os.stat_result) -> None:
    """Remove our socket, not one that another server has put in its place."""
    with contextlib.suppress(OSError):
        if os.path.samestat(path.lstat(), made):
            path.unlink()
