"""One frame of the call protocol: a 16-byte header, a MessagePack map, a slice of a value's bytes.

Source: docs/spec/protocol.md "Frame".
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple, TypeAlias

import msgpack
import msgspec

from ksrpc.errors import ProtocolError
from ksrpc.limits import SESSION, SessionLimits

Buffer: TypeAlias = bytes | bytearray | memoryview
Meta: TypeAlias = dict[str, Any]

HEADER = struct.Struct("<BBHIQ")
HEADER_BYTES = HEADER.size


class FrameType(IntEnum):
    """Name the frame types; numbers are append-only."""

    HELLO = 1
    WELCOME = 2
    DESCRIBE = 3
    CALL = 4
    BODY = 5
    QUEUED = 6
    STARTED = 7
    PROGRESS = 8
    RESULT = 9
    RAISE = 10
    CREDIT = 11
    CANCEL = 12
    ACK = 13
    ATTACH = 14
    PING = 15
    PONG = 16
    GOAWAY = 17
    HANDOVER = 18


class Flag(IntFlag):
    """Name the header's flags."""

    NONE = 0
    FIN = 1
    IDEMPOTENT = 2
    RESUMABLE = 4
    IGNORABLE = 128


FIN = int(Flag.FIN)
_KNOWN = frozenset(int(t) for t in FrameType)
_encode = msgspec.msgpack.Encoder().encode
_check_whole = msgspec.msgpack.Decoder(msgspec.Raw).decode
_NO_META: Meta = {}
#: Bodies up to this are copied out: small values have a faster way through the codec as bytes.
_COPIED_BYTES = 4096
#: Metas that were parsed lately, bounded in number and size.
_seen: dict[bytes, Meta] = {}
_SEEN_ENTRIES = 512
_SEEN_BYTES = 128
_new_frame = tuple.__new__


class Frame(NamedTuple):
    """Hold one frame as received. `body` is a view of the carrier's message."""

    type: int
    flags: int
    call: int
    offset: int
    meta: Meta
    body: Buffer

    @property
    def fin(self) -> bool:
        """Tell whether this frame ends its value."""
        return bool(self.flags & FIN)


def pack_head(kind: int, call: int = 0, meta: Meta | None = None, *, flags: int = 0, offset: int = 0) -> bytes:
    """Pack header and meta; the body follows as its own buffer.

    Raises:
        ProtocolError: The meta is over 65 535 bytes.
    """
    if not meta:
        return HEADER.pack(kind, flags, 0, call, offset)
    packed = _encode(meta)
    if len(packed) > SESSION.meta_bytes:
        raise ProtocolError(f"meta of {len(packed)} bytes is over {SESSION.meta_bytes}")
    return HEADER.pack(kind, flags, len(packed), call, offset) + packed


def parse_frame(data: Buffer, *, limits: SessionLimits = SESSION) -> Frame:
    """Parse one whole frame; a large body is a view, not a copy.

    Raises:
        ProtocolError: Too short, a body over the limit, or meta that is not a shallow map.
    """
    size = len(data)
    if size < HEADER_BYTES:
        raise ProtocolError(f"frame of {size} bytes is shorter than its header")
    kind, flags, meta_len, call, offset = HEADER.unpack_from(data)
    start = HEADER_BYTES + meta_len
    if start > size:
        raise ProtocolError("frame ends inside its meta")
    if size - start > limits.frame_bytes:
        raise ProtocolError(f"frame body of {size - start} bytes is over {limits.frame_bytes}")
    meta = _read_meta(bytes(data[HEADER_BYTES:start]), limits) if meta_len else _NO_META
    body = bytes(data[start:]) if size - start <= _COPIED_BYTES else memoryview(data)[start:]
    return _new_frame(Frame, (kind, flags, call, offset, meta, body))


def is_known(kind: int) -> bool:
    """Tell whether this version knows the frame type."""
    return kind in _KNOWN


def _read_meta(data: bytes, limits: SessionLimits) -> Meta:
    """Return the meta of these bytes; small ones come again with every call and are parsed once. Nobody changes it."""
    meta = _seen.get(data)
    if meta is None:
        meta = _parse_meta(data, limits)
        if len(data) <= _SEEN_BYTES and limits.meta_depth == SESSION.meta_depth:
            if len(_seen) >= _SEEN_ENTRIES:
                _seen.clear()
            _seen[data] = meta
    return meta


def _parse_meta(data: bytes, limits: SessionLimits) -> Meta:
    try:
        _check_whole(data)  # no length in it reaches beyond its end: lists are made as long as they say
        meta = msgpack.unpackb(data, raw=False, strict_map_key=True, max_ext_len=0)
    except Exception as exc:
        raise ProtocolError("frame meta is not MessagePack") from exc
    if type(meta) is not dict:
        raise ProtocolError("frame meta is not a map")
    for value in meta.values():
        if type(value) in (dict, list):
            _check_depth(value, limits.meta_depth - 1)
    return meta


def _check_depth(value: Any, left: int) -> None:
    if left <= 0:
        raise ProtocolError("frame meta is nested too deep")
    for item in value.values() if type(value) is dict else value:
        if type(item) in (dict, list):
            _check_depth(item, left - 1)
