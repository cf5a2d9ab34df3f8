"""One call, one request. The binary form streams both ways; JSON in and JSON, CSV or text out for everybody else.

Source: docs/reference/http.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import msgspec

from ksrpc import wire
from ksrpc.errors import CancelledError, KsrpcError, RefusedError, TooLargeError, UnsupportedError
from ksrpc.gateway import Answer, Arguments, Call, Gateway
from ksrpc.limits import REQUEST, SESSION
from ksrpc.model import User
from ksrpc.server.compression import compression_of, send_body
from ksrpc.server.exchange import Headers, HttpExchange
from ksrpc.server.feature import expect_decodable, read_features
from ksrpc.server.negotiation import OLD_CLIENT, PICKLE_STARTS, choose_media_type
from ksrpc.server.outflow import CHECK_S, send_view, stream_body
from ksrpc.server.problem import pack_method_problem
from ksrpc.server.request import Options
from ksrpc.transport.held import HEADER, RELEASE_HEADER, SESSION_HEADER, SESSION_NAME
from ksrpc.transport.held import MEDIA_TYPE as HELD_TYPE
from ksrpc.wire import view

#: What a query holds beside arguments.
CALL_OPTIONS = {"fmt", "cache_get", "cache_expire", "async_remote", "func"}
_SESSION, _RELEASE = SESSION_HEADER.lower(), RELEASE_HEADER.lower()
#: Members of a module that are described with it, so many side by side.
_DESCRIBED = 2048
_DESCRIBED_AT_ONCE = 8


async def serve_call(gateway: Gateway, exchange: HttpExchange, path: str) -> None:
    """Serve one call.

    Raises:
        KsrpcError: What `send_problem` is to say.
    """
    user = gateway.door.identify(exchange.visitor)
    if exchange.method not in ("GET", "POST"):
        await exchange.send_problem(pack_method_problem(exchange.method, "GET, POST"))
        return
    media_type = exchange.request.media_type
    call = make_call(gateway, exchange, user=user, path=path, arguments=await _read_arguments(exchange))
    if media_type == wire.MEDIA_TYPE:
        call.session = open_session(gateway, exchange, user)
    answer, check = gateway.glance(call), partial(gateway.door.renew, user)
    if answer is None:
        answer = await _answer(gateway, exchange, call, check)
    if answer.flow is not None and media_type == wire.MEDIA_TYPE:
        await stream_body(exchange, answer.flow, label_headers(answer), check=check)
        return
    if media_type == wire.MEDIA_TYPE:
        if answer.labels.get("kind") == "handle":
            media_type = HELD_TYPE
        await _send_value(gateway, exchange, media_type, answer)
        return
    options = {name.removeprefix("_"): text for name, text in exchange.query.items() if name.startswith("_")}
    options.pop("format", None)
    shown = await gateway.render(answer, media_type, options, call.deadline)
    await send_view(exchange, shown, headers=label_headers(answer))


async def _send_value(gateway: Gateway, exchange: HttpExchange, media_type: str, answer: Answer) -> None:
    """Answer with the value's own bytes, compressed where that is agreed and pays."""
    compression = compression_of(gateway, exchange)
    expect_decodable(answer, read_features(exchange.headers.get("accept")))
    headers = (*label_headers(answer), *compression.headers) if compression.headers else label_headers(answer)
    if compression.suits(answer):
        await send_body(exchange, media_type, answer, headers=headers, compression=compression)
    else:
        await exchange.send_pieces(200, media_type, answer.pieces, answer.size, headers=headers)


async def _answer(gateway: Gateway, exchange: HttpExchange, call: Call, check: Callable[[], object]) -> Answer:
    """Run a call; one that its client names by a key, once."""
    whole, key = call.arguments.rest is None, exchange.key
    if key is None:
        return await watch_client(exchange, gateway.handle(call), whole=whole, check=check)
    answer = await gateway.repeats.answer(call, key, exchange.wait_gone if whole else None)
    return _still_for(answer, check)


async def serve_describe(gateway: Gateway, exchange: HttpExchange, path: str) -> None:
    """Say what stands at a path: as a value for Python clients, as JSON for everybody else.

    Raises:
        KsrpcError: What `send_problem` is to say.
    """
    user = gateway.door.identify(exchange.visitor)
    if exchange.method != "GET":
        await exchange.send_problem(pack_method_problem(exchange.method, "GET"))
        return
    media_type = choose_media_type(exchange.headers.get("accept", "*/*"))
    deadline = asyncio.get_running_loop().time() + _timeout_s(gateway, exchange.request.options)
    call = Call(user, path, Arguments(), deadline)
    fields = asdict(await gateway.describe(call))
    if exchange.query.get("members", "").lower() == "true":
        fields["described"] = await _describe_members(gateway, call, fields["members"])
    if media_type == wire.MEDIA_TYPE:
        message = wire.pack(fields)
        await exchange.send_pieces(200, media_type, tuple(message.segments), message.nbytes)
        return
    await exchange.send_body(200, "application/json", msgspec.json.encode(fields))


async def _describe_members(gateway: Gateway, call: Call, names: Sequence[str]) -> dict[str, Any]:
    """Describe what is in a module; what does not resolve for the caller is left out."""
    slots = asyncio.Semaphore(_DESCRIBED_AT_ONCE)

    async def describe(name: str) -> tuple[str, dict[str, Any] | None]:
        async with slots:
            try:
                return name, asdict(
                    await gateway.describe(Call(call.user, f"{call.path}.{name}", Arguments(), call.deadline))
                )
            except RefusedError:
                return name, None

    found = await asyncio.gather(*map(describe, names[:_DESCRIBED]))
    return {name: fields for name, fields in found if fields is not None}


