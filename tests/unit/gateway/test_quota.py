"""Quotas: reserved before the call, settled with its true rows, exact when calls run at the same time."""

from __future__ import annotations

import asyncio
import functools
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ksrpc import wire
from ksrpc.config import Config
from ksrpc.errors import DeadlineError, KsrpcError, QuotaError
from ksrpc.gateway import Answer, Arguments, Call, Gateway
from ksrpc.gateway.identify import Visitor
from ksrpc.gateway.limit import limits_for
from ksrpc.gateway.quota import KEEP_DAYS, Quota
from ksrpc.model import Rules, User
from ksrpc.store import TokenStore
from ksrpc.store.usage import Counter, UsageStore

NOON = datetime(2026, 11, 22, 12, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
RULES = Rules(allow=("demo", "math"))


P = ParamSpec("P")


def on_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 60))

    return run


class Clock:
    """Tell a Unix time that stands still."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


_OPEN: list[Quota] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close what a test opened."""
    yield
    while _OPEN:
        _OPEN.pop().close()


class Desk:
    """Hold a quota, and call through it functions that answer when a test says so."""

    def __init__(self, folder: Path, quota: dict[str, Any], **user: dict[str, Any]) -> None:
        self.clock = Clock()
        self.folder = folder
        self.config = self.make_config(quota, **user)
        self.quota = Quota(self.config, clock=self.clock)
        _OPEN.append(self.quota)
        self.started: list[str] = []

    def make_config(self, quota: dict[str, Any], **user: dict[str, Any]) -> Config:
        return Config.model_validate({"server": {"data_dir": str(self.folder)}, "quota": quota, "user": user})

    def ask(
        self,
        rows: int | BaseException,
        *,
        path: str = "demo.bars",
        user: str = "zhang",
        gate: asyncio.Event | None = None,
    ) -> Awaitable[Answer]:
        async def run(call: Call) -> Answer:
            self.started.append(call.user.name)
            if gate is not None:
                await gate.wait()
            if isinstance(rows, BaseException):
                raise rows
            message = wire.pack(np.zeros(rows, np.int8))
            return Answer(tuple(message.segments), message.nbytes)

        deadline = asyncio.get_running_loop().time() + 60
        return self.quota.charge(Call(User(user, RULES), path, Arguments(), deadline), run)

    def used(self, user: str = "zhang") -> dict[str, int]:
        return {usage.scope: usage.used for usage in self.quota.usage(user)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, {"default": {"rows_per_day": 100_000}})


async def rest() -> None:
    """Let every task that can take a step take it."""
    for _ in range(5):
        await asyncio.sleep(0)


async def refused(asked: Awaitable[Answer]) -> QuotaError:
    with pytest.raises(QuotaError) as caught:
        await asked
    return caught.value


@on_loop
async def test_the_row_that_fills_the_day_is_the_last(desk: Desk) -> None:
    """60 000 + 39 000 of 100 000, then two at once of 50 000: one is let in; the next day begins with nothing."""
    await desk.ask(60_000)
    await desk.ask(39_000)
    gate = asyncio.Event()
    both = [asyncio.ensure_future(desk.ask(50_000, gate=gate)) for _ in range(2)]
    await rest()
    error = await refused(both[1])
    assert (error.used_rows, error.limit_rows, error.scope, error.retry_after_s) == (99_000, 100_000, "*", 1)
    assert "calls that are running" in str(error)
    gate.set()
    assert (await both[0]).size > 50_000
    assert desk.used() == {"*": 149_000}

    error = await refused(desk.ask(1))
    assert (error.used_rows, error.resets_in_s, error.retry_after_s) == (149_000, 43_200, 43_200)
    assert "it opens again at 2026-11-23 00:00 (Asia/Shanghai)" in str(error)
    desk.clock.now = NOON + 43_199
    await refused(desk.ask(1))
    desk.clock.now = NOON + 43_200
    assert desk.used() == {"*": 0}
    await desk.ask(100_000)
    assert desk.used() == {"*": 100_000}
    await refused(desk.ask(1))


