"""What a user holds at the door: so many WebSockets and no more, and nothing of a call once the token is revoked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.sync.client import connect

from tests.helpers.server import GatewayProcess
from tests.integration.conftest import usable
from tests.integration.exchange import ask
from tests.security.transport.test_ticket import HANDSHAKE

SEATS = 20
CONFIG = f"""
[server]
port = 0
[call]
enabled = true
[access]
allow = ["demo", "math"]
connections = {SEATS}
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("seats"), CONFIG) as process:
        yield process


@pytest.fixture(scope="module")
def key(door: GatewayProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {usable(door, door.create_token('zhang'))}"}


def test_one_user_has_so_many_websockets_and_others_theirs(door: GatewayProcess, key: dict[str, str]) -> None:
    greedy = {"Authorization": f"Bearer {usable(door, door.create_token('greedy'))}"}
    with contextlib.ExitStack() as stack:
        for number in range(SEATS):
            route = ("/ws/bytes", "/ws/json")[number % 2]
            stack.enter_context(connect(f"{door.ws_url}{route}", additional_headers=greedy))
        refused = ask(door, "GET", "/ws/json", None, {**HANDSHAKE, **greedy})
        assert refused.status == 503
        assert "access.connections" in refused.problem()["detail"]
        assert ask(door, "GET", "/ws/json", None, {**HANDSHAKE, **key}).status == 101
        assert ask(door, "GET", "/v1/me", None, greedy).status == 200
    statuses = (ask(door, "GET", "/ws/json", None, {**HANDSHAKE, **greedy}).status for _ in range(1000))
    assert 101 in statuses, "what was closed is given back"


@pytest.mark.parametrize(("method", "target"), [("POST", "/v1/call/demo.sleep"), ("POST", "/api/post?func=demo.sleep")])
def test_a_request_under_way_ends_with_its_token(door: GatewayProcess, method: str, target: str) -> None:
    made = usable(door, door.create_token("leaver"))
    told = {"Authorization": f"Bearer {made}", "Content-Type": "application/json"}
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(ask, door, method, target, b'{"args": [25]}', told)
        while b"\nksrpc_calls 1.0" not in ask(door, "GET", "/metrics").body:
            assert not asked.done()
        assert door.run("token", "revoke", made[4:12]).returncode == 0
        reply = asked.result(timeout=60)
    assert reply.status == 401, "a call that ran to its end would be 200"
    assert b"no longer valid" in reply.body
