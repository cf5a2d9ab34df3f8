"""An audit hook: what Python code must not do outside "open", refused with a reason, whatever the kernel can do.

It says why, and is a net where the kernel has none. It is no wall: native code does not meet it.

Source: https://docs.python.org/3/library/audit_events.html.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ksrpc.worker.place.plan import Level

Hook: TypeAlias = Callable[[str, tuple[Any, ...]], None]

_STARTS = frozenset((
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "pty.spawn",
    "subprocess.Popen",
))  # fmt: skip
_NAMES = frozenset(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"))
#: Where the proxy is.
_PROXY = "127.0.0.1"
#: Events whose second argument is the address.
_CONTACTS = frozenset(("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"))


def make_hook(level: Level, *, is_bounded: bool = False) -> Hook:
    """Return the function to give to `sys.addaudithook`. A few hundred nanoseconds for each event.

    Args:
        level: Of the place.
        is_bounded: Whether the gateway's proxy, on this machine, is the only way out.
    """
    known = _STARTS | _CONTACTS | _NAMES if level == "strict" else _STARTS | _CONTACTS
    is_strict = level == "strict"

    def check(event: str, args: tuple[Any, ...]) -> None:
        if event in known:
            _check(event, args, is_strict, is_bounded)

    return check


def _check(event: str, args: tuple[Any, ...], is_strict: bool, is_bounded: bool) -> None:
    if event in _STARTS:
        raise PermissionError("a worker process may not start programs")
    if event in _NAMES:
        raise PermissionError("this worker process may not use the network")
    address = args[1]
    if isinstance(address, str | bytes):
        raise PermissionError("a worker process may not use Unix sockets")
    if is_strict and address is not None:
        raise PermissionError("this worker process may not use the network")
    if is_bounded and isinstance(address, tuple) and address[:1] != (_PROXY,):
        raise PermissionError("this worker process reaches the hosts of its module by its proxy alone")
