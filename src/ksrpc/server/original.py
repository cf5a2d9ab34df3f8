"""The original's addresses for every language: GET /api/get and POST /api/post.

They take the steps of /v1/call; only their parameters, and the envelope around answers and errors, are the original's.

Source: docs/reference/original.md.
"""

from __future__ import annotations

from functools import partial

import msgspec

from ksrpc import wire
from ksrpc.errors import ArgumentError
from ksrpc.gateway import Arguments, Gateway, View
from ksrpc.limits import RESULT
from ksrpc.model import User
from ksrpc.server.envelope import OPTIONS, Question, choose_view, is_csv, pack_failure, pack_problem_fields, pack_view
from ksrpc.server.exchange import Headers, HttpExchange
from ksrpc.server.http import CALL_OPTIONS, label_headers, make_call, read_json_arguments, watch_client
from ksrpc.server.outflow import send_view
from ksrpc.server.problem import pack_method_problem

METHODS = {"/api/get": "GET", "/api/post": "POST"}


async def serve_original(gateway: Gateway, exchange: HttpExchange) -> None:
    """Serve one call, and answer its errors too."""
    question = Question(gateway.config.server.time_zone)
    try:
        question.func = exchange.query.get("func", "")
        user = gateway.door.identify(exchange.visitor)
        if exchange.method != METHODS[exchange.path]:
            await _refuse_method(exchange, question)
            return
        view, headers = await _call(gateway, exchange, user=user, question=question)
    except Exception as exc:
        problem, fields = pack_failure(question, exc)
        await _send(exchange, fields, headers=problem.headers)
        return
    if is_csv(view):
        await send_view(exchange, view, headers=headers)
    else:
        await _send(exchange, pack_view(question, view), headers=headers)


async def _call(gateway: Gateway, exchange: HttpExchange, *, user: User, question: Question) -> tuple[View, Headers]:
    media_type = choose_view(exchange.query.get("fmt", "csv"))
    if exchange.method == "POST":
        question.args, question.kwargs = await read_json_arguments(exchange)
    else:
        _refuse_arguments(exchange)
    arguments = Arguments(wire.pack_arguments(question.args, question.kwargs).join())
    call = make_call(gateway, exchange, user=user, path=question.func, arguments=arguments)
    check = partial(gateway.door.renew, user)
    answer = await watch_client(exchange, gateway.handle(call), whole=True, check=check)
    view = await gateway.render(answer, media_type, OPTIONS, call.deadline)
    if not is_csv(view):
        view = await view.gather(RESULT.message_bytes)
    return view, label_headers(answer)


def _refuse_arguments(exchange: HttpExchange) -> None:
    """Say to whoever sends arguments with GET where they would be read, instead of calling without them."""
    more = [name for name in exchange.query if name not in CALL_OPTIONS]
    if more:
        raise ArgumentError(f"GET /api/get takes no arguments, {more[0][:80]!r} is one: use POST /api/post")


async def _refuse_method(exchange: HttpExchange, question: Question) -> None:
    problem = pack_method_problem(exchange.method, METHODS[exchange.path])
    fields = pack_problem_fields(question, problem, "MethodNotAllowed")
    await _send(exchange, fields, headers=problem.headers)


async def _send(exchange: HttpExchange, fields: dict[str, object], *, headers: Headers = ()) -> None:
    status = int(str(fields["status"]))
    await exchange.send_body(status, "application/json", msgspec.json.encode(fields), headers=headers)