@on_loop
async def test_all_limits_hold_together(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path,
        {"default": {"rows_per_day": 2000}, "demo": {"rows_per_day": 1000}, "demo.test": {"rows_per_day": 500}},
    )
    await desk.ask(499, path="demo.test")
    await desk.ask(100, path="demo.test")
    assert (await refused(desk.ask(1, path="demo.test"))).scope == "demo.test"
    await desk.ask(401, path="demo.other")
    error = await refused(desk.ask(1, path="demo.other"))
    assert str(error).startswith("the quota of 1000 rows of demo a day is used up (1000 used)")
    await desk.ask(1500, path="math.pow")
    assert (await refused(desk.ask(1, path="math.pow"))).scope == "*"
    assert desk.used() == {"*": 2500, "demo": 1000, "demo.test": 599}
    assert desk.started == ["zhang"] * 4


@on_loop
async def test_a_module_and_a_function_have_the_default_each(tmp_path: Path) -> None:
    desk = Desk(tmp_path, {"default": {"module_rows_per_day": 10, "function_rows_per_day": 6}})
    await desk.ask(6, path="demo.a")
    assert (await refused(desk.ask(1, path="demo.a"))).scope == "demo.a"
    await desk.ask(6, path="demo.b")
    assert (await refused(desk.ask(1, path="demo.c"))).scope == "demo"
    await desk.ask(6, path="math.a")
    assert desk.used() == {"demo": 12, "demo.a": 6, "demo.b": 6, "math": 6, "math.a": 6}


@on_loop
async def test_each_user_has_a_quota(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path,
        {"default": {"rows_per_day": 10}},
        big={"quota": {"rows_per_day": 50}},
        no={"quota": {"rows_per_day": 0}},
    )
    await desk.ask(10)
    await refused(desk.ask(1))
    await desk.ask(10, user="li")
    await desk.ask(40, user="big")
    await desk.ask(40, user="big")
    await refused(desk.ask(1, user="big"))
    error = await refused(desk.ask(1, user="no"))
    assert error.retry_after_s is None
    assert "lets nothing through" in str(error)
    assert desk.used("big") == {"*": 80}


@on_loop
async def test_without_a_limit_nothing_is_counted_and_nothing_written(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "none", {})
    await desk.ask(10**6)
    assert desk.quota.usage("zhang") == []
    assert not desk.folder.exists()
    other = Desk(tmp_path / "one", {"demo": {"rows_per_day": 5}})
    await other.ask(10**6, path="math.pow")
    assert other.used() == {"demo": 0}
    assert other.quota._means == {}


@pytest.mark.parametrize("error", [ValueError("raised"), KsrpcError("lost"), asyncio.CancelledError()])
@on_loop
async def test_an_error_costs_nothing_and_gives_back_what_was_reserved(desk: Desk, error: BaseException) -> None:
    await desk.ask(99_999)
    for _ in range(3):
        with pytest.raises(type(error)):
            await desk.ask(error)
    assert desk.used() == {"*": 99_999}
    await desk.ask(1)
    await refused(desk.ask(1))


@on_loop
async def test_a_caller_who_goes_gives_the_reservation_back(desk: Desk) -> None:
    await desk.ask(99_999)
    gate = asyncio.Event()
    first = asyncio.ensure_future(desk.ask(1, gate=gate))
    await rest()
    await refused(desk.ask(1))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await desk.ask(1)


@on_loop
async def test_calls_of_unknown_size_run_one_after_the_other(desk: Desk) -> None:
    """Twenty begin at once with a quota for one: the first tells what they cost, and the others are held to it."""
    desk.quota.adjust(desk.make_config({"default": {"rows_per_day": 1000}}))
    gate = asyncio.Event()
    calls = [asyncio.ensure_future(desk.ask(600, gate=gate)) for _ in range(20)]
    await rest()
    assert len(desk.started) == 1
    gate.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in done].count(Answer) == len(desk.started) == 2
    assert sum(isinstance(one, QuotaError) for one in done) == 18
    assert desk.used() == {"*": 1200}


