"""Bring the body of a large frame to the value that it belongs to while it comes, not when all of it is there.

The bytes of a value are taken by its reader at once, what its frame counts for only at its end. So a connection that
breaks inside a frame leaves a value that is ahead of its session; the frame comes again on the next connection, and
the value passes over what it has.

Source: docs/spec/protocol.md "Frame", "Resume".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ksrpc.limits import CLIENT_SESSION
from ksrpc.protocol import Buffer, Frame, FrameType, Meta
from ksrpc.protocol.frame import HEADER, parse_frame
from ksrpc.wire import Reader

_RESULT = int(FrameType.RESULT)
#: With less left of a frame, or of the place it goes to, it is as cheap to receive it whole, or beside, and copy it.
_LEAST_BYTES = 16 << 10
#: Below this a frame is as well copied with its neighbours: reading each by itself costs as much.
LARGE_BYTES = 1 << 18


class Receiver(Protocol):
    """Be who waits for a value, as far as its bytes are concerned."""

    ahead_bytes: int

    def open_slice(self, meta: Meta) -> Reader | None:
        """Return what takes the bytes of the next slice, which begins with this meta, as they come.

        None if it has to be there whole.
        """

    def fill_slice(self, count: int) -> None:
        """Take note that bytes of it came."""

    def close_slice(self, *, fin: bool) -> None:
        """Take note of its end."""


class Landing:
    """Take in the body of one frame.

    Attributes:
        frame: The frame; its body is empty.
        head: Header and meta.
        body_bytes: Length of the body.
    """

    __slots__ = ("_is_direct", "_left", "_reader", "_receiver", "body_bytes", "frame", "head")

    def __init__(self, head: bytes, frame: Frame, body_bytes: int, receiver: Receiver, reader: Reader) -> None:
        self.head = head
        self.frame = frame
        self.body_bytes = body_bytes
        self._left = body_bytes
        self._receiver = receiver
        self._reader = reader
        self._is_direct = False

    def room(self, spare: memoryview) -> memoryview:
        """Return where the next bytes go: into the value, or beside where that is cut into small pieces."""
        place = self._reader.get_buffer()
        self._is_direct = len(place) >= _LEAST_BYTES
        return place[: self._left] if self._is_direct else spare[: self._left]

    def take(self, data: memoryview) -> bool:
        """Take the filled part of `room`; return whether the body is complete.

        Raises:
            DecodeError, TooLargeError: It is no part of a value.
        """
        if self._is_direct:
            self._reader.advance(len(data))
        else:
            self._reader.feed(data)
        return self._count(len(data))

    def begin(self, data: Buffer) -> None:
        """Take what came together with the head.

        Raises:
            DecodeError, TooLargeError: As `take`.
        """
        self._reader.feed(data)
        self._count(len(data))

    def _count(self, count: int) -> bool:
        self._left -= count
        self._receiver.fill_slice(count)
        return not self._left

    def finish(self) -> None:
        """Tell who waits that the slice is there."""
        self._receiver.close_slice(fin=self.frame.fin)

    def break_off(self) -> None:
        """Leave it at what came: the frame comes again."""
        self._receiver.ahead_bytes = self.body_bytes - self._left


def open_landing(message_bytes: int, begun: memoryview, receivers: Mapping[int, Receiver]) -> Landing | None:
    """Return what takes in a frame of which only the beginning is there; None if it is to be received whole.

    Args:
        message_bytes: Its length.
        begun: What is there of it.
        receivers: Who waits, by call.

    Raises:
        ProtocolError, DecodeError, TooLargeError: The frame, or the value, breaks a rule or a bound.
    """
    if len(begun) < HEADER.size or begun[0] != _RESULT:
        return None
    _, _, meta_bytes, call, _ = HEADER.unpack_from(begun)
    start = HEADER.size + meta_bytes
    body_bytes = message_bytes - start
    if len(begun) < start or not LARGE_BYTES <= body_bytes <= CLIENT_SESSION.frame_bytes:
        return None
    if message_bytes - len(begun) < _LEAST_BYTES:
        return None
    receiver = receivers.get(call)
    if receiver is None:
        return None
    head = bytes(begun[:start])
    frame = parse_frame(head)
    reader = receiver.open_slice(frame.meta)
    if reader is None:
        return None
    landing = Landing(head, frame, body_bytes, receiver, reader)
    landing.begin(begun[start:])
    return landing
