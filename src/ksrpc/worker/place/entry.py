"""Enter the place, before the first library is imported: threads that libraries start at import would stay outside.

Source: docs/spec/policy.md "Gate D".
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ksrpc.worker.place.ground import DEVICES, readable
from ksrpc.worker.place.guard import make_hook
from ksrpc.worker.place.kernel import READ, USE, WRITE, Fence, landlock_version
from ksrpc.worker.place.outlet import hand_over
from ksrpc.worker.place.plan import Plan, parse_plan
from ksrpc.worker.place.sieve import sift

_PLAN_BYTES = 1 << 20
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


def enter(channel: int) -> Plan | None:
    """Take the gateway's word for the place from a socket and enter it.

    Returns:
        The place; None if the gateway is gone.

    Raises:
        OSError: The kernel has Landlock and refuses.
    """
    sock = socket.socket(fileno=channel)
    packed = sock.recv(_PLAN_BYTES)
    if not packed:
        sock.detach()
        return None
    plan = parse_plan(packed)
    if plan.hosts is not None:
        hand_over(sock, plan.secret)
    sock.detach()
    if plan.level != "open":
        fence(plan, (os.environ["HOME"],), landlock_version())
        sift(plan.level, only_streams=plan.hosts is not None)
    return plan


def fence(plan: Plan, scratch: Iterable[str], version: int) -> None:
    """Shut out what the place does not have, as far as the kernel can.

    Args:
        plan: The place.
        scratch: Folders that may be written.
        version: Of Landlock.
    """
    if not version:
        return
    fence = Fence(version)
    fence.allow((*readable(plan, os.environ), os.getcwd()), READ)
    fence.allow(DEVICES, USE)
    fence.allow(scratch, WRITE)
    if plan.level == "network":
        fence.allow_ports({*plan.ports, *proxy_ports(os.environ)})
    fence.shut()


def watch(plan: Plan) -> None:
    """Refuse from now on what Python can see and the place does not have."""
    if plan.level != "open":
        sys.addaudithook(make_hook(plan.level, is_bounded=plan.hosts is not None))


def proxy_ports(environment: Mapping[str, str]) -> list[int]:
    """Return the ports of the proxies that an environment names: without them nothing can be reached."""
    return [port for name in _PROXIES if (port := _port_of(environment.get(name, "")))]


def _port_of(address: str) -> int:
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        return (parts.port or 80) if parts.hostname else 0
    except ValueError:
        return 0
