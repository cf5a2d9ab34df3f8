"""Objects that are kept on the server: used, entered, let go, and chained in one round trip."""

from __future__ import annotations

import asyncio
import copy
import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ksrpc
from ksrpc import RpcClient
from ksrpc.connections.base import Connection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import (
    ArgumentError,
    BusyError,
    DeadlineError,
    EncodeError,
    ForbiddenError,
    LostError,
    NotFoundError,
    RemoteError,
)
from tests.helpers.awaited import Awaited, run
from tests.helpers.cutter import cutting
from tests.helpers.keeping import listed, write_modules
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import connection_to

CONFIG = f"""
[server]
port = 0
[call]
enabled = true
timeout_s = 60
handles = 300
[access]
anonymous = true
allow = ["mine", "pair", "sqlite3"]
[user.anonymous]
handles = true
[module.mine]
processes = 1
[module.pair]
processes = 2
[module.sqlite3.handles.Connection]
methods = ["commit"]
attributes = ["total_changes"]
{listed("mine", "pair")}
"""
WITHIN_S = 30.0


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("keeper")
    write_modules(folder, "mine", "pair")
    with GatewayProcess(folder, CONFIG) as process:
        yield process


@pytest.fixture
def connected(keeper: GatewayProcess, way: str) -> Iterator[Connection]:
    with connection_to(keeper, way) as opened:
        yield opened
    if isinstance(opened, Awaited):
        opened.stop()


@pytest.fixture
def mine(connected: Connection) -> Any:
    return RpcClient("mine", connected)


def fail(error: BaseException) -> None:
    raise error


def is_there(account: Any) -> bool:
    try:
        account.balance()
    except NotFoundError:
        return False
    return True


def settled(told: Callable[[], int], expected: int) -> int:
    """Ask until the answer is as expected or less, or the time is over."""
    end = time.monotonic() + WITHIN_S
    while (found := told()) > expected and time.monotonic() < end:
        gc.collect()
    return found


def test_an_object_is_used_as_if_it_were_here(mine: Any) -> None:
    account = mine.Account("li")
    assert account.balance() == ("li", "CNY")
    assert account.balance(currency="USD") == ("li", "USD")
    assert (account.name, account.kind, account.shown) == ("li", "cash", "LI")
    assert account.wait() == "li"
    assert list(account.many(1000)) == list(range(1000))
    assert mine.open_account("wang").balance() == ("wang", "CNY")
    assert account.balance.__doc__ == "Tell the balance."
    assert {"balance", "name", "release"} <= set(dir(account))
    assert "hidden" not in dir(account)
    assert repr(account).startswith("<mine.Account at ")


def test_what_a_method_gives_is_kept_too(mine: Any) -> None:
    orders = mine.Account("li").orders()
    assert (orders.first(), orders.all()["names"]) == ("li", ["li", "b"])


def test_errors_are_those_of_the_library(mine: Any) -> None:
    with pytest.raises(ValueError, match="no li"):
        mine.Account("li").fail()


def test_what_is_not_listed_does_not_exist_here(mine: Any) -> None:
    account = mine.Account("li")
    for name in ("hidden", "password", "__dict__", "_private"):
        with pytest.raises(AttributeError):
            getattr(account, name)
    with pytest.raises(ForbiddenError, match="rule B12"):
        account.raw  # noqa: B018 - reading it asks the server
    with pytest.raises(ForbiddenError, match="rule C3"):
        account.read("/etc/passwd")
    with pytest.raises(TypeError):
        account()
    with pytest.raises(AttributeError, match="cannot be set"):
        account.name = "wang"
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del account.name


def test_a_class_that_is_not_listed_is_an_error_with_its_name(mine: Any) -> None:
    with pytest.raises(EncodeError, match="Unlisted"):
        mine.unlisted()
    with pytest.raises(ForbiddenError, match="rule B3"):
        mine.Unlisted()


def test_an_object_in_a_container_is_refused_by_its_path(mine: Any) -> None:
    with pytest.raises(EncodeError, match=r"^result\['held'\]\[1\]: .*\.Account cannot travel"):
        mine.inside()
    with pytest.raises(EncodeError, match=r"^args\[0\]\['held'\]\[1\]: .*RemoteHandle cannot travel"):
        mine.open_account({"held": [1, mine.Account("li")]})


