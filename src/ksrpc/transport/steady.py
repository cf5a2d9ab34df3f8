"""uvicorn's WebSocket protocol with its habits changed, for an application that asks for it.

It stops reading only when messages pile up: as it stands it stops and starts at every message, two calls into the loop
and one into the system for each. And it hands messages over, and takes frames, by a plain call: its queue and its
coroutines cost a turn of the loop and as much time as a small answer. A read that is just one binary message, as most
are, goes past the parser.

It bounds what frames cost beyond their bytes: how many make one message, and how many pings it answers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.streams import StreamReader

from ksrpc.limits import FRAMES
from ksrpc.protocol import Buffer

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent
try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this machine
    from websockets.utils import apply_mask

#: Under this name a connection stands in the extensions of its ASGI scope.
EXTENSION = "ksrpc.steady"
Sink: TypeAlias = Callable[[MutableMapping[str, Any]], None]

#: Messages that may wait for the application before the socket is left alone.
_WAITING = 4
#: Larger bodies go out by themselves: joining would copy them.
_JOIN_BYTES = 1 << 14
_BINARY, _MASKED = 0x82, 0x80
_SHORT, _LONG = struct.Struct(">BBH"), struct.Struct(">BBQ")


class _Reader(StreamReader):
    """Know whether the parser waits for a frame to begin."""

    is_between = False
    wanted = 0  # bytes of a frame that is not there yet

    def read_exact(self, n: int) -> Generator[None, None, bytearray]:
        """Read so many bytes, and let it be known while they are not there."""
        self.wanted = n
        data = yield from super().read_exact(n)
        self.wanted = 0
        return data

    def at_eof(self) -> Generator[None, None, bool]:
        """Tell whether the stream has ended and everything was read."""
        while not self.buffer:
            if self.eof:
                return True
            self.is_between = True
            yield
            self.is_between = False
        return False


def _unmask(data: bytes) -> bytes | None:
    """Return the message if the bytes are one binary frame of a client, whole and no more; None if they are not."""
    size, at = len(data), 6
    if size < at or data[0] != _BINARY or data[1] < _MASKED:
        return None
    told = data[1] - _MASKED
    if told == 126 and size >= at + 2:
        told, at = int.from_bytes(data[2:4], "big"), at + 2
    elif told > 125:
        return None
    return apply_mask(data[at:], data[at - 4 : at]) if told == size - at else None


class SteadyProtocol(WebSocketsSansIOProtocol):
    """Read on while the application keeps up; call it where it wants to be called."""

    _sink: Sink | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parts: list[Buffer] = []  # messages that go out with the loop's next turn
        self._parts_bytes = 0
        self._fragmented_bytes = 0
        self._rest = 0
        self._held = b""
        self._is_stopped = False
        self._controls = 0
        self._controls_since = 0.0
        self._reader = self.conn.reader = _Reader()
        self.conn.parser = self.conn.parse()
        next(self.conn.parser)

    def data_received(self, data: bytes) -> None:
        """Give a message to the sink, everything else to the parser."""
        if self._sink is not None and self._reader.is_between and not self.frames and self._is_ready:
            message = None if self._held else _unmask(data)
            if message is not None:
                self._sink({"type": "websocket.receive", "bytes": message})
                return
        if self._held:
            self._held += data
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Feed the parser piece by piece: one read may hold ten thousand frames. A large frame is one piece."""
        at = 0
        while at < len(data):
            is_over = self.conn.parser_exc is not None  # what comes now is dropped unread
            size = len(data) if is_over else max(FRAMES.parse_bytes, self._reader.wanted - len(self._reader.buffer))
            if (self.close_sent or self._is_stopped) and not is_over:
                self._rest = 0 if size > FRAMES.parse_bytes else self._rest + len(data[at : at + size])
                if self._rest > FRAMES.rest_bytes:
                    self.transport.abort()
            if self.transport.is_closing():
                return
            if self.queue.qsize() >= _WAITING and not self.close_sent:
                self._held += data[at:]
                return
            super().data_received(data[at : at + size])
            at += size

    async def receive(self) -> ASGIReceiveEvent:
        """Give the next message; go on with what was held back once all were taken."""
        message = await super().receive()
        if self._held and self.queue.empty():
            held, self._held = self._held, b""
            self._parse(held)
        return message

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment; a message of too many small ones ends the connection."""
        if self.close_sent:
            return
        before = self._fragmented_bytes if len(self.frames) > 1 else sum(map(len, self.frames))
        self._fragmented_bytes = before + len(event.data)
        super().handle_cont(event)
        if len(self.frames) > FRAMES.fragments + self._fragmented_bytes // FRAMES.fragment_bytes:
            self._give_up(1009, "too many fragments")

    def handle_ping(self) -> None:
        """Answer, unless the peer takes no answers."""
        pong = self.conn.data_to_send()
        if self._count_control() and self.writable.is_set():
            self.transport.write(b"".join(pong))

    def handle_pong(self, event: Frame) -> None:
        """Count what nobody asked for."""
        self._count_control()

    def _count_control(self) -> bool:
        """Tell whether one more ping or pong is within the bound; if not, the connection ends."""
        now = self.loop.time()
        if now - self._controls_since > FRAMES.controls_s:
            self._controls, self._controls_since = 0, now
        self._controls += 1
        if self._controls > FRAMES.controls:
            self._give_up(1008, "too many control frames")
        return self._controls <= FRAMES.controls

    def _give_up(self, code: int, reason: str) -> None:
        """Close without waiting for the peer to agree."""
        if not (self.close_sent or self.disconnected or self.transport.is_closing()):
            self.divert(None)
            self.frames = []
            self.conn.send_close(code, reason)
            self.handle_parser_exception()

    def handle_connect(self, event: Request) -> None:
        """Show this connection to the application."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment]

    def divert(self, sink: Sink | None) -> None:
        """Give messages to this function, as they come, as long as the peer takes what is sent to it.

        It raises nothing. Other messages, and the end, come by `receive` as ever. None: all do again.
        """
        self._sink = sink

    @property
    def is_writable(self) -> bool:
        """Tell whether a frame would be sent now."""
        return self.writable.is_set() and not (self.close_sent or self.disconnected or self.transport.is_closing())

    @property
    def _is_ready(self) -> bool:
        return self.queue.empty() and self.is_writable

    async def drain(self) -> None:
        """Wait until a frame would be sent.

        Raises:
            ClientDisconnected: It never will be.
        """
        await self.writable.wait()
        if not self.is_writable:
            raise ClientDisconnected

    def put(self, head: bytes, body: Buffer, *, is_soon: bool = False) -> None:
        """Send a binary message, if `is_writable`; a large body is not copied.

        Args:
            head: Its first bytes.
            body: The others.
            is_soon: It may wait for the loop's next turn, to go out together with others.
        """
        size = len(head) + len(body)
        if size < 126:
            lead = bytes((_BINARY, size))
        elif size < 1 << 16:
            lead = _SHORT.pack(_BINARY, 126, size)
        else:
            lead = _LONG.pack(_BINARY, 127, size)
        if len(body) > _JOIN_BYTES:
            self._write_parts()
            self.transport.writelines((lead + head, body))
        elif is_soon or self._parts:
            self._join((lead, head, body), is_soon=is_soon)
        else:
            self.transport.write(b"".join((lead, head, body)))

    def _join(self, parts: tuple[Buffer, ...], *, is_soon: bool) -> None:
        if not self._parts:
            self.loop.call_soon(self._write_parts)
        self._parts += parts
        self._parts_bytes += sum(map(len, parts))
        if not is_soon or self._parts_bytes > _JOIN_BYTES:
            self._write_parts()

    def _write_parts(self) -> None:
        if not self._parts:
            return
        parts, self._parts, self._parts_bytes = self._parts, [], 0
        if not self.transport.is_closing():
            self.transport.write(b"".join(parts))

    def stop(self) -> None:
        """End what `receive` gives: for an application that met a fault in its sink."""
        self.divert(None)
        self._is_stopped = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def send_receive_event_to_app(self) -> None:
        """Hand a message over; stop reading if the application is behind. It goes on when all were taken."""
        if self._is_stopped:
            self.frames = []
            return
        if self._sink is not None and self._is_ready and self.curr_msg_data_type == "bytes":
            frames, self.frames = self.frames, []
            self._sink({"type": "websocket.receive", "bytes": frames[0] if len(frames) == 1 else b"".join(frames)})
            return
        was_paused, self.read_paused = self.read_paused, True  # the parent leaves a paused socket alone
        super().send_receive_event_to_app()
        self.read_paused = was_paused
        if not was_paused and self.queue.qsize() >= _WAITING:
            self.read_paused = True
            self.transport.pause_reading()
