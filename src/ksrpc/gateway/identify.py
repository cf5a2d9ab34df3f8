"""Step 1: who calls, from where; decided before a byte of the body is looked at.

Source: docs/spec/policy.md "Identity".
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeAlias

from ksrpc.config import Config
from ksrpc.errors import AddressError, AuthError, RefusedError
from ksrpc.gateway.origin import is_own_page, origin_of, refuse_foreign, refuse_pages
from ksrpc.gateway.seat import Seats
from ksrpc.gateway.throttle import Throttle
from ksrpc.gateway.ticket import Binding, Tickets, network_of
from ksrpc.model import ANONYMOUS, User
from ksrpc.store import TokenStore

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Literal lists: what `ipaddress` calls private or loopback differs between Python versions.
_NAMED = {
    "any": ("0.0.0.0/0", "::/0"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
_SEEN_ENTRIES = 1024
#: One thread of its own: whoever shows wrong tokens keeps no other thread busy.
_WEIGHING = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ksrpc-token")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Hold what is known of a peer from its connection and headers (names in lower case, values as text)."""

    peer: str
    headers: Mapping[str, str]
    is_unix: bool = False


class Doorkeeper:
    """Apply address rule, host rule and tokens.

    Args:
        config: The rules.
        tokens: Who may come in.
        former: Whose counts and tickets go on.

    Attributes:
        refused: Told from where somebody came who was not let in, and why.
    """

    def __init__(self, config: Config, tokens: TokenStore, former: Doorkeeper | None = None) -> None:
        access = config.access
        self.refused: Callable[[str, RefusedError], None] = former.refused if former else _ignore
        self.tickets: Tickets = former.tickets if former else Tickets()
        self.seats: Seats = former.seats if former else Seats()
        self._throttle: Throttle = former._throttle if former else Throttle()
        self._origins = frozenset((*config.server.origins, origin_of(config.server.public_url)))
        self._config = config
        self._tokens = tokens
        self._allow = networks_of(access.ip_allow)
        self._block = networks_of(access.ip_block)
        self._proxies = networks_of(access.trusted_proxies)
        self._loopback = networks_of(("loopback",))
        self._hosts = {"", "localhost", *(name.lower() for name in config.server.hosts)}
        self._users: dict[str, User] = {}
        self._seen: dict[int, tuple[Visitor, User]] = {}

    async def prepare(self, visitor: Visitor) -> None:
        """Do in a thread, before `identify`, what of it takes long: the hash of a token that was not made here.

        Raises:
            AddressError: As `identify`.
            BusyError: Too many unknown tokens were shown.
        """
        if self._recall(visitor) is not None:
            return
        token = visitor.headers.get("authorization", "").partition(" ")[2].strip()
        if token and self._tokens.is_slow(token):
            self._throttle.check(_place_of(self.admit(visitor)))
            await asyncio.get_running_loop().run_in_executor(_WEIGHING, self._tokens.weigh, token)

    def identify(self, visitor: Visitor) -> User:
        """Return the user who calls. The same visitor, as an object, is the same user as long as the token is valid.

        Raises:
            AddressError: The address, a forwarding header or the Host is not admitted.
            AuthError: No token, or not a valid one.
        """
        user = self._recall(visitor)
        if user is None:
            user = self._tell_refused(visitor, self._caller)
            if len(self._seen) >= _SEEN_ENTRIES:
                self._seen.clear()
            self._seen[id(visitor)] = visitor, user
        return user

    def _caller(self, visitor: Visitor) -> User:
        user = self.recognise(visitor)
        if "call" not in user.scopes:
            raise AuthError("this token may not call")
        return user

    def _tell_refused(self, visitor: Visitor, let_in: Callable[[Visitor], User]) -> User:
        """Let somebody in, or have it written down that they were not."""
        try:
            return let_in(visitor)
        except RefusedError as exc:
            self.refused("unix" if visitor.is_unix else visitor.peer, exc)
            raise

    def _recall(self, visitor: Visitor) -> User | None:
        known, user = self._seen.get(id(visitor), (None, None))
        return user if known is visitor and user is not None and self.still_valid(user) else None

    def recognise(self, visitor: Visitor) -> User:
        """Return who shows a token, whatever it may be used for; or the anonymous user.

        Raises:
            AddressError: As `identify`.
            AuthError: No token, or not a valid one.
            BusyError: Too many wrong ones came from this address.
        """
        address = self.admit(visitor)
        header = visitor.headers.get("authorization", "")
        if header:
            return self._by_token(header, _place_of(address))
        refuse_foreign(visitor.headers)
        if not self._config.access.anonymous:
            raise AuthError("a token is needed: send `Authorization: Bearer ksr_…`")
        if address is not None and not _is_in(address, self._loopback):
            raise AddressError("anonymous calls are taken from this machine only")
        refuse_pages(visitor.headers)
        return self._user(ANONYMOUS)

    def admit(self, visitor: Visitor) -> Address | None:
        """Check the address and the Host; return the true address, None for a Unix socket.

        Who could open the socket's file is let in. A proxy that came by it counts as one on this machine: it must be
        trusted, and who is behind it is judged by address.

        Raises:
            AddressError: Not admitted.
        """
        if visitor.is_unix and not any(name in visitor.headers for name in _FORWARDED):
            return None
        address = self._true_address(visitor)
        if _is_in(address, self._block) or not _is_in(address, self._allow):
            raise AddressError("this address is not admitted (access.ip_allow, access.ip_block)")
        self._check_host(visitor.headers.get("host", ""))
        return address

    def place_of(self, visitor: Visitor) -> str:
        """Return the address of a visitor that was admitted, to be written down."""
        return (
            "unix"
            if visitor.is_unix and not any(name in visitor.headers for name in _FORWARDED)
            else str(self._true_address(visitor))
        )

    def is_near(self, visitor: Visitor) -> bool:
        """Tell whether a visitor that was admitted is on this machine."""
        if visitor.is_unix and not any(name in visitor.headers for name in _FORWARDED):
            return True
        return _is_in(self._true_address(visitor), self._loopback)

    def still_valid(self, user: User) -> bool:
        """Tell whether the token behind an open connection is valid still."""
        if user.name == ANONYMOUS and not user.token_id:
            return self._config.access.anonymous
        return self._tokens.is_id_valid(user.token_id)

    def renew(self, user: User) -> User:
        """Return the user as the rules in force describe them; the same object each time.

        Raises:
            AuthError: The token behind it is no longer valid, or nobody is let in without one any more.
            BusyError: The store of tokens cannot be read for so long that nobody knows.
        """
        if not self.still_valid(user):
            if user.token_id:
                self._tokens.expect_recent()
            raise AuthError("the token is no longer valid" if user.token_id else "a token is needed now")
        return self._user(user.name, user.token_id, user.scopes)

    def expires_at(self, user: User) -> float | None:
        """Return when the token that a user showed ends, as Unix time; None if it never does, or there was none."""
        record = self._tokens.find(user.token_id)
        return None if record is None else record.expires_at

    def check_origin(self, visitor: Visitor) -> None:
        """See to it that no page of another site opens a WebSocket: browsers ask nobody before they do.

        Raises:
            AddressError: One does.
        """
        if not is_own_page(visitor.headers, self._origins):
            raise AddressError("this page is of another site; list its origin in server.origins")

    def issue_ticket(self, visitor: Visitor, route: str, origin: str) -> str:
        """Return a ticket with which a page of this origin, on the visitor's network, opens one WebSocket.

        Raises:
            AddressError: As `identify`.
            AuthError: As `identify`; who shows no token gets no ticket.
        """
        user = self.identify(visitor)
        if not user.token_id:
            raise AuthError("a ticket stands for a token: send `Authorization: Bearer ksr_…`")
        return self.tickets.issue(user, Binding(route, origin.lower(), network_of(self.admit(visitor))))

    def take_ticket(self, visitor: Visitor, route: str, ticket: str) -> User:
        """Spend a ticket; return who calls with it.

        Raises:
            AddressError: The address, a forwarding header or the Host is not admitted.
            AuthError: It is unknown, spent, over or for something else, or the token behind it is valid no more.
            BusyError: Too many wrong ones came from this address.
        """
        return self._tell_refused(visitor, partial(self._by_ticket, route, ticket))

    def _by_ticket(self, route: str, ticket: str, visitor: Visitor) -> User:
        address = self.admit(visitor)
        origin = visitor.headers.get("origin", "").lower()
        try:
            return self.renew(self.tickets.take(ticket, Binding(route, origin, network_of(address))))
        except AuthError:
            self._throttle.add(_place_of(address))
            raise

    def _by_token(self, header: str, place: str) -> User:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise AuthError("the Authorization header must be `Bearer ksr_…`")
        try:
            record = self._tokens.identify(token.strip())
        except AuthError:
            self._throttle.add(place)
            raise
        return self._user(record.user, record.id, record.scopes)

    def _user(self, name: str, token_id: str = "", scopes: frozenset[str] = frozenset({"call"})) -> User:
        user = self._users.get(token_id or name)
        if user is None:
            user = User(name, self._config.rules_for(name), token_id, scopes)
            self._users[token_id or name] = user
        return user

    def _true_address(self, visitor: Visitor) -> Address:
        address = _parse("127.0.0.1" if visitor.is_unix else visitor.peer)
        forwarded = [name for name in _FORWARDED if name in visitor.headers]
        if not forwarded:
            return address
        if not _is_in(address, self._proxies):
            raise AddressError(
                f"the request carries {forwarded[0]} but comes from no trusted proxy (access.trusted_proxies)"
            )
        hops = [hop.strip() for hop in visitor.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
        if not hops:  # the proxy's own address says nothing of who is behind it
            raise AddressError("the trusted proxy does not say for whom it asks: it must send X-Forwarded-For")
        for hop in reversed(hops):
            address = _parse(hop)
            if not _is_in(address, self._proxies):
                break
        return address

    def _check_host(self, host: str) -> None:
        """Refuse names that a hostile page could have rebound to this address."""
        name = (host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]).lower()
        if name in self._hosts or is_address(name):
            return
        raise AddressError(f"unknown host name {name[:100]!r}; list it in server.hosts")


def _ignore(_: str, __: RefusedError) -> None:
    """Write nothing down."""


@lru_cache(maxsize=256)
def _parse(text: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as exc:
        raise AddressError("the peer's address cannot be told") from exc
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _place_of(address: Address | None) -> str:
    """Return what stands for a peer where wrong tokens are counted: who has an IPv6 address has many."""
    return str(address) if isinstance(address, ipaddress.IPv4Address) else network_of(address)


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def networks_of(names: tuple[str, ...]) -> list[Network]:
    """Return the networks of a list such as `access.ip_allow`."""
    return [ipaddress.ip_network(text, strict=False) for name in names for text in _NAMED.get(name, (name,))]


def _is_in(address: Address, networks: list[Network]) -> bool:
    return any(address in network for network in networks)