@on_loop
async def test_known_calls_run_at_the_same_time(desk: Desk) -> None:
    await desk.ask(100)
    gate = asyncio.Event()
    calls = [asyncio.ensure_future(desk.ask(100, gate=gate)) for _ in range(20)]
    other = asyncio.ensure_future(desk.ask(5, user="li", gate=gate))
    await rest()
    assert desk.started == ["zhang"] * 21 + ["li"]
    gate.set()
    await asyncio.gather(*calls, other)
    assert desk.used() == {"*": 2100}


@on_loop
async def test_a_failing_first_call_lets_the_next_one_try(desk: Desk) -> None:
    gate = asyncio.Event()
    calls = [asyncio.ensure_future(desk.ask(ValueError("raised"), gate=gate)) for _ in range(2)]
    calls.append(asyncio.ensure_future(desk.ask(7, gate=gate)))
    await rest()
    gate.set()
    assert [type(one) for one in await asyncio.gather(*calls, return_exceptions=True)] == [
        ValueError,
        ValueError,
        Answer,
    ]
    assert len(desk.started) == 3


@on_loop
async def test_waiting_for_a_first_call_ends_with_the_deadline(desk: Desk) -> None:
    gate = asyncio.Event()
    first = asyncio.ensure_future(desk.ask(7, gate=gate))
    await rest()

    async def run(_call: Call) -> Answer:
        raise AssertionError("it must not run")

    call = Call(User("zhang", RULES), "demo.bars", Arguments(), asyncio.get_running_loop().time() + 0.01)
    with pytest.raises(DeadlineError) as caught:
        await desk.quota.charge(call, run)
    assert caught.value.maybe_ran is False
    gate.set()
    await first


@on_loop
async def test_a_call_is_charged_to_the_day_on_which_it_began(desk: Desk) -> None:
    gate = asyncio.Event()
    late = asyncio.ensure_future(desk.ask(500, gate=gate))
    await rest()
    desk.clock.now += 86_400
    gate.set()
    await late
    assert desk.used() == {"*": 0}
    desk.clock.now -= 86_400
    assert desk.used() == {"*": 500}


@on_loop
async def test_another_configuration_holds_from_the_next_call_on(desk: Desk) -> None:
    await desk.ask(500)
    desk.quota.adjust(desk.make_config({"default": {"rows_per_day": 400}}))
    await refused(desk.ask(1))
    desk.quota.adjust(desk.make_config({}))
    await desk.ask(1000)
    desk.quota.adjust(desk.make_config({"default": {"rows_per_day": 501}}))
    await desk.ask(1)
    await refused(desk.ask(1))


@on_loop
async def test_two_servers_share_the_counters(desk: Desk, tmp_path: Path) -> None:
    other = Desk(tmp_path, {"default": {"rows_per_day": 100_000}})
    await desk.ask(60_000)
    await other.ask(40_000)
    assert (await refused(desk.ask(1))).used_rows == 100_000
    assert desk.used() == other.used() == {"*": 100_000}


@on_loop
async def test_what_ran_when_the_process_ended_is_not_reserved_any_more(desk: Desk, tmp_path: Path) -> None:
    await desk.ask(99_999)
    pending = asyncio.ensure_future(desk.ask(1, gate=asyncio.Event()))
    await rest()
    again = Desk(tmp_path, {"default": {"rows_per_day": 100_000}})
    assert again.used() == {"*": 99_999}
    await again.ask(1)
    pending.cancel()


