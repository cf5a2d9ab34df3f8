"""Carry a value over the wire in every way that there is."""

from __future__ import annotations

from typing import Any

from ksrpc.wire import RESULT_TABLE, Reader, Table, pack, parse
from ksrpc.wire.codec import NONE
from ksrpc.wire.message import CHUNK, MAGIC, PRELUDE, VERSION
from tests.helpers.feed import Feed


def read(data: bytes, feed: Feed, *, table: Table = RESULT_TABLE) -> Any:
    """Read a message through a Reader that is fed in portions."""
    reader = Reader(table)
    for piece in feed(data):
        reader.feed(piece)
    return reader.value()


def carry(value: Any, *, codec: str = "none") -> Any:
    """Return what arrives for a value."""
    return parse(pack(value, codec=codec).join())


def container(*buffers: bytes, version: int = VERSION) -> bytes:
    """Lay out buffers by hand, one plain chunk each."""
    made = PRELUDE.pack(MAGIC, version, 0, 0, len(buffers), 0)
    made += b"".join(len(buffer).to_bytes(8, "little") for buffer in buffers)
    for buffer in buffers:
        made += CHUNK.pack(NONE, 0, 0, 0, len(buffer), len(buffer), 0) + buffer
    return made
