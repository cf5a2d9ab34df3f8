"""The page /docs, which lists what a caller may call and calls it, and the list behind it, GET /v1/modules.

Everything the page needs is served from here; its policy lets it load and reach nothing else.

Source: docs/reference/original.md "/docs".
"""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

from ksrpc.errors import BusyError, KsrpcError
from ksrpc.gateway import Arguments, Call, Gateway
from ksrpc.model import User
from ksrpc.server.exchange import HttpExchange
from ksrpc.server.problem import pack_method_problem

_FOLDER = Path(__file__).with_name("static")
_SCRIPT = "text/javascript; charset=utf-8"
#: Address → file and media type. The page itself is not below its own name, so that its links work behind any prefix.
FILES = {
    "/docs": ("page.html", "text/html; charset=utf-8"),
    "/docs/page.css": ("page.css", "text/css; charset=utf-8"),
    "/docs/icon.svg": ("icon.svg", "image/svg+xml"),
    **{f"/docs/{name}.js": (f"{name}.js", _SCRIPT) for name in ("page", "result", "snippet", "text")},
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
#: A module that takes longer to import than this is listed without its members [s].
_PATIENCE_S = 20.0
_AT_ONCE = 4


async def serve_page(gateway: Gateway, exchange: HttpExchange) -> None:
    """Serve one file of the page; it holds nothing that a token would protect.

    Raises:
        AddressError: The address rule does not admit the peer.
    """
    gateway.door.admit(exchange.visitor)
    if exchange.method not in ("GET", "HEAD"):
        await exchange.send_problem(pack_method_problem(exchange.method, "GET, HEAD"))
        return
    name, media_type = FILES[exchange.path]
    await exchange.send_body(200, media_type, _load(name), headers=_HEADERS)


async def serve_modules(gateway: Gateway, exchange: HttpExchange) -> None:
    """List what is open to the caller, each with its members one level deep; what cannot be loaded with the reason.

    Raises:
        KsrpcError: What `send_problem` is to say.
    """
    user = gateway.door.identify(exchange.visitor)
    if exchange.method != "GET":
        await exchange.send_problem(pack_method_problem(exchange.method, "GET"))
        return
    if not gateway.config.call.enabled:
        raise BusyError("the call service of this server is off (call.enabled)")
    slots = asyncio.Semaphore(_AT_ONCE)
    entries = await asyncio.gather(*(_describe(gateway, user, path, slots=slots) for path in _open_paths(user)))
    await exchange.send_fields({"user": user.name, "modules": entries})


def _open_paths(user: User) -> list[str]:
    """Return the patterns that open something, those left out that lie below another; "*" stands for no list."""
    rules = user.rules
    patterns = {*rules.allow, *(rules.unsafe if "*" in rules.allow else ())} - {"*"}
    return sorted(path for path in patterns if not any(path.startswith(f"{other}.") for other in patterns))


async def _describe(gateway: Gateway, user: User, path: str, *, slots: asyncio.Semaphore) -> dict[str, Any]:
    async with slots:
        deadline = asyncio.get_running_loop().time() + min(_PATIENCE_S, gateway.config.call.timeout_s)
        try:
            found = await gateway.describe(Call(user, path, Arguments(), deadline))
        except KsrpcError as exc:
            return {"path": path, "error": str(exc)}
    return {
        "path": path,
        "kind": found.kind,
        "version": found.version,
        "doc": found.doc.partition("\n")[0],
        "members": found.members,
    }


@cache
def _load(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
