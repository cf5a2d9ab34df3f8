"""One-time tickets with which a browser's page, which can send no `Authorization`, opens a WebSocket.

Rules:
* A ticket is good once, for 30 seconds, for one address of the server, one page's origin and one network.
* Only its hash is kept, in memory. To show it spends it, even where it does not fit.
* The right is that of the token behind it, as it is when the ticket is shown.

Source: docs/reference/websocket.md "Tickets"; docs/spec/policy.md "Identity"; THREATS H27.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ksrpc.errors import AuthError
from ksrpc.limits import TICKETS
from ksrpc.model import User

_PREFIX = "ksrpc.ticket."
_LABEL = "ksrpc"
_CHARS = 43
_V4_BITS, _V6_BITS = 24, 56


class Binding(NamedTuple):
    """Name what a ticket is good for.

    Attributes:
        route: The address of the WebSocket.
        origin: Of the page; empty for what is no page.
        network: The peer's network; see `network_of`.
    """

    route: str
    origin: str
    network: str


class _Ticket(NamedTuple):
    user: User
    binding: Binding
    ends_at: float


class Tickets:
    """Issue tickets and take each once.

    Args:
        clock: Monotonic time [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[bytes, _Ticket] = {}

    def __len__(self) -> int:
        return len(self._open)

    def issue(self, user: User, binding: Binding) -> str:
        """Return a new ticket; of a user who has too many open ones the oldest is dropped."""
        now = self._clock()
        for digest in [digest for digest, ticket in self._open.items() if ticket.ends_at <= now]:
            del self._open[digest]
        own = [digest for digest, ticket in self._open.items() if ticket.user.name == user.name]
        if len(own) >= TICKETS.per_user or len(self._open) >= TICKETS.total:
            del self._open[own[0] if own else next(iter(self._open))]
        made = secrets.token_urlsafe(32)
        self._open[_digest(made)] = _Ticket(user, binding, now + TICKETS.lifetime_s)
        return made

    def take(self, text: str, binding: Binding) -> User:
        """Spend a ticket; return whose it is. Whether the token behind it is valid still is not looked at.

        Raises:
            AuthError: Unknown, spent, over, or for something else; the text does not say which.
        """
        ticket = self._open.pop(_digest(text), None) if len(text) == _CHARS and text.isascii() else None
        if ticket is None or ticket.ends_at <= self._clock() or ticket.binding != binding:
            raise AuthError("unknown or spent ticket; POST /v1/ticket makes another one")
        return ticket.user


def find_ticket(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the ticket among the protocols that a client offers, and which of them to choose; empty texts if none."""
    offered = [text.strip() for text in headers.get("sec-websocket-protocol", "").split(",")]
    shown = next((text for text in offered if text.startswith(_PREFIX)), "")
    chosen = _LABEL if _LABEL in offered else shown
    return shown.removeprefix(_PREFIX), chosen


def network_of(address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> str:
    """Return the network that stands for a peer: /24, or /56 of IPv6; empty for a Unix socket."""
    if address is None:
        return ""
    bits = _V4_BITS if address.version == 4 else _V6_BITS
    return str(ipaddress.ip_network((address, bits), strict=False))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
