"""The worker's end of its only way out, where its module has a list of hosts: a listener that the gateway serves.

Where the system lets a process have a network of its own, it goes into one before it makes the listener: then there is
no other network, whatever code runs here. Else Landlock bounds the port, and Python's audit hook the address.

Source: docs/spec/policy.md "Hosts"; https://man7.org/linux/man-pages/man7/network_namespaces.7.html.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from contextlib import suppress

_NEW_USER, _NEW_NETWORK = 0x1000_0000, 0x4000_0000
_GET_FLAGS, _SET_FLAGS, _IS_UP = 0x8913, 0x8914, 0x1
_BACKLOG = 64
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_DIRECT = ("NO_PROXY", "no_proxy")


def hand_over(channel: socket.socket, secret: str) -> None:
    """Make the listener, give it to the gateway and name it to the libraries of this process as their proxy.

    Args:
        channel: To the gateway; it gets one byte, whether this process has a network of its own.
        secret: What this process shows to the proxy.
    """
    is_apart = leave_network()
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        socket.send_fds(channel, [bytes([is_apart])], [listener.fileno()])
        address = f"http://ksrpc:{secret}@127.0.0.1:{listener.getsockname()[1]}"
    for name in _PROXIES:
        os.environ[name] = os.environ[name.lower()] = address
    for name in _DIRECT:
        os.environ.pop(name, None)


def leave_network() -> bool:
    """Go into a network of this process alone, with nothing in it but itself; return whether the system lets it."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_NEW_NETWORK) == 0:
        return _raise_loopback()
    if libc.unshare(_NEW_USER | _NEW_NETWORK):
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with suppress(OSError), open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    return _raise_loopback()


def _raise_loopback() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack_from("H", fcntl.ioctl(sock, _GET_FLAGS, request), 16)[0]
        fcntl.ioctl(sock, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _IS_UP))
    return True
