"""Tickets: good once, for a while, for one thing; few of one user, and none kept in the clear."""

from __future__ import annotations

import ipaddress

import pytest

from ksrpc.errors import AuthError
from ksrpc.gateway.ticket import Binding, Tickets, find_ticket, network_of
from ksrpc.limits import TICKETS
from ksrpc.model import Rules, User

LI = User("li", Rules(allow=("demo",)), "aaaaaaaa", frozenset({"call"}))
WANG = User("wang", Rules(allow=("demo",)), "bbbbbbbb", frozenset({"call"}))
HERE = Binding("/ws/json", "https://page.example", "192.0.2.0/24")


class Clock:
    """Tell the time that a test sets [s]."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_is_taken_once() -> None:
    tickets = Tickets()
    made = tickets.issue(LI, HERE)
    assert tickets.take(made, HERE) is LI
    assert len(tickets) == 0
    with pytest.raises(AuthError, match="unknown or spent"):
        tickets.take(made, HERE)


@pytest.mark.parametrize(
    "other",
    [
        HERE._replace(route="/ws/bytes"),
        HERE._replace(origin="https://evil.example"),
        HERE._replace(origin=""),
        HERE._replace(network="198.51.100.0/24"),
    ],
    ids=["route", "origin", "no origin", "network"],
)
def test_a_ticket_that_is_shown_elsewhere_is_spent(other: Binding) -> None:
    tickets = Tickets()
    made = tickets.issue(LI, HERE)
    with pytest.raises(AuthError):
        tickets.take(made, other)
    with pytest.raises(AuthError):
        tickets.take(made, HERE)


def test_a_ticket_ends() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    first, second = tickets.issue(LI, HERE), tickets.issue(LI, HERE)
    clock.now = TICKETS.lifetime_s - 1
    assert tickets.take(first, HERE) is LI
    clock.now = TICKETS.lifetime_s
    with pytest.raises(AuthError):
        tickets.take(second, HERE)


def test_of_too_many_the_users_own_oldest_is_dropped() -> None:
    tickets = Tickets()
    others = tickets.issue(WANG, HERE)
    made = [tickets.issue(LI, HERE) for _ in range(TICKETS.per_user + 1)]
    assert len(tickets) == TICKETS.per_user + 1
    with pytest.raises(AuthError):
        tickets.take(made[0], HERE)
    assert tickets.take(made[1], HERE) is LI
    assert tickets.take(others, HERE) is WANG


def test_those_that_nobody_took_are_forgotten() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    for number in range(100):
        tickets.issue(User(f"u{number}", Rules(), str(number), frozenset({"call"})), HERE)
    clock.now = TICKETS.lifetime_s
    tickets.issue(LI, HERE)
    assert len(tickets) == 1


@pytest.mark.parametrize("text", ["", "x", "é" * 43, "a" * 43, "a" * 10_000])
def test_what_is_no_ticket(text: str) -> None:
    with pytest.raises(AuthError, match="unknown or spent"):
        Tickets().take(text, HERE)


def test_a_ticket_is_not_kept_in_the_clear() -> None:
    tickets = Tickets()
    made = tickets.issue(LI, HERE)
    assert len(made) == 43
    assert made not in repr(vars(tickets))


@pytest.mark.parametrize(
    ("offered", "found"),
    [
        ("", ("", "")),
        ("chat, ksrpc", ("", "ksrpc")),
        ("ksrpc.ticket.abc", ("abc", "ksrpc.ticket.abc")),
        ("ksrpc, ksrpc.ticket.abc", ("abc", "ksrpc")),
        ("ksrpc.ticket.abc,ksrpc.ticket.def", ("abc", "ksrpc.ticket.abc")),
        ("ksrpc.ticket.", ("", "ksrpc.ticket.")),
    ],
)
def test_a_ticket_among_the_protocols(offered: str, found: tuple[str, str]) -> None:
    assert find_ticket({"sec-websocket-protocol": offered}) == found


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2345::1", "2001:db8:1:2300::/56")],
)
def test_the_network_of_a_peer(address: str, network: str) -> None:
    assert network_of(ipaddress.ip_address(address)) == network
    assert network_of(None) == ""
