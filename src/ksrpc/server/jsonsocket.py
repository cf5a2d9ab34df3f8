"""Calls as JSON texts on one WebSocket, for languages without the binary protocol.

Rules:
* A frame with an `id` runs at once and its answer, which repeats the `id`, comes when it is ready.
* Frames without one run one after the other and are answered in their order.
* What is no call is answered with an error; only too much of anything ends the connection.

Source: docs/reference/original.md "/ws/json".
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from ksrpc import wire
from ksrpc.errors import BusyError, CancelledError, DecodeError, LostError, ProtocolError, TooLargeError
from ksrpc.gateway import Answer, Arguments, Call, Gateway
from ksrpc.gateway.identify import Visitor
from ksrpc.limits import JSON_SOCKET
from ksrpc.model import User
from ksrpc.server.envelope import OPTIONS, Question, choose_view, pack_failure, pack_view
from ksrpc.server.negotiation import OLD_CLIENT, PICKLE_STARTS
from ksrpc.server.request import parse_seconds
from ksrpc.server.shell import Message, Send, Shell
from ksrpc.wire import view

_FORM = '{"func": "module.function", "args": [...], "kwargs": {...}}'
_NAMES = {"func", "args", "kwargs", "fmt", "cache_get", "cache_expire", "async_remote", "timeout_s", "id"}
_ID_CHARS = 200
_MIB_BITS = 20


@dataclass(eq=False, slots=True)
class _Entry:
    """Hold one frame until its answer is sent: what it told, and why it is no call, if it is none."""

    told: dict[str, Any]
    question: Question
    nbytes: int = 0
    error: Exception | None = None
    is_answered: bool = False


class JsonShell(Shell):
    """Answer the calls of one connection."""

    def __init__(self, gateway: Gateway, user: User, visitor: Visitor, send: Send) -> None:
        super().__init__(gateway, user, visitor, send)
        self._place = gateway.door.place_of(visitor)
        self._entries: set[_Entry] = set()
        self._waiting: dict[Hashable, _Entry] = {}  # by id, until the answer is on its way
        self._turn = asyncio.Lock()
        self._views = asyncio.Semaphore(JSON_SOCKET.views)
        self._heard_at = time.monotonic()

    async def _take(self, message: Message) -> None:
        self._heard_at = time.monotonic()
        data = _read(message)
        try:
            told = view.read_object(data, form=_FORM)
            self._check_key(_key(told))
        except DecodeError as exc:
            self._open(_Entry({}, self._question(), error=exc))
            return
        if told.keys() == {"ping"}:
            await self._send_json({"pong": told["ping"]})
        elif told.keys() == {"cancel"}:
            await self._cancel(told["cancel"])
        else:
            self._open(_Entry(told, self._question(), len(data), self._refusal(len(data))))

    def _question(self) -> Question:
        return Question(self._gateway.config.server.time_zone)

    def _tick(self, now: float) -> None:
        if not self._entries and now - self._heard_at > JSON_SOCKET.idle_s:
            raise LostError(f"nothing came for {JSON_SOCKET.idle_s:g} s")

    def _check_key(self, key: Hashable) -> None:
        if key in self._waiting:
            raise DecodeError(f"a call with the id {key!r} is under way")

    def _refusal(self, nbytes: int) -> BusyError | None:
        """Say why a call of this size cannot be taken now, if so."""
        if nbytes + sum(entry.nbytes for entry in self._entries) <= JSON_SOCKET.open_bytes:
            return None
        return BusyError(f"the open calls of this connection hold {JSON_SOCKET.open_bytes >> _MIB_BITS} MiB already")

    def _open(self, entry: _Entry) -> None:
        if len(self._entries) >= JSON_SOCKET.calls:
            raise BusyError(f"over {JSON_SOCKET.calls} calls are open on this connection")
        self._entries.add(entry)
        if (key := _key(entry.told)) is not None:
            self._waiting[key] = entry
        task = self._tasks[entry] = self._loop.create_task(self._answer(entry))
        task.add_done_callback(partial(self._on_done, entry))

    def _on_done(self, entry: _Entry, task: asyncio.Task[None]) -> None:
        self._heard_at = time.monotonic()
        del self._tasks[entry]
        self._entries.remove(entry)
        if not task.cancelled():
            task.exception()  # the connection is at its end; `serve` learns it from the next message

    async def _answer(self, entry: _Entry) -> None:
        """Bring one frame to its answer; whoever waits for a slow reader holds no more than a few views."""
        turn = self._turn if _key(entry.told) is None else contextlib.nullcontext()
        async with turn:
            try:
                call, media_type, answer = await self._call(entry)
            except Exception as exc:
                await self._reply(entry, pack_failure(entry.question, exc)[1])
                return
            async with self._views:
                await self._reply(entry, await self._show(entry, call, media_type, answer))

    async def _call(self, entry: _Entry) -> tuple[Call, str, Answer]:
        if entry.error is not None:
            raise entry.error
        question, told = entry.question, entry.told
        question.func = _text(told, "func", "")
        question.args, question.kwargs = view.read_parts(told)
        _check_names(told)
        media_type = choose_view(_text(told, "fmt", "json"))
        deadline = self._loop.time() + self._timeout_s(told)
        arguments = Arguments(wire.pack_arguments(question.args, question.kwargs).join())
        call = Call(
            self._user,
            question.func,
            arguments,
            deadline,
            place=self._place,
            is_main=not _flag(told, "async_remote"),
            cache_get=_flag(told, "cache_get"),
            cache_expire=None if told.get("cache_expire") is None else parse_seconds(told["cache_expire"]),
        )
        return call, media_type, await self._gateway.handle(call)

    async def _show(self, entry: _Entry, call: Call, media_type: str, answer: Answer) -> dict[str, Any]:
        try:
            _check_size(answer.size)
            shown = await self._gateway.render(answer, media_type, OPTIONS, call.deadline)
            shown = await shown.gather(JSON_SOCKET.answer_bytes)
            _check_size(len(shown.body))
        except Exception as exc:
            return pack_failure(entry.question, exc)[1]
        return pack_view(entry.question, shown)

    async def _cancel(self, key: Any) -> None:
        """Answer a call as cancelled, unless its answer is on the way or there is no such call."""
        entry = self._waiting.get(key) if type(key) in (str, int) else None
        if entry is None:
            return
        self._tasks[entry].cancel()
        await self._reply(entry, pack_failure(entry.question, CancelledError("the caller gave up"))[1])

    async def _reply(self, entry: _Entry, fields: dict[str, Any]) -> None:
        if entry.is_answered:
            return
        entry.is_answered = True
        key = _key(entry.told)
        self._waiting.pop(key, None)
        await self._send_json(fields if key is None else {"id": key, **fields})

    async def _send_json(self, fields: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the peer is gone; `serve` learns it from the next message
            await self._send({"type": "websocket.send", "text": msgspec.json.encode(fields).decode()})

    def _timeout_s(self, told: dict[str, Any]) -> float:
        limit = self._gateway.config.call.timeout_s
        asked = told.get("timeout_s")
        if asked is None:
            return limit
        if type(asked) not in (int, float) or not asked > 0 or math.isinf(asked):
            raise DecodeError('"timeout_s" is a number of seconds above 0')
        return min(float(asked), limit)


def _read(message: Message) -> bytes:
    """Return a frame's bytes.

    Raises:
        ProtocolError: It is no text; those who send pickles are told the cure.
        TooLargeError: It is over the limit.
    """
    text: str | None = message.get("text")
    if text is None:
        is_old = (message.get("bytes") or b"").startswith(PICKLE_STARTS)
        raise ProtocolError(OLD_CLIENT if is_old else "binary messages are not spoken here, only texts")
    data = text.encode()
    if len(data) > JSON_SOCKET.frame_bytes:
        raise TooLargeError(f"the frame is over {JSON_SOCKET.frame_bytes >> _MIB_BITS} MiB")
    return data


def _key(told: dict[str, Any]) -> Hashable:
    """Return the `id` of a frame, None if it has none."""
    key = told.get("id")
    if key is None or type(key) is int or (type(key) is str and len(key) <= _ID_CHARS):
        return key
    raise DecodeError(f'"id" is an integer, or a text of up to {_ID_CHARS} characters')


def _check_names(told: dict[str, Any]) -> None:
    more = sorted(told.keys() - _NAMES)
    if more:
        raise DecodeError(f"a call has no {more[0][:80]!r}; it has {', '.join(sorted(_NAMES))}")


def _text(told: dict[str, Any], name: str, default: str) -> str:
    value = told.get(name)
    if value is not None and type(value) is not str:
        raise DecodeError(f'"{name}" is a text')
    return default if value is None else value


def _flag(told: dict[str, Any], name: str) -> bool:
    value = told.get(name)
    if value is not None and type(value) is not bool:
        raise DecodeError(f'"{name}" is true or false')
    return value is not False


def _check_size(nbytes: int) -> None:
    if nbytes > JSON_SOCKET.answer_bytes:
        limit = JSON_SOCKET.answer_bytes >> _MIB_BITS
        raise TooLargeError(f"the answer is over {limit} MiB, too much for one frame: call over HTTP")
