"""Route what comes in. Raw ASGI: the path of every call goes through here.

Source: docs/reference/http.md.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any, TypeAlias

from ksrpc.errors import KsrpcError, NotFoundError
from ksrpc.gateway import Gateway
from ksrpc.server.carrier import Carrier
from ksrpc.server.exchange import HttpExchange
from ksrpc.server.http import serve_call, serve_describe
from ksrpc.server.jsonsocket import JsonShell
from ksrpc.server.me import serve_me
from ksrpc.server.metric import Metrics
from ksrpc.server.original import METHODS, serve_original
from ksrpc.server.page import FILES, serve_modules, serve_page
from ksrpc.server.problem import pack_problem
from ksrpc.server.resume import Sessions
from ksrpc.server.shell import MakeShell, serve_socket
from ksrpc.server.ticket import serve_ticket

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Routes: TypeAlias = Mapping[str, Callable[[Gateway, HttpExchange], Awaitable[None]]]

_log = logging.getLogger("ksrpc")


def make_app(gateway: Gateway) -> App:
    """Make the ASGI application of one gateway."""

    sessions = Sessions(gateway)
    carry = partial(Carrier, sessions)
    shells: dict[str, MakeShell] = {"/ws/bytes": carry, "/v1/ws": carry, "/ws/json": JsonShell}

    routes = {**_ROUTES, "/metrics": Metrics(gateway, sessions).serve}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await _serve_http(gateway, HttpExchange(scope, receive, send), routes)
        elif kind == "websocket":
            await serve_socket(gateway, scope, receive, send, shell=shells.get(scope["path"]))
        elif kind == "lifespan":
            await _live(gateway, sessions, receive, send)

    return app


async def _serve_http(gateway: Gateway, exchange: HttpExchange, routes: Routes) -> None:
    try:
        await gateway.door.prepare(exchange.visitor)
        await _route(gateway, exchange, routes)
    except KsrpcError as exc:
        await exchange.send_problem(pack_problem(exc))
    except Exception:
        _log.exception("a call failed inside the gateway")
        await exchange.send_problem(pack_problem(KsrpcError("internal error; see the server's log")))


async def _route(gateway: Gateway, exchange: HttpExchange, routes: Routes) -> None:
    path = exchange.path
    serve = routes.get(path)
    if serve is not None:
        await serve(gateway, exchange)
    elif path.startswith("/v1/call/"):
        await serve_call(gateway, exchange, path.removeprefix("/v1/call/"))
    elif path.startswith("/v1/describe/"):
        await serve_describe(gateway, exchange, path.removeprefix("/v1/describe/"))
    else:
        gateway.door.admit(exchange.visitor)
        raise NotFoundError("no such address; calls go to /v1/call/{module.function}")


async def _serve_file(gateway: Gateway, exchange: HttpExchange) -> None:
    await serve_call(gateway, exchange, exchange.query.get("func", ""))


async def _say_alive(_gateway: Gateway, exchange: HttpExchange) -> None:
    await exchange.send_text(200, "alive\n")


async def _say_ready(gateway: Gateway, exchange: HttpExchange) -> None:
    gateway.door.admit(exchange.visitor)
    told = "not ready" if not gateway.is_ready else f"degraded: {gateway.fault}" if gateway.fault else "ready"
    await exchange.send_text(200 if gateway.is_ready else 503, f"{told}\n")


_ROUTES: Routes = {
    "/livez": _say_alive,
    "/readyz": _say_ready,
    "/api/file": _serve_file,
    "/v1/me": serve_me,
    "/v1/modules": serve_modules,
    "/v1/ticket": serve_ticket,
    **dict.fromkeys(METHODS, serve_original),
    **dict.fromkeys(FILES, serve_page),
}


async def _live(gateway: Gateway, sessions: Sessions, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            gateway.start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            sessions.close()
            await gateway.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