@on_loop
async def test_what_cannot_be_written_counts_all_the_same(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    await desk.ask(1)
    with closing(sqlite3.connect(desk.folder / "usage.sqlite3", isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        with caplog.at_level(logging.WARNING):
            await desk.ask(99_999)
        assert "held in memory" in caplog.text
        assert (await refused(desk.ask(1))).used_rows == 100_000
        blocker.execute("ROLLBACK")
    assert desk.used() == {"*": 1}
    await desk.quota.tick()
    assert desk.used() == {"*": 100_000}


@on_loop
async def test_old_counters_go_with_time(desk: Desk) -> None:
    await desk.ask(5)
    desk.clock.now += KEEP_DAYS * 86_400
    await desk.quota.tick()
    with closing(UsageStore(desk.folder / "usage.sqlite3")) as store:
        assert store.read("2026-11-22", "zhang") == {"*": 5}
        desk.clock.now += 86_400
        await desk.quota.tick()
        assert store.read("2026-11-22", "zhang") == {}


@on_loop
async def test_what_is_reserved_follows_the_mean_of_what_came(desk: Desk) -> None:
    limits = limits_for(desk.config, "zhang", "demo.bars")
    assert desk.quota.reserve("zhang", "demo.bars", limits).rows == 1
    await desk.ask(10)
    await desk.ask(21)
    reservation = desk.quota.reserve("zhang", "demo.bars", limits)
    assert reservation.rows == 16
    assert reservation.counters == (Counter("2026-11-22", "zhang", "*"),)
    assert desk.quota.reserve("li", "demo.bars", limits).rows == 1
    for _ in range(100):
        await desk.ask(0)
    assert desk.quota.reserve("zhang", "demo.bars", limits).rows == 1


@pytest.mark.parametrize("seed", range(5))
@on_loop
async def test_never_over_by_more_than_one_call_and_never_lost(desk: Desk, seed: int) -> None:
    """Calls of one size, begun and ended in any order, some failing: what was answered is what was counted."""
    source = np.random.default_rng(seed)
    desk.quota.adjust(desk.make_config({"default": {"rows_per_day": 1000}}))
    answered = 0

    async def one() -> None:
        nonlocal answered
        for _ in range(source.integers(1, 12)):
            await asyncio.sleep(0)
        try:
            await desk.ask(70 if source.random() < 0.8 else ValueError("raised"))
            answered += 70
        except (QuotaError, ValueError):
            pass

    await asyncio.gather(*(one() for _ in range(60)))
    assert answered == desk.used()["*"] < 1000 + 70
    assert answered >= 1000
    assert not desk.quota._reserved


INLINE = {"call": {"enabled": True}, "access": {"allow": ["math"]}, "module": {"math": {"executor": "inline"}}}


@on_loop
async def test_a_follower_does_not_fail_for_the_quota_of_who_asked_first(tmp_path: Path) -> None:
    settings = {
        **INLINE,
        "server": {"data_dir": str(tmp_path)},
        "quota": {"default": {"rows_per_day": 10}},
        "user": {"poor": {"quota": {"rows_per_day": 0}}},
    }
    with closing(TokenStore(tmp_path / "store.sqlite3")) as tokens:
        gateway = Gateway(Config.model_validate(settings), tokens)
        gateway.start()
        users = {name: _identify(gateway, tokens.create(name)) for name in ("poor", "rich")}

        def ask(name: str) -> Awaitable[Answer]:
            deadline = asyncio.get_running_loop().time() + 60
            arguments = Arguments(wire.pack_arguments((2.0, 3.0), {}).join())
            return gateway.handle(Call(users[name], "math.pow", arguments, deadline, cache_expire=3600))

        await gateway.describe(Call(users["rich"], "math.pow", Arguments(), 1e12))  # so that all three fly at once
        poor, rich, other = await asyncio.gather(ask("poor"), ask("rich"), ask("rich"), return_exceptions=True)
        used = gateway.quota.usage("rich")
        await gateway.stop()
    assert isinstance(poor, QuotaError)
    assert isinstance(rich, Answer)
    assert isinstance(other, Answer)
    assert wire.parse(rich.join()) == 8.0
    assert other.labels == {"cache": "joined"}
    assert [usage.used for usage in used] == [1]  # two callers, one question, one row


def _identify(gateway: Gateway, token: str) -> User:
    return gateway.door.identify(Visitor("127.0.0.1", {"authorization": f"Bearer {token}", "host": "127.0.0.1"}))
