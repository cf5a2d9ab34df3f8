"""Receive WebSocket frames without copying them on the way to their parser.

The socket writes into one buffer; frames are views of it. A view is good until the next receive: who keeps bytes
longer copies them.
"""

from __future__ import annotations

from collections.abc import Generator

from websockets.streams import StreamReader

_ROOM_BYTES = 1 << 18
#: Room for the head of a frame and little more.
_HEAD_BYTES = 64
#: Up to this size frames are copied out: control frames are read as bytes, and small values decode faster from them.
_COPIED_BYTES = 4096
#: First byte of a binary frame that is a whole message.
_BINARY = 0x82
#: Lengths that stand for a longer field, and how many bytes it has; beyond them the frame is masked.
_WIDTHS = {126: 2, 127: 8}
_LONG = 127


class Inlet(StreamReader):
    """Take the place of the parser's reader, before it has read anything.

    The contract: receive into `room()`, then feed the part of it that was filled.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes
        self._space = memoryview(bytearray(max_bytes + 2 * _ROOM_BYTES))
        self._start = 0
        self._end = 0
        self._is_between = False  # whether the parser waits for a frame to begin
        self._room_bytes = _ROOM_BYTES

    def room(self) -> memoryview:
        """Return where the next bytes go. What is not parsed yet moves to the front first if space runs short."""
        if self._start == self._end:
            self._start = self._end = 0
        elif len(self._space) - self._end < _ROOM_BYTES:
            rest = self._end - self._start
            self._space[:rest] = bytes(self._space[self._start : self._end])
            self._start, self._end = 0, rest
        return self._space[self._end : self._end + self._room_bytes]

    def expect_head(self, is_near: bool) -> None:
        """Keep the next room small, so that the body of a large frame can go elsewhere; the one after it is as ever."""
        self._room_bytes = _HEAD_BYTES if is_near else _ROOM_BYTES

    def stand_in(self, count: int) -> memoryview:
        """Return as many bytes, whatever they are."""
        return self._space[:count]

    def feed_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take note of what was received; `data` is the filled part of `room()`."""
        self._end += len(data)
        self._room_bytes = _ROOM_BYTES

    def read_line(self, m: int, too_long_exc_type: type[Exception] = RuntimeError) -> Generator[None, None, bytearray]:
        """Wait for a line of at most m bytes and return it with its end."""
        while True:
            line = bytearray(self._space[self._start : min(self._end, self._start + m + 1)])
            size = line.find(b"\n") + 1
            if size:
                self._start += size
                return line[:size]
            if len(line) > m:
                raise too_long_exc_type(f"a line of more than {m} bytes")
            if self.eof:
                raise EOFError("the stream ends inside a line")
            yield

    def read_to_eof(
        self, m: int, too_long_exc_type: type[Exception] = RuntimeError
    ) -> Generator[None, None, bytearray]:
        """Wait for the end and return what is left, at most m bytes."""
        while not self.eof:
            if self._end - self._start > m:
                raise too_long_exc_type(f"more than {m} bytes until the end")
            yield
        rest = bytearray(self._space[self._start : self._end])
        self._start = self._end = 0
        return rest

    def read_exact(self, n: int) -> Generator[None, None, bytes | memoryview]:  # type: ignore[override]
        """Wait for n bytes and return them, large ones as a view."""
        while self._end - self._start < n:
            if self.eof:
                raise EOFError(f"the stream ends {n - self._end + self._start} bytes before its frame does")
            yield
        found = self._space[self._start : self._start + n]
        self._start += n
        return bytes(found) if n <= _COPIED_BYTES else found

    def at_eof(self) -> Generator[None, None, bool]:
        """Tell whether the stream has ended and everything was read."""
        while True:
            if self._end > self._start:
                return False
            if self.eof:
                return True
            self._is_between = True
            yield
            self._is_between = False

    @property
    def is_empty(self) -> bool:
        """Tell whether everything that was fed has been read."""
        return self._start == self._end

    def take_message(self) -> bytes | memoryview | None:
        """Take the next frame past the parser, if it is a whole binary message of a server; None leaves it there.

        Most frames are. Large ones come as a view.
        """
        space, at = self._space, self._start + 2
        if not self._is_between or self._end < at or space[at - 2] != _BINARY or space[at - 1] > _LONG:
            return None
        size, wide = space[at - 1], _WIDTHS.get(space[at - 1], 0)
        if wide:
            size = int.from_bytes(space[at : at + wide], "big")
            at += wide
        if at + size > self._end:
            return None
        self._start = at + size
        return bytes(space[at : at + size]) if size <= _COPIED_BYTES else space[at : at + size]

    def peek(self) -> tuple[int, memoryview] | None:
        """Tell how long the message is that was begun, and give what is there of it; None if it is for the parser.

        As long as it is not known how long it is, that is 0.
        """
        space, at, there = self._space, self._start + 2, self._end - self._start
        if not self._is_between or space[at - 2] != _BINARY or (there > 1 and space[at - 1] > _LONG):
            return None
        wide = _WIDTHS.get(space[at - 1], 0) if there > 1 else 0
        if there < 2 + wide:
            return 0, space[:0]
        size = int.from_bytes(space[at : at + wide], "big") if wide else space[at - 1]
        return (size, space[at + wide : self._end]) if size <= self._max_bytes else None

    def discard(self) -> None:
        """Drop what has not been read."""
        self._start = self._end = 0
