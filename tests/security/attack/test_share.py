"""What users share does not mix: kept answers, objects that change, keys of repetition, sessions, names that move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import ksrpc
from ksrpc.client import RemoteGateway
from ksrpc.connections.base import Options
from ksrpc.errors import ForbiddenError, KsrpcError, NotFoundError
from tests.integration.exchange import ask, post
from tests.security.transport.conftest import Fortress

DAY = Options(cache_expire=86_400)


@pytest.fixture(scope="module")
def tokens(city: Fortress) -> dict[str, str]:
    return {name: city.gateway.create_token(name) for name in ("li", "wang", "narrow")}


@pytest.fixture
def users(city: Fortress, tokens: dict[str, str], transport: str) -> Iterator[dict[str, RemoteGateway]]:
    """Connect each user."""
    url = city.gateway.url if transport == "http" else city.gateway.ws_url
    opened = {name: ksrpc.connect(url, token=token, timeout=60) for name, token in tokens.items()}
    yield opened
    for gateway in opened.values():
        gateway.close()


def kept(gateway: RemoteGateway, path: str, *args: Any) -> Any:
    """Call so that the answer is kept."""
    return gateway.connection.call(path, args, {}, DAY)


def test_one_users_answer_is_not_anothers_to_change(users: dict[str, RemoteGateway]) -> None:
    mine = kept(users["li"], "bank.same")
    mine.append("changed")
    assert kept(users["wang"], "bank.same") == [1, 2, 3]
    assert users["wang"].call("bank.same") == [1, 2, 3]


def test_two_functions_of_one_body_are_two_answers(users: dict[str, RemoteGateway]) -> None:
    """Functions that a decorator gave one name are told apart by their path (H7)."""
    assert kept(users["li"], "bank.daily_close", "A") == "close A"
    assert kept(users["wang"], "bank.daily_open", "A") == "open A"


def test_a_kept_answer_is_for_whoever_may_ask(users: dict[str, RemoteGateway]) -> None:
    assert kept(users["li"], "bank.same") == [1, 2, 3]
    with pytest.raises((NotFoundError, ForbiddenError)):
        kept(users["narrow"], "bank.same")


@pytest.mark.parametrize("path", ["bank.same", "bank.nosuch", "bank._secret", "bank.vault.open"])
def test_who_may_not_call_learns_nothing_from_the_refusal(users: dict[str, RemoteGateway], path: str) -> None:
    """What is there and what is not, below a root that is open in part, is one answer but for its own name."""
    told = []
    for asked in (path, "bank.zzzz" if not path.startswith("bank._") else "bank._zzzz"):
        with pytest.raises(KsrpcError) as refused:
            users["narrow"].call(asked)
        told.append((type(refused.value), str(refused.value).replace(asked, "PATH"), refused.value.maybe_ran))
    assert told[0] == told[1]


def test_a_name_that_moved_is_judged_again(users: dict[str, RemoteGateway], city: Fortress) -> None:
    """What stands under a path when it is called is what was judged (H25)."""
    mine = users["li"]
    mine.call("bank.swapped", "x")
    mine.call("bank.rebind")
    try:
        told = mine.call("bank.swapped", f"touch {city.marks}/ran")
    except ForbiddenError:
        told = "as it was"
    assert told == "as it was"
    assert city.imported == []


@pytest.mark.parametrize("key", ['"k-1"', '"' + "k" * 30 + '"'])
def test_a_key_of_repetition_is_its_users_own(city: Fortress, tokens: dict[str, str], key: str) -> None:
    """Another user's answer is not to be had by their key, nor by one's own with other arguments (H29)."""
    own = {"Authorization": f"Bearer {tokens['li']}", "Idempotency-Key": key}
    other = {"Authorization": f"Bearer {tokens['wang']}", "Idempotency-Key": key}
    first = post(city.gateway, "bank.count", {}, **own).json()
    assert post(city.gateway, "bank.count", {}, **own).json() == first
    assert post(city.gateway, "bank.count", {}, **other).json() != first
    assert post(city.gateway, "bank.daily", {"args": ["A"]}, **own).status in (409, 422)


def test_failures_tell_neither_values_nor_places(users: dict[str, RemoteGateway], city: Fortress) -> None:
    with pytest.raises(KsrpcError) as failed:
        users["li"].call("bank.fail")
    told = f"{failed.value!r} {failed.value.args} {getattr(failed.value, 'remote_traceback', '')}"
    assert str(city.gateway.folder) not in told
    assert "c4n4rybird-default" not in told


def test_descriptions_hold_no_defaults_with_a_secret(city: Fortress) -> None:
    assert b"c4n4rybird" not in ask(city.gateway, "GET", "/v1/describe/bank.fail").body
    assert b"c4n4rybird" not in ask(city.gateway, "GET", "/v1/describe/bank").body


def test_the_gateway_served_all_the_time(city: Fortress) -> None:
    assert post(city.gateway, "math.pow", {"args": [2, 3]}).json() == 8.0
