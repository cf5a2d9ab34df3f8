"""GET /v1/me: what the server knows of whoever asks, without the secret.

Source: docs/reference/http.md "Who am I".
"""

from __future__ import annotations

from dataclasses import asdict

from ksrpc.gateway import Gateway
from ksrpc.server.exchange import HttpExchange
from ksrpc.server.problem import pack_method_problem


async def serve_me(gateway: Gateway, exchange: HttpExchange) -> None:
    """Tell the caller who it is here and what it may call.

    Raises:
        KsrpcError: What `send_problem` is to say.
    """
    user = gateway.door.identify(exchange.visitor)
    if exchange.method != "GET":
        await exchange.send_problem(pack_method_problem(exchange.method, "GET"))
        return
    rules = user.rules
    await exchange.send_fields(
        {
            "user": user.name,
            "token_id": user.token_id,
            "scopes": sorted(user.scopes),
            "expires_at": gateway.door.expires_at(user),
            "allow": sorted(rules.allow),
            "block": sorted(rules.block),
            "unsafe": sorted(rules.unsafe),
            "quota": [asdict(usage) for usage in gateway.quota.usage(user.name)],
        }
    )
