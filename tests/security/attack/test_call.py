"""Every attack that is a call, over every transport: refused by its rule, with nothing imported and nothing told."""

from __future__ import annotations

import pytest

from tests.security.attack import gadget, walk
from tests.security.attack.body import BODIES, Body
from tests.security.attack.case import Attack
from tests.security.attack.road import ROADS, Road, Told
from tests.security.transport.conftest import Fortress

CALLS = [*walk.ATTACKS, *gadget.ATTACKS]
#: Errors that say: these bytes are no arguments.
UNREAD = {"decode", "too_large", "unsupported"}
_SLOW = ("numpy", "pandas", "json", "statistics", "os", "datetime", "operator", "bisect")
#: Against a gateway without asserts: those on modules whose processes start quickly, and on what is closed.
AGAIN = [attack for attack in CALLS if attack.path.partition(".")[0] not in _SLOW]


def name_of(attack: Attack | Body) -> str:
    return attack.name


def assert_refused(attack: Attack, told: Told, fortress: Fortress) -> None:
    """Expect the right refusal, that tells nothing of the server, and no mark of any trap."""
    assert attack.allows(told.answer), told
    assert "c4n4rybird" not in told.text
    assert str(fortress.marks.parent) not in told.text
    assert "site-packages" not in told.text
    assert len(told.text) < 1000
    assert fortress.imported == []


@pytest.mark.parametrize("attack", CALLS, ids=name_of)
def test_call(city: Fortress, road: Road, attack: Attack) -> None:
    assert_refused(attack, road.call(attack.path, attack.args, attack.kwargs), city)


@pytest.mark.parametrize("attack", gadget.BINARY, ids=name_of)
def test_call_with_what_json_cannot_say(city: Fortress, byte_road: Road, attack: Attack) -> None:
    assert_refused(attack, byte_road.call(attack.path, attack.args, attack.kwargs), city)


@pytest.mark.parametrize("body", BODIES, ids=name_of)
def test_body(city: Fortress, byte_road: Road, body: Body) -> None:
    told = byte_road.send("demo.echo", body.data)
    assert told.answer in UNREAD, told
    assert city.imported == []


@pytest.mark.parametrize("name", ROADS)
def test_all_of_them_again_without_asserts(bare_city: Fortress, name: str) -> None:
    """A gateway under PYTHONOPTIMIZE=2 refuses the same, and its processes keep their asserts."""
    road = ROADS[name](bare_city.gateway)
    for attack in AGAIN:
        assert_refused(attack, road.call(attack.path, attack.args, attack.kwargs), bare_city)
    for body in BODIES if name != "json" else ():
        assert road.send("demo.echo", body.data).answer in UNREAD, body.name
    assert road.call("bank.is_strict", (), {}).text == "True"
    road.close()


def test_the_gateway_lives_and_serves(city: Fortress, road: Road) -> None:
    assert road.call("math.pow", (2, 3), {}).text == "8.0"
    assert road.call("bank.fetch", (), {"name": "000001.SZ", "path": "600000.SH"}).text == "'fetched'"
    assert road.call("bank.open_file", ("a.csv",), {}).text == "'1,2'"
    assert road.call("bank.keep", ("new.csv",), {}).text == "4"
    assert road.call("bank.ask", ("HTTPS://a.Allowed.test",), {"source": "http://10.1.2.3/x"}).text == "'asked'"
    assert road.call("bank.pick", ("day",), {}).text == "'day'"
    assert city.imported == []
