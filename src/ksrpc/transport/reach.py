"""Find a host's addresses and connect to the first that answers; blocking, or on a loop.

One address that swallows what is sent to it does not cost the others their chance: each has its share of the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

_Found: TypeAlias = list[tuple[int, int, int, str, Any]]


class Deadline:
    """Hold when something is to be over.

    Args:
        timeout_s: None = never.
    """

    def __init__(self, timeout_s: float | None) -> None:
        self._end = None if timeout_s is None else time.monotonic() + timeout_s

    def share_s(self, of: int = 1) -> float | None:
        """Return the time that one of so many attempts may take.

        Raises:
            TimeoutError: There is none left.
        """
        if self._end is None:
            return None
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s / of


def reach(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Connect to a host, one of its addresses after the other.

    Raises:
        OSError: None of them answers; TimeoutError if the time was over.
    """
    found = _resolve(host, port, deadline)
    failure: OSError = OSError("it has no address")
    for tried, (family, kind, protocol, _, place) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.share_s(of=len(found) - tried))
            sock.connect(place)
        except OSError as exc:
            sock.close()
            failure = exc
        except BaseException:
            sock.close()
            raise
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise failure


async def areach(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Do what `reach` does, awaited.

    Raises:
        OSError: As `reach`.
    """
    loop = asyncio.get_running_loop()
    found = _resolve(host, port, deadline) if _is_address(host) else await _aresolve(host, port, deadline)
    failure: OSError = OSError("it has no address")
    for tried, (family, kind, protocol, _, place) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(deadline.share_s(of=len(found) - tried)):
                await loop.sock_connect(sock, place)
        except OSError as exc:
            sock.close()
            failure = exc
        except BaseException:
            sock.close()
            raise
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise failure


def _resolve(host: str, port: int, deadline: Deadline) -> _Found:
    """Ask for a host's addresses; in a thread if there is a bound, since the system keeps none."""
    timeout_s = deadline.share_s()
    if timeout_s is None or _is_address(host):
        return _look_up(host, port)
    answers: queue.SimpleQueue[_Found | Exception] = queue.SimpleQueue()
    _ask(host, port, answers.put)
    try:
        found = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    return found


async def _aresolve(host: str, port: int, deadline: Deadline) -> _Found:
    """Do what `_resolve` does, awaited. Threads of the loop would be waited for at its end, however long they take."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Found | Exception] = loop.create_future()

    def settle(found: _Found | Exception) -> None:
        if not answer.done():
            answer.set_result(found)

    def tell(found: _Found | Exception) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits
            loop.call_soon_threadsafe(settle, found)

    async with asyncio.timeout(deadline.share_s()):
        _ask(host, port, tell)
        found = await answer
    if isinstance(found, Exception):
        raise found
    return found


def _ask(host: str, port: int, tell: Callable[[_Found | Exception], None]) -> None:
    """Look a host up in a thread that nobody has to wait for."""

    def ask() -> None:
        try:
            tell(_look_up(host, port))
        except Exception as exc:
            tell(exc)

    threading.Thread(target=ask, name="ksrpc-resolver", daemon=True).start()


def _look_up(host: str, port: int) -> _Found:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