def test_an_object_is_no_argument_and_no_copy(mine: Any) -> None:
    account = mine.Account("li")
    with pytest.raises(EncodeError):
        mine.open_account(account)
    with pytest.raises(TypeError, match="neither be copied nor stored"):
        copy.copy(account)
    assert account.balance() == ("li", "CNY")


def test_released_it_is_gone(mine: Any) -> None:
    before = mine.live()
    account = mine.Account("li")
    assert not account.is_released
    account.release()
    account.release()
    assert account.is_released
    assert repr(account).endswith("(released)>")
    with pytest.raises(NotFoundError, match="no such object"):
        account.balance()
    assert mine.live() == before


def test_with_enters_and_leaves_on_the_server(mine: Any, way: str) -> None:
    name = f"with {way}".replace(" ", "-")
    before = mine.live()
    with mine.Account(name) as account:
        assert account.balance() == (name, "CNY")
    assert account.is_released
    with mine.Account(name):
        fail(KeyError("kept quiet there"))
    with pytest.raises(RuntimeError, match="went on"), mine.Account(name):
        fail(RuntimeError("went on"))
    with pytest.raises(KeyboardInterrupt), mine.Account(name):
        fail(KeyboardInterrupt())
    assert mine.left(name) == [
        [name, "", ""],
        [name, "KeyError", repr("'kept quiet there'")],
        [name, "RuntimeError", "went on"],
        [name, "RuntimeError", ""],
    ]
    del account
    assert settled(mine.live, before) == before


def test_entering_may_give_something_else_and_may_be_asynchronous(mine: Any) -> None:
    with mine.Pool() as number:
        assert number == 7
    with mine.Later() as later:
        assert later.name() == "later"


def test_with_needs_to_be_listed(mine: Any) -> None:
    orders = mine.Account("li").orders()
    with pytest.raises(ForbiddenError, match="context = true"):
        orders.__enter__()


def test_what_nobody_holds_any_more_is_let_go_with_a_later_call(mine: Any) -> None:
    before = mine.live()
    for _ in range(1000):  # more than may be kept at a time
        mine.Account("li")
    assert settled(mine.live, before) == before


def test_a_closed_connection_lets_go_of_its_objects(keeper: GatewayProcess, mine: Any, way: str) -> None:
    before = mine.live()
    other = connection_to(keeper, way)
    with other:
        there = RpcClient("mine", other)
        kept = [there.Account("li") for _ in range(5)]
        assert mine.live() == before + 5
    assert settled(mine.live, before) == before
    for account in kept:
        with pytest.raises((NotFoundError, LostError)):
            account.balance()
    if isinstance(other, Awaited):
        other.stop()


def test_a_user_keeps_so_many_at_a_time(mine: Any) -> None:
    name, made = "full", mine.made("full")
    kept = [mine.Account(name) for _ in range(300)]
    with pytest.raises(BusyError, match="300 objects are kept for you already") as full:
        mine.Account(name)
    assert full.value.maybe_ran is False
    assert mine.made(name) - made == 300
    with pytest.raises(EncodeError, match="300 objects are kept for you already") as late:
        mine.open_account(name)
    assert late.value.maybe_ran is True
    kept.pop().release()
    assert mine.Account("li").balance() == ("li", "CNY")
    for account in kept:
        account.release()


def test_an_object_lives_in_the_process_that_made_it(connected: Connection) -> None:
    pair = RpcClient("pair", connected)
    accounts = [pair.Account(f"a{number}") for number in range(4)]
    for _ in range(3):
        assert [account.balance()[0] for account in accounts] == ["a0", "a1", "a2", "a3"]
    assert len({account.pid() for account in accounts}) <= 2
    made = pair.aopen_account("awaited")  # on the loop of the shared process
    assert (made.wait(), made.balance(), list(made.many(3))) == ("awaited", ("awaited", "CNY"), [0, 1, 2])
    before = pair.alive()
    made.release()
    assert settled(pair.alive, before - 1) == before - 1


def test_with_its_process_an_object_is_gone(mine: Any) -> None:
    account, other = mine.Account("li"), mine.Account("wang")
    with pytest.raises(LostError) as lost:
        account.end()
    assert lost.value.maybe_ran is True
    for gone in (account, other):
        with pytest.raises(NotFoundError, match="no such object"):
            gone.balance()
    assert mine.Account("li").balance() == ("li", "CNY")


