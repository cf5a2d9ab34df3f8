"""Read one message as its bytes arrive, large buffers straight into their own memory.

Source: docs/spec/wire.md "Framing".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ksrpc.errors import DecodeError
from ksrpc.wire.assembly import Assembly, Chunk, check_pad
from ksrpc.wire.decoder import decode
from ksrpc.wire.message import CHUNK, PRELUDE
from ksrpc.wire.table import RESULT_TABLE, Table

__all__ = ["Reader"]

#: Prelude, table of one, first chunk header: every message has these and at least one byte more.
_LEAST_BYTES = PRELUDE.size + 8 + CHUNK.size


class Reader:
    """Take the bytes of one message in any portions and give its value.

    The contract: while not `done`, receive into `get_buffer()` and call `advance(n)` with what came, or hand bytes to
    `feed`. A buffer never reaches beyond the message. Any error ends the reader: nothing partial can be had.
    """

    __slots__ = ("_assembly", "_chunk", "_filled", "_step", "_table", "_target", "_value")

    def __init__(self, table: Table = RESULT_TABLE) -> None:
        self._table = table
        self._assembly = Assembly(table.limits)
        self._chunk: Chunk | None = None
        self._target = memoryview(bytearray(_LEAST_BYTES))
        self._filled = 0
        self._step: Callable[[], None] | None = self._on_prelude
        self._value: list[Any] = []

    @property
    def done(self) -> bool:
        """Tell whether the message is complete."""
        return self._step is None

    @property
    def total_bytes(self) -> int | None:
        """Return the raw size of the value, all buffers together; None until the table is read."""
        return sum(self._assembly.lengths) or None

    @property
    def filled_bytes(self) -> int:
        """Return how much of `total_bytes` is there."""
        return self._assembly.filled_bytes + (self._filled if self._step == self._on_filled else 0)

    def get_buffer(self) -> memoryview:
        """Return where the next bytes go; empty only when done."""
        return self._target[self._filled :]

    def advance(self, count: int) -> None:
        """Take note of `count` bytes in the buffer.

        Raises:
            DecodeError, TooLargeError: The message breaks a rule or a bound.
        """
        self._filled += count
        if self._filled < len(self._target):
            return
        if self._filled > len(self._target) or self._step is None:
            raise DecodeError("bytes after the end of the value")
        self._step()

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Copy bytes in.

        Raises:
            DecodeError: As `advance`; also if bytes are left over after the message.
        """
        view = memoryview(data).cast("B")
        while len(view):
            room = self.get_buffer()
            count = min(len(room), len(view))
            if count == 0:
                raise DecodeError(f"{len(view)} bytes after the end of the value")
            room[:count] = view[:count]
            self.advance(count)
            view = view[count:]

    def value(self) -> Any:
        """Decode what has arrived.

        Raises:
            DecodeError: The message is not complete, or not a value that the table accepts.
        """
        if not self.done:
            raise DecodeError("the value is not complete")
        if not self._value:
            buffers, self._assembly.buffers = self._assembly.buffers, []
            if not buffers:
                raise DecodeError("the value could not be decoded")
            self._value.append(decode(buffers, self._table))
        return self._value[0]

    def _expect(self, target: memoryview, step: Callable[[], None]) -> None:
        self._target = target
        self._filled = 0
        self._step = step

    def _on_prelude(self) -> None:
        count = self._assembly.open(self._target[: PRELUDE.size])
        if count == 1:
            self._on_table()
            return
        stage = bytearray(_LEAST_BYTES + 8 * (count - 1))
        stage[:_LEAST_BYTES] = self._target
        self._target = memoryview(stage)
        self._step = self._on_table

    def _on_table(self) -> None:
        self._assembly.lay(self._target[PRELUDE.size : -CHUNK.size])
        self._open_chunk(self._target[-CHUNK.size :])

    def _on_header(self) -> None:
        self._open_chunk(self._target)

    def _open_chunk(self, header: memoryview) -> None:
        self._chunk = self._assembly.begin(header)
        if self._chunk.pad:
            self._expect(memoryview(bytearray(self._chunk.pad)), self._on_pad)
        else:
            self._receive(self._chunk)

    def _on_pad(self) -> None:
        check_pad(self._target)
        if self._chunk is not None:
            self._receive(self._chunk)

    def _receive(self, chunk: Chunk) -> None:
        room = self._assembly.room(chunk)
        if room is None:
            self._expect(memoryview(bytearray(chunk.stored)), self._on_stored)
        else:
            self._expect(room, self._on_filled)

    def _on_stored(self) -> None:
        if self._chunk is not None:
            self._assembly.put(self._chunk, self._target)
        self._next()

    def _on_filled(self) -> None:
        if self._chunk is not None:
            self._assembly.filled(self._chunk)
        self._next()

    def _next(self) -> None:
        if self._assembly.done:
            self._target = memoryview(b"")
            self._filled = 0
            self._step = None
        else:
            self._expect(memoryview(bytearray(CHUNK.size)), self._on_header)
