"""Frames on a byte stream: a u32 length, little endian, before each.

Source: docs/spec/protocol.md "Carriers".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ksrpc.errors import ProtocolError
from ksrpc.limits import SESSION, SessionLimits
from ksrpc.protocol.frame import HEADER_BYTES, Buffer

_LENGTH = struct.Struct("<I")


def pack_length(head: bytes, body: Buffer) -> bytes:
    """Return the length prefix joined with the head; the body follows."""
    return _LENGTH.pack(len(head) + len(body)) + head


class Framer:
    """Cut a byte stream into frames. Fed any pieces, it yields whole frames as bytes."""

    def __init__(self, limits: SessionLimits = SESSION) -> None:
        self._max = HEADER_BYTES + limits.meta_bytes + limits.frame_bytes
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the frames that `data` completes.

        Raises:
            ProtocolError: A length over what a frame may have, found before anything of it is kept.
        """
        if not self._rest:  # the usual case: one read, one frame, no copy but the slice
            size = self._frame_size(data)
            if 0 <= size == len(data) - 4:
                yield data[4:]
                return
        self._rest += data
        start = 0
        while (size := self._frame_size(self._rest, start)) >= 0 and len(self._rest) - start - 4 >= size:
            yield bytes(memoryview(self._rest)[start + 4 : start + 4 + size])
            start += 4 + size
        if start:
            del self._rest[:start]

    def _frame_size(self, data: bytes | bytearray, start: int = 0) -> int:
        if len(data) - start < 4:
            return -1
        size: int = _LENGTH.unpack_from(data, start)[0]
        if size > self._max:
            raise ProtocolError(f"frame of {size} bytes is over {self._max}")
        return size
