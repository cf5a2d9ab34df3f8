"""The items of a call that answers with many: pulled from the worker as far as its caller takes them.

Source: docs/spec/protocol.md "Streams".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ksrpc.errors import TooLargeError
from ksrpc.protocol import Buffer

#: Takes records that come early.
Sink: TypeAlias = Callable[[Buffer], None]
#: Reads the next items: some may go to the sink before the rest is returned; nothing at all is the end.
Pull: TypeAlias = Callable[[Sink], Awaitable[tuple[Buffer, ...]]]


class Flow:
    """Give records of items, one pull ahead of who takes them. Whoever holds it closes it.

    Args:
        pull: Reads the next items.
        drop: Lets the worker forget the iterator.
    """

    def __init__(self, pull: Pull, drop: Callable[[], Awaitable[None]]) -> None:
        self._pull = pull
        self._drop = drop
        self._ready: list[Buffer] = []
        self._news = asyncio.Event()
        self._pulling: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._is_over = False
        self._is_claimed = False
        self._is_closed = False
        self._on_items: list[Callable[[tuple[Buffer, ...]], None]] = []
        self._on_close: list[Callable[[], None]] = []

    def claim(self) -> bool:
        """Tell whether the asker may have it: the first one only, since items are given once."""
        is_mine, self._is_claimed = not self._is_claimed, True
        return is_mine

    def close_unclaimed(self) -> None:
        """Let go of what nobody asks for any more."""
        if self.claim():
            self.close()

    def watch(
        self,
        *,
        items: Callable[[tuple[Buffer, ...]], None] | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        """Have functions called with each run of records that is taken, and at the end."""
        if items is not None:
            self._on_items.append(items)
        if close is not None:
            self._on_close.append(close)

    async def take(self) -> tuple[Buffer, ...]:
        """Return the records that are there, at least one; none at the end.

        Raises:
            RaisedError: The library raised.
            KsrpcError: The worker is lost, or an item cannot travel.
        """
        while not self._ready:
            if self._failure is not None:
                raise self._failure
            if self._is_over or self._is_closed:
                return ()
            self._start()
            self._news.clear()
            await self._news.wait()
        records, self._ready = tuple(self._ready), []
        self._start()
        for tell in self._on_items:
            tell(records)
        return records

    async def gather(self, limit: int) -> bytes:
        """Return all records there are, then let go.

        Raises:
            TooLargeError: They are over `limit` bytes.
            KsrpcError: As `take`.
        """
        whole = bytearray()
        try:
            while records := await self.take():
                for piece in records:
                    whole += piece
                if len(whole) > limit:
                    error = TooLargeError(f"the items are over {limit >> 20} MiB together; ask for them one by one")
                    error.maybe_ran = True
                    raise error
        finally:
            self.close()
        return bytes(whole)

    def close(self) -> None:
        """Let go of it all; may be called again."""
        if self._is_closed:
            return
        self._is_closed = True
        self._ready.clear()
        self._news.set()
        for tell in self._on_close:
            tell()
        _keep(asyncio.get_running_loop().create_task(self._finish()))

    async def _finish(self) -> None:
        await self._drop()  # also at the end: the worker keeps what was read to the last item, too
        if self._pulling is not None:
            await asyncio.wait((self._pulling,))

    def _start(self) -> None:
        if self._pulling is None and not self._is_over and self._failure is None:
            self._pulling = asyncio.get_running_loop().create_task(self._read())

    def _put(self, piece: Buffer) -> None:
        if len(piece) and not self._is_closed:
            self._ready.append(piece)
            self._news.set()

    async def _read(self) -> None:
        came = False

        def put_early(piece: Buffer) -> None:
            nonlocal came
            came = True
            self._put(piece)

        try:
            pieces = await self._pull(put_early)
            for piece in pieces:
                came = came or bool(len(piece))
                self._put(piece)
            self._is_over = not came
        except asyncio.CancelledError:
            self._is_over = True
            raise
        except Exception as exc:
            self._failure, self._is_over = exc, True
        finally:
            self._pulling = None
            self._news.set()


_closing: set[asyncio.Task[None]] = set()


def _keep(task: asyncio.Task[None]) -> None:
    """Hold a task until it is done; the loop itself does not."""
    _closing.add(task)
    task.add_done_callback(_closing.discard)