def test_a_call_on_an_object_has_its_time(connected: Connection, mine: Any) -> None:
    account = mine.Account("li")
    connected.timeout = (None, 0.5)
    with pytest.raises(DeadlineError):
        account.hang()
    connected.timeout = None
    assert mine.Account("li").balance() == ("li", "CNY")


def test_a_class_of_a_library(connected: Connection) -> None:
    database = RpcClient("sqlite3", connected).Connection(":memory:")
    assert database.total_changes == 0
    assert database.commit() is None
    with pytest.raises(AttributeError):
        database.execute("select 1")


def test_an_object_outlives_a_cut_of_its_websocket(keeper: GatewayProcess) -> None:
    for manner in ("websocket", "websocket awaited"):
        with cutting(keeper.port) as cutter:
            made: Connection = WebSocketConnection(cutter.ws_url, timeout=50)
            connected = Awaited(made) if "awaited" in manner else made
            account = RpcClient("mine", connected).Account("li")
            cutter.cut()
            assert account.balance() == ("li", "CNY")
            assert cutter.accepted == 2
            connected.stop() if isinstance(connected, Awaited) else connected.close()


# chains


def test_a_chain_is_one_call_and_leaves_nothing(mine: Any, connected: Connection) -> None:
    before = mine.live()
    lazy = ksrpc.lazy(mine)
    assert ksrpc.collect(lazy.Account("li").balance("USD")) == ("li", "USD")
    assert ksrpc.collect(lazy.Account("li").orders().first()) == "li"
    assert ksrpc.collect(lazy.open_account("li").orders().all()["names"][1]) == "b"
    assert ksrpc.collect(lazy.table()["a"][1]["b"]) == 2
    assert ksrpc.collect(lazy.Account("li").name) == "li"
    assert ksrpc.collect(lazy.Account("li").wait()) == "li"
    assert list(ksrpc.collect(lazy.Account("li").many(5))) == [0, 1, 2, 3, 4]
    assert settled(mine.live, before) == before


def test_a_chain_begins_at_an_object_and_may_end_with_one(mine: Any) -> None:
    account = mine.Account("li")
    assert ksrpc.collect(ksrpc.lazy(account).orders().first()) == "li"
    orders = ksrpc.collect(ksrpc.lazy(mine).Account("wang").orders())
    assert orders.first() == "wang"
    assert ksrpc.collect(ksrpc.lazy(account).balance()) == ("li", "CNY")


def test_errors_of_a_chain_name_the_step(mine: Any) -> None:
    lazy = ksrpc.lazy(mine)
    with pytest.raises(ValueError, match="no li") as raised:
        ksrpc.collect(lazy.Account("li").fail())
    assert "in step 2 of the chain: fail" in raised.value.__notes__
    with pytest.raises(KeyError) as missing:
        ksrpc.collect(lazy.table()["b"])
    assert "in step 2 of the chain: []" in missing.value.__notes__
    for expression, text in (
        (lazy.Account("li").hidden(), r"step 2 \(hidden\): .*rule B7"),
        (lazy.Account("li").orders().hidden(), r"step 3 \(hidden\): .*rule B7"),
        (lazy.Account("li").read("/etc/passwd"), r"step 2 \(read\): .*rule C3"),
        (lazy.table()["/etc/passwd"], r"step 2 \(\[\]\): .*rule C3"),
        (lazy.table().keys(), r"step 2 \(keys\): .*not listed"),
        (lazy.Account("li").balance, r"step 2 \(\.balance\): .*is a method"),
        (lazy.Account("li").raw, r"step 2 \(\.raw\): .*rule B12"),
        (lazy.Account("li").orders()["a"], r"step 3 \(\[\]\): no item"),
    ):
        with pytest.raises(PermissionError, match=text) as refused:
            ksrpc.collect(expression)
        assert isinstance(refused.value, RemoteError)  # a step before it has run
        assert refused.value.maybe_ran is True
    with pytest.raises(ForbiddenError, match=r"step 1 \(mine\.Account\): .*rule C3"):
        ksrpc.collect(lazy.Account("/etc/passwd").balance())
    with pytest.raises(TypeError, match=r"step 2 \(name\)"):
        ksrpc.collect(lazy.Account("li").name("x"))


