"""Wrong tokens are counted by address, in bounded memory, and in nobody else's way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ksrpc.config import Config
from ksrpc.errors import AuthError, BusyError
from ksrpc.gateway.identify import Doorkeeper, Visitor
from ksrpc.gateway.throttle import Throttle
from ksrpc.limits import WRONG_TOKENS
from ksrpc.store import TokenStore


class Clock:
    """Tell the time that a test sets [s]."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def spend(throttle: Throttle, place: str) -> None:
    """Show as many wrong tokens as an address may."""
    for _ in range(WRONG_TOKENS.burst):
        throttle.add(place)


def until_busy(knock: Callable[[int], object]) -> int:
    """Show wrong tokens until they are too many; return how many were answered as what they are."""
    for number in range(20 * WRONG_TOKENS.burst):  # time goes by, and forgives some
        try:
            knock(number)
        except AuthError:
            continue
        except BusyError:
            return number
    pytest.fail("nobody is told to wait")


def test_too_many_from_one_address_and_nobody_else() -> None:
    throttle = Throttle(Clock())
    spend(throttle, "192.0.2.1")
    for refused in (throttle.add, throttle.check):
        with pytest.raises(BusyError, match="too many wrong tokens"):
            refused("192.0.2.1")
    throttle.check("192.0.2.2")
    throttle.add("192.0.2.2")


def test_it_is_over_with_time_however_long_the_flood_was() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    spend(throttle, "a")
    for _ in range(10_000):
        with pytest.raises(BusyError):
            throttle.add("a")
    clock.now = 1.0
    throttle.check("a")


def test_memory_is_bounded() -> None:
    throttle = Throttle(Clock())
    for number in range(3 * WRONG_TOKENS.places):
        throttle.add(str(number))
    assert len(throttle) == WRONG_TOKENS.places


def test_a_right_token_passes_whatever_others_at_the_address_do(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "store.sqlite3")
    right = store.create("li")
    door = Doorkeeper(Config(), store)

    def knock(token: str, peer: str = "10.0.0.1") -> str:
        return door.identify(Visitor(peer, {"authorization": f"Bearer {token}"})).name

    assert until_busy(lambda _: knock("wrong")) >= WRONG_TOKENS.burst
    assert knock(right) == "li"
    with pytest.raises(AuthError):
        knock("wrong", "10.0.0.2")
    again = Doorkeeper(Config(), store, door)  # a new configuration forgives nobody
    wrong = Visitor("10.0.0.1", {"authorization": "Bearer wrong"})
    assert until_busy(lambda _: again.identify(wrong)) < WRONG_TOKENS.burst
    store.close()


def test_the_addresses_of_one_network_of_ipv6_are_one_place(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "store.sqlite3")
    door = Doorkeeper(Config.model_validate({"access": {"ip_allow": ["any"]}}), store)

    def knock(number: int) -> object:
        return door.identify(Visitor(f"2001:db8::{number:x}", {"authorization": "Bearer wrong"}))

    assert until_busy(knock) >= WRONG_TOKENS.burst
    store.close()
