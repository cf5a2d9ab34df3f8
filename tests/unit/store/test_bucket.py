"""A bound on how often something is done."""

from __future__ import annotations

from ksrpc.store.bucket import Bucket


def test_a_stock_is_spent_and_grows_again() -> None:
    now = 100.0
    bucket = Bucket(3, 2, lambda: now)
    assert [bucket.spend() for _ in range(4)] == [True, True, True, False]
    now += 0.49
    assert not bucket.spend()
    now += 0.02
    assert [bucket.spend() for _ in range(2)] == [True, False]


def test_it_holds_no_more_than_at_first_however_long_it_rests() -> None:
    now = 0.0
    bucket = Bucket(2, 10, lambda: now)
    now += 1e6
    assert [bucket.spend() for _ in range(3)] == [True, True, False]
