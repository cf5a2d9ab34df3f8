"""WebSockets are counted by user."""

from __future__ import annotations

import pytest

from ksrpc.errors import BusyError
from ksrpc.gateway.seat import Seats


def test_one_more_is_refused_and_nobody_else_concerned() -> None:
    seats = Seats()
    seats.take("li", 2)
    seats.take("li", 2)
    with pytest.raises(BusyError, match=r"access\.connections"):
        seats.take("li", 2)
    seats.take("wang", 2)
    seats.leave("li")
    seats.take("li", 2)


def test_nobody_is_remembered_who_has_none_open() -> None:
    seats = Seats()
    for number in range(100):
        seats.take(str(number), 1)
        seats.leave(str(number))
    assert len(seats) == 0
    with pytest.raises(BusyError):
        seats.take("li", 0)