def test_a_step_that_is_refused_first_has_run_nothing(mine: Any, way: str) -> None:
    name = f"chain {way}".replace(" ", "-")
    with pytest.raises(ForbiddenError) as refused:
        ksrpc.collect(ksrpc.lazy(mine).Account(name, password="$HOME").balance())
    assert refused.value.maybe_ran is False
    assert mine.made(name) == 0
    with pytest.raises(PermissionError) as late:
        ksrpc.collect(ksrpc.lazy(mine).Account(name).hidden())
    assert isinstance(late.value, RemoteError)
    assert late.value.maybe_ran is True
    assert mine.made(name) == 1


def test_a_chain_of_many_steps_has_an_end(mine: Any) -> None:
    expression = ksrpc.lazy(mine).table()
    for _ in range(31):
        expression = expression["a"]
    with pytest.raises(ArgumentError, match="at most 32 steps"):
        expression["a"]
    with pytest.raises(TypeError, match="in step 3 of the chain"):
        ksrpc.collect(expression)


# loops


def test_on_a_loop_everything_is_awaited(keeper: GatewayProcess) -> None:
    async def main(url: str) -> None:
        async with ksrpc.aconnect(url) as gw:
            mine = gw.module("mine")
            before = await mine.live()
            account = await mine.Account("li")
            assert await account.balance() == ("li", "CNY")
            assert await account.name == "li"
            assert [number async for number in account.many(3)] == [0, 1, 2]
            async with mine.Account("wang") as entered:
                assert await entered.balance() == ("wang", "CNY")
            with pytest.raises(TypeError, match="async with"), account:
                pass
            lazy = ksrpc.lazy(mine)
            assert await ksrpc.collect(lazy.Account("li").orders().first()) == "li"
            told = await asyncio.gather(*(account.balance(f"c{number}") for number in range(20)))
            assert told == [("li", f"c{number}") for number in range(20)]
            assert await (await gw.call("mine.open_account", "zhao")).balance() == ("zhao", "CNY")
            await account.release()
            del account, entered
            gc.collect()
            left = [await mine.live() for _ in range(100)]  # what nobody holds any more is let go of soon, not at once
            assert left[-1] == before

    for url in (keeper.url, keeper.ws_url):
        run(main(url))


def test_ten_thousand_abandoned_objects_are_freed(keeper: GatewayProcess) -> None:
    for url in (keeper.url, keeper.ws_url):
        with ksrpc.connect(url) as gw:
            mine = gw.module("mine")
            before = mine.live()
            for _ in range(5000):
                mine.open_account("li")
            assert settled(mine.live, before) <= before  # what the test before has left may go, too


def test_an_idle_object_is_let_go(tmp_path: Path, way: str) -> None:
    write_modules(tmp_path, "mine")
    config = CONFIG.replace("handles = 300", "handle_idle_s = 1").replace(listed("pair"), "")
    with GatewayProcess(tmp_path, config) as gateway, connection_to(gateway, way) as connected:
        mine = RpcClient("mine", connected)
        account = mine.Account("li")
        assert account.balance() == ("li", "CNY")
        assert settled(mine.live, 0) == 0
        with pytest.raises(NotFoundError, match="no such object"):
            account.balance()
    if isinstance(connected, Awaited):
        connected.stop()


def test_a_new_configuration_leaves_objects_alone_and_takes_rights(tmp_path: Path) -> None:
    write_modules(tmp_path, "mine")
    config = CONFIG.replace(listed("pair"), "").replace('"pair", ', "")
    with GatewayProcess(tmp_path, config) as gateway, ksrpc.connect(gateway.ws_url) as gw:
        mine = gw.module("mine")
        account = mine.Account("li")
        (tmp_path / "ksrpc.toml").write_text(config.replace("processes = 1", "processes = 1\nmemory_mb = 2048"))
        assert gateway.run("config", "reload").returncode == 0
        assert account.balance() == ("li", "CNY")
        assert settled(lambda: mine.Account("wang").pid() == account.pid(), 0) == 0  # the old process stays beside
        assert account.balance() == ("li", "CNY")
        (tmp_path / "ksrpc.toml").write_text(config.replace("[user.anonymous]\nhandles = true", ""))
        assert gateway.run("config", "reload").returncode == 0
        assert settled(lambda: is_there(account), 0) == 0
        with pytest.raises(ForbiddenError, match="rule B3"):
            mine.Account("li")
