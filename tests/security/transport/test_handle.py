"""Kept objects are their owner's alone: forged, guessed, foreign, released handles, rights and revocation."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ksrpc
from ksrpc import RpcClient
from ksrpc.connections.base import Connection, Options
from ksrpc.connections.http import HttpxConnection
from ksrpc.connections.websocket import WebSocketConnection
from ksrpc.errors import AuthError, EncodeError, ForbiddenError, KsrpcError, LostError, NotFoundError
from tests.helpers.awaited import Awaited
from tests.helpers.keeping import listed, write_modules
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import connection_to, usable, way

__all__ = ["way"]

CONFIG = f"""
[server]
port = 0
[call]
enabled = true
timeout_s = 60
[access]
anonymous = true
allow = ["mine", "math"]
[user.never]
handles = false
[user.narrow]
allow = ["mine.open_account", "mine.Orders", "math"]
[user.blocked]
block = ["mine.Account.balance", "mine.Orders.first"]
[module.mine]
processes = 1
{listed("mine")}
"""
GONE = "no such object is kept for you here"
WITHIN_S = 30.0


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("keeper")
    write_modules(folder, "mine")
    with GatewayProcess(folder, CONFIG) as process:
        yield process


@pytest.fixture(scope="module")
def tokens(keeper: GatewayProcess) -> dict[str, str]:
    made = {name: keeper.create_token(name) for name in ("li", "wang", "never", "narrow", "blocked")}
    made["li again"] = keeper.create_token("li")
    for token in made.values():
        usable(keeper, token)
    return made


@pytest.fixture
def connect(keeper: GatewayProcess, tokens: dict[str, str], way: str) -> Iterator[Callable[[str], Connection]]:
    """Give a function that connects a user."""
    opened: list[Connection] = []

    def make(user: str) -> Connection:
        opened.append(connection_to(keeper, way, token=tokens.get(user)))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()
        if isinstance(connection, Awaited):
            connection.stop()


def ask(connection: Connection, path: str, *args: Any) -> Any:
    return connection.call(path, args, {}, Options())


def refusal(connection: Connection, path: str, *args: Any) -> tuple[type, str, bool | None]:
    """Return everything that a caller can see of an error."""
    with pytest.raises(KsrpcError) as told:
        ask(connection, path, *args)
    return type(told.value), str(told.value), told.value.maybe_ran


def settled(told: Callable[[], int], expected: int) -> int:
    end = time.monotonic() + WITHIN_S
    while (found := told()) != expected and time.monotonic() < end:
        gc.collect()
    return found


def test_every_handle_that_is_not_yours_is_the_same_error(connect: Callable[[str], Connection]) -> None:
    mine = connect("li")
    held = ask(mine, "mine.Account", "li")
    other = ask(mine, "mine.Account", "li")
    dropped = ask(mine, "mine.Account", "li")
    ask(mine, "@release", [dropped.id])
    next_one, previous = (f"{(int(held.id, 16) + step) % 2**128:032x}" for step in (1, -1))
    swapped = held.id[:16] + other.id[16:]
    unknown = refusal(mine, f"@{'0' * 32}.balance")
    assert unknown[0] is NotFoundError
    assert unknown[1].startswith(GONE)
    assert unknown[2] is False
    strange = ["", "0", held.id[:-1], held.id + "0", held.id.upper() + "G", "'" + held.id, f"{held.id}.balance"]
    for name in (dropped.id, next_one, previous, swapped, held.id[::-1], *strange):
        assert refusal(mine, f"@{name}.balance") == unknown
    for stranger in ("wang", "li again", "li", "never", "narrow", "anonymous"):
        theirs = connect(stranger)
        for path in (f"@{held.id}.balance", f"@{held.id}.name", f"@{held.id}.:enter", f"@{held.id}.unlisted",
                     f"@@{held.id}.balance!first", f"@{held.id}.__class__"):  # fmt: skip
            assert refusal(theirs, path) == unknown, (stranger, path)
        ask(theirs, "@release", [held.id])
    assert ask(mine, f"@{held.id}.balance") == ("li", "CNY")


def test_a_name_leads_no_further_than_the_list(connect: Callable[[str], Connection]) -> None:
    mine = connect("li")
    held = ask(mine, "mine.Account", "li")
    for name in ("hidden", "password", "raw", "__class__", "__dict__", "__init__", "__call__", "mro", "f_globals",
                 ":exit!x", ":call", "balance ", "бalance", "name.upper", "name.__class__"):  # fmt: skip
        with pytest.raises((ForbiddenError, NotFoundError, KsrpcError)):
            ask(mine, f"@{held.id}.{name}")
    with pytest.raises(ForbiddenError):
        ask(mine, f"@{held.id}.balance", "/etc/passwd")
    with pytest.raises(KsrpcError):
        ask(mine, f"@{held.id}.name", 1)
    with pytest.raises(KsrpcError):
        ask(mine, f"@{held.id}.:exit", "ValueError")
    assert ask(mine, f"@{held.id}.name") == "li"


@pytest.mark.parametrize(
    ("path", "args"),
    [
        ("@mine.Account!balance", ()),
        ("@mine.Account!balance", ([],)),
        ("@mine.Account!balance", ([[["li"], {}]],)),
        ("@mine.Account!balance", ([[["li"], {}], [[], {}], [[], {}]],)),
        ("@mine.Account!balance", ([[["li"], {}], [[], {1: 2}]],)),
        ("@mine.Account!balance", ([[["li"], {}], "ab"],)),
        ("@mine.Account!__class__", ([[["li"], {}], [[], {}]],)),
        ("@mine.Account!.__class__", ([[["li"], {}], [[], {}]],)),
        ("@mine.Account!:enter", ([[["li"], {}], [[], {}]],)),
        ("@mine.Account!", ([[["li"], {}], [[], {}]],)),
        ("@mine.Account!..name", ([[["li"], {}], [[], {}]],)),
        ("@mine.Account!hidden", ([[["li"], {}], [[], {}]],)),
        ("@mine.Account![]", ([[["li"], {}], [["a"], {}]],)),
        ("@mine.table![]", ([[[], {}], [[], {}]],)),
        ("@mine.table![]", ([[[], {}], [["a"], {"b": 1}]],)),
        ("@mine.unlisted!balance", ([[[], {}], [[], {}]],)),
        ("@os.getcwd!balance", ([[[], {}], [[], {}]],)),
        ("@mine!balance", ([[[], {}], [[], {}]],)),
        ("@!balance", ([[[], {}], [[], {}]],)),
        ("@@release!balance", ([[[], {}], [[], {}]],)),
        ("@" + "!".join(["mine.table", *["[]"] * 40]), ([[[], {}], *[[["a"], {}]] * 40],)),
        ("@release", ("all",)),
        ("@release", ([1],)),
        ("@releases", ([],)),
        ("@", ()),
    ],
)
def test_a_hostile_chain_is_an_error_and_nothing_more(
    connect: Callable[[str], Connection], path: str, args: tuple[Any, ...]
) -> None:
    mine = connect("li")
    with pytest.raises(Exception) as told:  # noqa: PT011 - which one differs from step to step
        ask(mine, path, *args)
    assert isinstance(told.value, KsrpcError)
    assert not isinstance(told.value, LostError)
    assert ask(mine, "mine.Account", "li").description["class"] == "mine.Account"


def test_a_chain_is_no_way_round_the_rules_of_a_user(connect: Callable[[str], Connection]) -> None:
    steps = [[["li"], {}], [[], {}]]
    for user in ("never", "anonymous"):
        with pytest.raises(KsrpcError):
            ask(connect(user), "@mine.Account!balance", steps)
    with pytest.raises(NotFoundError):
        ask(connect("narrow"), "@mine.Account!balance", steps)
    for user in ("blocked", "never", "narrow", "anonymous"):  # the step behind the first is a call like any other
        with pytest.raises(PermissionError, match=r"step 2 \(balance\).*rule A2"):
            ask(connect(user), "@mine.open_account!balance", steps)
    with pytest.raises(PermissionError, match=r"step 2 \(\.name\).*rule A2"):
        ask(connect("narrow"), "@mine.open_account!.name", steps)
    assert ask(connect("blocked"), "@mine.open_account!.name", steps) == "li"
    blocked = connect("blocked")
    held = ask(blocked, "mine.Account", "li")
    with pytest.raises(PermissionError, match="rule A2"):
        ask(blocked, f"@@{held.id}.orders!first", [[[], {}], [[], {}]])
    assert ask(blocked, f"@@{held.id}.orders!all", [[[], {}], [[], {}]])["rows"] == [1, 2, 3]


def test_who_has_no_right_gets_no_object(connect: Callable[[str], Connection]) -> None:
    for user in ("never", "anonymous"):
        theirs = connect(user)
        with pytest.raises(ForbiddenError, match=r"rule B3"):
            ask(theirs, "mine.Account", "li")
        with pytest.raises(EncodeError, match=r"handles = true in \[user\.NAME\]"):
            ask(theirs, "mine.open_account", "li")
        assert ask(theirs, "mine.live") == settled(lambda: ask(theirs, "mine.live"), 0)  # noqa: B023 - used at once


def test_a_class_that_is_not_open_to_a_user_is_not_kept_for_them(connect: Callable[[str], Connection]) -> None:
    theirs = connect("narrow")
    with pytest.raises(EncodeError, match="its class is not open to this user"):
        ask(theirs, "mine.open_account", "li")
    with pytest.raises(NotFoundError):
        ask(theirs, "mine.Account", "li")


def test_a_block_pattern_of_a_user_closes_a_method(connect: Callable[[str], Connection]) -> None:
    theirs = connect("blocked")
    held = ask(theirs, "mine.Account", "li")
    with pytest.raises(ForbiddenError, match="rule A2"):
        ask(theirs, f"@{held.id}.balance")
    assert ask(theirs, f"@{held.id}.name") == "li"


def test_an_object_has_no_other_name(connect: Callable[[str], Connection]) -> None:
    mine = connect("li")
    held = ask(mine, "mine.Account", "li")
    for path in ("mine.Account.balance", "mine.Account.name", f"mine.{held.id}", held.id, f"{held.id}.balance"):
        with pytest.raises(KsrpcError):
            ask(mine, path)
    assert ask(mine, "mine.open_account", held.id).description["class"] == "mine.Account"  # a text like any other


def test_equal_calls_never_share_an_object(connect: Callable[[str], Connection]) -> None:
    first, second = connect("li"), connect("wang")
    options = Options(cache_expire=600)
    before = ask(first, "mine.made", "shared")
    made = [c.call("mine.open_account", ("shared",), {}, options) for c in (first, second, first)]
    assert len({held.id for held in made}) == 3
    assert ask(first, "mine.made", "shared") == before + 3
    with pytest.raises(NotFoundError, match=GONE):
        ask(second, f"@{made[0].id}.balance")


def test_a_revoked_token_frees_its_objects_within_two_seconds(keeper: GatewayProcess, way: str) -> None:
    token = usable(keeper, keeper.create_token("gone"))
    made = connection_to(keeper, way, token=token)
    watcher = connection_to(keeper, "http")
    account = RpcClient("mine", made).Account("gone")
    before = ask(watcher, "mine.live")
    keeper.run("token", "revoke", token.split("_")[1])
    revoked = time.monotonic()
    assert settled(lambda: ask(watcher, "mine.live"), before - 1) == before - 1
    assert time.monotonic() - revoked < WITHIN_S
    with pytest.raises((AuthError, LostError)):
        account.balance()
    made.close()
    watcher.close()
    if isinstance(made, Awaited):
        made.stop()


def test_without_a_session_nothing_is_kept(keeper: GatewayProcess, tokens: dict[str, str]) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", keeper.port)
    headers = {"Authorization": f"Bearer {tokens['li']}", "Content-Type": "application/json"}
    for session in ({}, {"X-Ksrpc-Session": "short"}, {"X-Ksrpc-Session": "0" * 32}):  # the last one asks for JSON
        connection.request("POST", "/v1/call/mine.Account", '{"args": ["li"]}', headers | session)
        answer = connection.getresponse()
        assert answer.status == 403, answer.read()
        assert b"session of its own" in answer.read()
    connection.close()


def test_a_session_s_name_alone_opens_nothing(keeper: GatewayProcess, tokens: dict[str, str]) -> None:
    mine = HttpxConnection(keeper.url, token=tokens["li"])
    thief = HttpxConnection(keeper.url, token=tokens["wang"])
    thief._handles.name = mine._handles.name
    held = ask(mine, "mine.Account", "li")
    assert refusal(thief, f"@{held.id}.balance")[1].startswith(GONE)
    ask(thief, "@release", [])
    ask(thief, "@release", [held.id])
    assert ask(mine, f"@{held.id}.balance") == ("li", "CNY")
    with WebSocketConnection(keeper.ws_url, token=tokens["li"]) as other:
        assert refusal(other, f"@{held.id}.balance")[1].startswith(GONE)
    mine.close()
    thief.close()


def test_a_handle_means_nothing_after_its_connection(keeper: GatewayProcess, tokens: dict[str, str]) -> None:
    with ksrpc.connect(keeper.ws_url, token=tokens["li"]) as gw:
        account = gw.module("mine").Account("li")
        gw.close()
        with pytest.raises(NotFoundError, match=GONE):
            account.balance()
