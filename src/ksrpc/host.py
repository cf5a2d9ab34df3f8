"""Which hosts a module may ask: the entries of `module.NAME.hosts`, and what is closed whatever they say.

An entry is a name, `*.` and a name for all below it, an address or a network, each with `:port` if it is to be another
port than those of the web. A name admits the public addresses that it stands for; others have to be listed as well.

Source: docs/spec/policy.md "Hosts".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Address", "HostRule", "Hosts", "check_host", "is_name", "parse_host"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORTS = (80, 443)
_PORT_MAX = 65_535
_NAME_CHARS = 253
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
#: IPv6 that stands for IPv4: behind it may be an address that is closed.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class HostRule:
    """Hold one entry.

    Attributes:
        name: A name in lower case; with a dot first for all names below it; empty for a network.
        network: The addresses; None for a name.
        ports: TCP ports.
    """

    name: str
    network: Network | None
    ports: tuple[int, ...]


def parse_host(text: str) -> HostRule:
    """Read one entry.

    Raises:
        ValueError: It is none, or names what is closed to every module; the text says which.
    """
    host, ports = _split(text)
    network = _network(host)
    if network is None:
        name = host.lower().rstrip(".")
        is_below, plain = name.startswith("*."), name.removeprefix("*.")
        if not is_name(plain) or (is_below and "." not in plain):
            raise ValueError(f"{text[:100]!r} is no host: a name, *.name, an address or a network, and perhaps :port")
        return HostRule(name.removeprefix("*"), None, ports)
    if is_closed(network.network_address) or is_closed(network.broadcast_address):
        raise ValueError(f"{text[:100]!r}: addresses of this machine and of its neighbourhood are closed to modules")
    return HostRule("", network, ports)


def check_host(text: str) -> str:
    """Return an entry as it is if it can be read."""
    parse_host(text)
    return text


class Hosts:
    """Decide which hosts a module may ask.

    Args:
        entries: As in `module.NAME.hosts`.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._rules = [parse_host(entry) for entry in entries]

    def admit(self, host: str, port: int) -> bool:
        """Tell whether a name, or an address, is listed for this port, before anything is resolved."""
        address = _address(host)
        if address is not None:
            return self.reach(address, port) and self._lists(address, port)
        name = host.lower().rstrip(".")
        return any(port in rule.ports and rule.network is None and _fits(name, rule.name) for rule in self._rules)

    def reach(self, address: Address, port: int) -> bool:
        """Tell whether an admitted name may stand for this address."""
        if is_closed(address):
            return False
        return _plain(address).is_global or self._lists(address, port)

    def _lists(self, address: Address, port: int) -> bool:
        plain = _plain(address)
        return any(port in rule.ports and rule.network is not None and _holds(rule.network, plain)
                   for rule in self._rules)  # fmt: skip


def is_closed(address: Address) -> bool:
    """Tell whether no entry opens an address: this machine, its neighbourhood with the cloud's metadata, groups."""
    plain = _plain(address)
    return plain.is_loopback or plain.is_link_local or plain.is_unspecified or plain.is_multicast


def _plain(address: Address) -> Address:
    """Return the IPv4 address that one of IPv6 stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    return address if inner is None else inner


def _split(text: str) -> tuple[str, tuple[int, ...]]:
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")) or text.endswith("]"):
        return text.strip("[]"), _PORTS
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= _PORT_MAX):
        raise ValueError(f"{text[:100]!r}: {port[:20]!r} is no port")
    return host.strip("[]"), (int(port),)


def _network(host: str) -> Network | None:
    try:
        return ipaddress.ip_network(host)
    except ValueError as exc:
        if "/" in host:
            raise ValueError(f"{host[:100]!r} is no network: {exc}") from None
        return None


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_name(name: str) -> bool:
    """Tell whether it is a name; what is digits alone at its end is an address that is written oddly."""
    labels = name.split(".")
    return len(name) <= _NAME_CHARS and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def _fits(name: str, wanted: str) -> bool:
    return name.endswith(wanted) and len(name) > len(wanted) if wanted.startswith(".") else name == wanted


def _holds(network: Network, address: Address) -> bool:
    return address.version == network.version and address in network
