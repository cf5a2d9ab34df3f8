"""POST /v1/ticket: what a browser's page shows instead of a token, which it cannot send when it opens a WebSocket.

Source: docs/reference/websocket.md "Tickets".
"""

from __future__ import annotations

from ksrpc.errors import DecodeError
from ksrpc.gateway import Gateway
from ksrpc.limits import TICKETS
from ksrpc.server.exchange import HttpExchange
from ksrpc.server.problem import pack_method_problem

ROUTES = ("/ws/bytes", "/ws/json", "/v1/ws")


async def serve_ticket(gateway: Gateway, exchange: HttpExchange) -> None:
    """Issue a ticket for one address, to be shown by a page of the origin that asks, or of another one that is named.

    Raises:
        KsrpcError: What `send_problem` is to say.
    """
    gateway.door.identify(exchange.visitor)
    if exchange.method != "POST":
        await exchange.send_problem(pack_method_problem(exchange.method, "POST"))
        return
    route = exchange.query.get("route", ROUTES[0])
    if route not in ROUTES:
        raise DecodeError(f"route is one of {', '.join(ROUTES)}")
    origin = exchange.query.get("origin", exchange.headers.get("origin", ""))
    ticket = gateway.door.issue_ticket(exchange.visitor, route, origin)
    await exchange.send_fields(
        {"ticket": ticket, "protocol": f"ksrpc.ticket.{ticket}", "route": route, "expires_in_s": TICKETS.lifetime_s}
    )
