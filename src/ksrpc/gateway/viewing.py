"""Turn encoded values into views, in a worker: the gateway never decodes what a library answered.

Source: docs/reference/views.md.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from ksrpc import wire
from ksrpc.errors import NotAcceptableError
from ksrpc.gateway.call import Answer, Arguments, Call, View
from ksrpc.gateway.flow import Flow
from ksrpc.limits import MIB, SESSION, STREAM_VIEW_BYTES
from ksrpc.model import Rules, User
from ksrpc.protocol import Buffer
from ksrpc.wire.item import RecordReader

#: The module of a worker that makes views.
RENDER = "ksrpc_render"


async def show(
    answer: Answer,
    media_type: str,
    options: dict[str, str],
    *,
    deadline: float,
    run: Callable[[Call], Awaitable[Answer]],
) -> View:
    """Have a worker make a view.

    Raises:
        NotAcceptableError: The value has no such view.
    """
    pieces = answer.pieces if answer.flow is None else (await answer.flow.gather(STREAM_VIEW_BYTES),)
    step = "render" if answer.flow is None else "render_items"
    message = wire.pack_arguments((list(pieces), media_type, options), {})
    small = message.nbytes <= SESSION.inline_bytes
    arguments = Arguments(message.join()) if small else Arguments(rest=_slices(message))
    rendered = await run(Call(User("", Rules()), f"{RENDER}.{step}", arguments, deadline))
    if rendered.flow is not None:
        return await _begin(rendered.flow)
    view = View(*wire.parse(rendered.join()))
    if not view.media_type:
        error = NotAcceptableError(view.body.decode())
        error.maybe_ran = True  # the call did run; what failed is the view of its result
        raise error
    return view


async def _slices(message: wire.Message) -> AsyncIterator[Buffer]:
    for segment in message.segments:
        whole = memoryview(segment)
        for start in range(0, len(whole), MIB):
            yield whole[start : start + MIB]


async def _begin(flow: Flow) -> View:
    """Wait for the first piece: what fails until then is an error, and no view that breaks off."""
    items = _read(flow)
    try:
        media_type, type_name = wire.parse(await anext(items))
        first = wire.parse(await anext(items))
    except BaseException:
        await items.aclose()
        flow.close()
        raise
    return View(media_type, type_name, first, _Rest(flow, items))


class _Rest:
    """Give the further pieces of a view; closed, it lets the worker go, whether one was asked for or not."""

    def __init__(self, flow: Flow, items: AsyncGenerator[bytes, None]) -> None:
        self._flow = flow
        self._items = items

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece: bytes = wire.parse(await anext(self._items))
        return piece

    async def aclose(self) -> None:
        """Let go of it all."""
        self._flow.close()
        await self._items.aclose()


async def _read(flow: Flow) -> AsyncGenerator[bytes, None]:
    reader = RecordReader()
    while pieces := await flow.take():
        for piece in pieces:
            reader.feed(piece)
            for record in reader.split():
                yield record.body