def make_call(gateway: Gateway, exchange: HttpExchange, *, user: User, path: str, arguments: Arguments) -> Call:
    """Make the call that a request asks for, with the options of its query and headers.

    Raises:
        DecodeError: An option cannot be read.
    """
    options = exchange.request.options
    deadline = asyncio.get_running_loop().time() + _timeout_s(gateway, options)
    return Call(
        user,
        path,
        arguments,
        deadline,
        place=gateway.door.place_of(exchange.visitor),
        is_main=options.is_main,
        cache_get=options.cache_get,
        cache_expire=options.cache_expire,
    )


def open_session(gateway: Gateway, exchange: HttpExchange, user: User) -> str:
    """Return the session that a client names, after letting go of what it does not need any more; empty if none."""
    name = exchange.headers.get(_SESSION, "")
    if not SESSION_NAME.fullmatch(name):
        return ""
    session = f"http {name}"
    released = exchange.headers.get(_RELEASE)
    if released:
        gateway.release(user, session, released.split(","))
    return session


def label_headers(answer: Answer) -> Headers:
    """Say in headers where an answer comes from (RFC 9211), and which handle it tells of."""
    if not answer.labels:
        return ()
    kept = answer.labels.get("cache")
    if "handle" in answer.labels:
        return ((HEADER.lower().encode(), answer.labels["handle"].encode()),)
    if kept == "hit":
        status = f"ksrpc; hit; ttl={answer.labels['ttl']}"
        return ((b"cache-status", status.encode()), (b"age", str(answer.labels["age"]).encode()))
    if kept is not None:
        return ((b"cache-status", b"ksrpc; fwd=miss; collapsed" if kept == "joined" else b"ksrpc; fwd=miss; stored"),)
    return ()


async def watch_client(
    exchange: HttpExchange, handling: Awaitable[Answer], *, whole: bool, check: Callable[[], object]
) -> Answer:
    """Wait for the answer; a client that goes away, or loses its right, takes its call with it.

    Args:
        exchange: The request.
        handling: Runs the call.
        whole: Whether the arguments were read: only then is it to be seen that the client is gone.
        check: Raises once the caller has lost the right; asked every second.
    """
    if not whole:
        return _still_for(await handling, check)
    task = asyncio.ensure_future(handling)
    gone = asyncio.ensure_future(exchange.wait_gone())
    try:
        while not (await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED, timeout=CHECK_S))[0]:
            await _check_running(task, check)
        if not task.done():
            task.cancel()
        return await task
    except asyncio.CancelledError:
        task.cancel()
        if task.done() and not task.cancelled() and not task.exception() and (flow := task.result().flow):
            flow.close()
        raise CancelledError("the client closed the connection") from None
    finally:
        gone.cancel()


async def _check_running(task: asyncio.Future[Answer], check: Callable[[], object]) -> None:
    """End a call whose caller has lost the right."""
    try:
        check()
    except KsrpcError as exc:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        exc.maybe_ran = True
        raise


def _still_for(answer: Answer, check: Callable[[], object]) -> Answer:
    """Give nothing of an answer to a caller who has lost the right meanwhile."""
    try:
        check()
    except KsrpcError as exc:
        if answer.flow is not None:
            answer.flow.close()
        exc.maybe_ran = True
        raise
    return answer


async def _read_arguments(exchange: HttpExchange) -> Arguments:
    if exchange.method == "GET":
        named = {k: v for k, v in exchange.query.items() if k not in CALL_OPTIONS and not k.startswith("_")}
        return Arguments(wire.pack_arguments((), named).join())
    if exchange.request.content_type == wire.MEDIA_TYPE:
        size = _declared_size(exchange, REQUEST.message_bytes)
        if size is not None and size <= SESSION.inline_bytes:
            return Arguments(await exchange.read(SESSION.inline_bytes))
        return Arguments(rest=exchange.pieces(REQUEST.message_bytes))
    args, kwargs = await read_json_arguments(exchange)
    return Arguments(wire.pack_arguments(args, kwargs).join())


async def read_json_arguments(exchange: HttpExchange) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Read arguments that are told in JSON.

    Raises:
        UnsupportedError: It is something else; what versions below 1 sent is told how to be cured.
        DecodeError: It is not what it says.
        TooLargeError: It is over the limit.
    """
    media_type = exchange.request.content_type
    _declared_size(exchange, REQUEST.head_bytes)
    body = await exchange.read(REQUEST.head_bytes)
    if body.startswith(PICKLE_STARTS) or media_type == "multipart/form-data":
        raise UnsupportedError(OLD_CLIENT)
    if media_type not in ("", "application/json", "text/json"):
        raise UnsupportedError(f"send application/json, not {media_type[:80]}")
    return view.read_json(body)


def _declared_size(exchange: HttpExchange, limit: int) -> int | None:
    """Return what Content-Length says; a body over its limit is refused before it is sent."""
    text = exchange.headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > 18 or int(text) > limit:
        raise TooLargeError(f"the body is over {limit >> 20} MiB")
    return int(text)


def _timeout_s(gateway: Gateway, options: Options) -> float:
    limit = gateway.config.call.timeout_s
    return limit if options.timeout_s is None else min(options.timeout_s, limit)
