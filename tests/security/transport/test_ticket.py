"""Tickets for WebSockets of browsers: bound to what they were made for, good once, and worth no more than the token."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from ksrpc.limits import TICKETS
from tests.helpers.server import GatewayProcess
from tests.integration.conftest import usable
from tests.integration.exchange import ask

PAGE = "https://page.example"
CONFIG = f"""
[server]
port = 0
origins = ["{PAGE}"]
[call]
enabled = true
[access]
allow = ["demo", "math"]
trusted_proxies = ["loopback"]
ip_allow = ["loopback", "10.0.0.0/8"]
"""
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("ticket"), CONFIG) as process:
        yield process


@pytest.fixture(scope="module")
def token(gateway: GatewayProcess) -> str:
    return usable(gateway, gateway.create_token("zhang"))


def issue(gateway: GatewayProcess, token: str, *, route: str = "/ws/json", **headers: str) -> dict[str, Any]:
    """Ask for a ticket as a page does."""
    told = {"Origin": PAGE, "Authorization": f"Bearer {token}"}
    told |= {name.replace("_", "-"): text for name, text in headers.items()}
    reply = ask(gateway, "POST", f"/v1/ticket?route={route}", b"", told)
    assert reply.status == 200, reply.body
    made: dict[str, Any] = reply.json()
    return made


def show(gateway: GatewayProcess, ticket: str, *, route: str = "/ws/json", **headers: str) -> int:
    """Show a ticket in a handshake; return the status, 200 if the connection opens."""
    told: Mapping[str, str] = {
        **HANDSHAKE,
        "Origin": PAGE,
        "Sec-WebSocket-Protocol": f"ksrpc.ticket.{ticket}",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    status = ask(gateway, "GET", route, None, told).status
    return 200 if status == 101 else status


@pytest.mark.parametrize("offered", [(), ("ksrpc",)], ids=["alone", "with a label"])
def test_a_page_calls_with_a_ticket(gateway: GatewayProcess, token: str, offered: tuple[str, ...]) -> None:
    made = issue(gateway, token)
    assert made["expires_in_s"] == TICKETS.lifetime_s
    offers = [Subprotocol(text) for text in (*offered, made["protocol"])]
    with connect(f"{gateway.ws_url}/ws/json", origin=Origin(PAGE), subprotocols=offers) as sock:
        assert sock.subprotocol == offers[0], "a browser hangs up where none of its protocols is chosen"
        sock.send(json.dumps({"func": "demo.echo", "args": [7]}))
        assert json.loads(sock.recv(timeout=20))["data"] == 7
    assert show(gateway, made["ticket"]) == 401, "once"
    assert made["ticket"] not in gateway.log


@pytest.mark.parametrize("route", ["/ws/bytes", "/ws/json", "/v1/ws"])
def test_every_socket_takes_tickets_of_its_own(gateway: GatewayProcess, token: str, route: str) -> None:
    assert show(gateway, issue(gateway, token, route=route)["ticket"], route=route) == 200


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"route": "/ws/bytes"}, 401),
        ({"Origin": "https://evil.example"}, 401),
        ({"Origin": "null"}, 401),
        ({"X_Forwarded_For": "10.0.1.9"}, 401),
        ({"Host": "evil.example"}, 403),
        ({"X_Forwarded_For": "8.8.8.8"}, 403),
    ],
    ids=str,
)
def test_a_ticket_is_bound(gateway: GatewayProcess, token: str, shown: dict[str, str], expected: int) -> None:
    ticket = issue(gateway, token, X_Forwarded_For="10.0.0.9")["ticket"]
    assert show(gateway, ticket, **{"X_Forwarded_For": "10.0.0.8", **shown}) == expected


def test_a_neighbour_in_the_network_is_the_same_page(gateway: GatewayProcess, token: str) -> None:
    ticket = issue(gateway, token, X_Forwarded_For="10.0.0.9")["ticket"]
    assert show(gateway, ticket, X_Forwarded_For="10.0.0.8") == 200


@pytest.mark.parametrize("ticket", ["", "x", "A" * 43, "%00", "A" * 7000])
def test_a_forged_ticket_is_401(gateway: GatewayProcess, ticket: str) -> None:
    assert show(gateway, ticket) == 401


def test_a_page_that_is_not_listed_has_no_use_for_one(gateway: GatewayProcess, token: str) -> None:
    made = issue(gateway, token, Origin="https://evil.example")
    assert show(gateway, made["ticket"], Origin="https://evil.example") == 403


def test_a_program_may_ask_for_a_page(gateway: GatewayProcess, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    reply = ask(gateway, "POST", f"/v1/ticket?route=/ws/json&origin={PAGE}", b"", headers)
    assert show(gateway, reply.json()["ticket"]) == 200


def test_the_oldest_of_too_many_is_dropped(gateway: GatewayProcess) -> None:
    token = usable(gateway, gateway.create_token("greedy"))
    made = [issue(gateway, token)["ticket"] for _ in range(TICKETS.per_user + 1)]
    assert [show(gateway, made[0]), show(gateway, made[1])] == [401, 200]


def test_without_a_token_there_is_no_ticket(gateway: GatewayProcess) -> None:
    assert ask(gateway, "POST", "/v1/ticket", b"").status == 401
    assert ask(gateway, "POST", "/v1/ticket", b"", {"Authorization": "Bearer x"}).status == 401


def test_what_is_no_order_for_one(gateway: GatewayProcess, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    assert ask(gateway, "GET", "/v1/ticket", None, headers).status == 405
    assert ask(gateway, "POST", "/v1/ticket?route=/metrics", b"", headers).status == 400


def test_a_ticket_ends_with_its_token(gateway: GatewayProcess) -> None:
    made = usable(gateway, gateway.create_token("leaver"))
    tickets = [issue(gateway, made)["ticket"] for _ in range(2)]
    offers = [Subprotocol(f"ksrpc.ticket.{tickets[0]}")]
    with connect(f"{gateway.ws_url}/ws/json", origin=Origin(PAGE), subprotocols=offers) as sock:
        assert gateway.run("token", "revoke", made[4:12]).returncode == 0
        with pytest.raises(ConnectionClosed) as closed:
            sock.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert show(gateway, tickets[1]) == 401, "the right is that of the token when the ticket is shown"
