"""Values to messages and back: the front door of the wire.

Rule: a message of a few scalars takes a short way through, one template and one call of each MessagePack library.

Source: docs/spec/wire.md.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from ksrpc.errors import DecodeError, KsrpcError
from ksrpc.wire import (  # noqa: F401  # they register their types
    array,
    collection,
    encoder,
    instance,
    moment,
    place,
    plain,
    record,
    subarray,
)
from ksrpc.wire.assembly import Assembly, check_pad
from ksrpc.wire.codec import encode_plain
from ksrpc.wire.decoder import TEMPLATES, decode, decode_plain
from ksrpc.wire.encoder import ATOMS, Encoder
from ksrpc.wire.message import CHUNK, PRELUDE, SINGLE, Message, pack_buffers, pack_single, single_prefix
from ksrpc.wire.negotiation import FEATURES
from ksrpc.wire.registry import Refusal
from ksrpc.wire.table import REQUEST_ANY_TABLE, REQUEST_TABLE, RESULT_TABLE, Table
from ksrpc.wire.template import lead_of

__all__ = ["disassemble", "pack", "pack_arguments", "parse", "parse_arguments", "parse_plain", "take_single"]

#: A head over this does not take the short way.
_SHORT_BYTES: Final = 4096
_PREFIX_BYTES: Final = SINGLE.size
#: First byte of the one-byte extension that every tag is. A head without it has no tags.
_TAG_BYTE: Final = b"\xd4"


def pack(value: Any, *, root: str = "result", features: Collection[str] = FEATURES, codec: str = "none") -> Message:
    """Encode a value.

    Args:
        root: What the value is called in error texts.
        features: What the receiver can take beyond the base types, as it was negotiated.
        codec: "none", "lz4" or "zstd": used for buffers where a sample says that it pays.

    Raises:
        EncodeError: Something in the value cannot travel; the text names the path to it.
        MissingExtraError: The codec's package is not installed.
    """
    if type(value) in ATOMS:
        try:
            head = encode_plain(value)
        except (OverflowError, UnicodeEncodeError):
            head = bytes(_SHORT_BYTES + 1)
        if len(head) <= _SHORT_BYTES:
            return pack_single(head)
    return pack_buffers(encoder.encode(value, root=root, table=RESULT_TABLE), codec=codec)


def parse(data: bytes | bytearray | memoryview, *, table: Table = RESULT_TABLE) -> Any:
    """Decode one whole message.

    Args:
        data: The message. Arrays of immutable data are copied once, so that results can be written to; of writeable
            data they are views: do not reuse it.
        table: What is accepted.

    Raises:
        DecodeError: Not a message, or not one that the table accepts.
        TooLargeError: A bound is passed.
        MissingExtraError: The value needs a package that is not installed.
    """
    if type(data) is bytes:
        head = take_single(data)
        if head is not None and _TAG_BYTE not in head:
            return parse_plain(head)
        lead = lead_of(data) if table is RESULT_TABLE else None
        if lead is not None:
            return _parse_pair(data, lead)
    return decode(disassemble(memoryview(data).cast("B"), Assembly(table.limits)), table)


def _parse_pair(data: bytes, lead: bytes) -> Any:
    """Decode a result of one small head and one buffer."""
    value = TEMPLATES.recall_whole(data, lead)
    if value is None:
        buffers = disassemble(memoryview(data), Assembly(RESULT_TABLE.limits))
        head = bytes(buffers[0])
        value = decode(buffers, RESULT_TABLE)
        TEMPLATES.remember_lead(lead, head)
    return value


def take_single(data: bytes) -> bytes | None:
    """Return the head of a short message that has no buffers; None if it has to take the long way."""
    size = len(data) - _PREFIX_BYTES
    if 0 < size <= _SHORT_BYTES and data.startswith(single_prefix(size)):
        return data[_PREFIX_BYTES:]
    return None


def parse_plain(head: bytes) -> Any:
    """Decode a head without tags.

    Raises:
        DecodeError: It is damaged, or has a tag.
    """
    try:
        return decode_plain(head)
    except KsrpcError:
        raise
    except Exception as error:
        raise DecodeError(f"damaged value (head: {type(error).__name__})") from error


def disassemble(view: memoryview, assembly: Assembly) -> list[Any]:
    """Return the buffers of one whole message, the head first."""
    count = assembly.open(_cut(view, 0, PRELUDE.size))
    position = PRELUDE.size + 8 * count
    assembly.lay(_cut(view, PRELUDE.size, 8 * count))
    while not assembly.done:
        chunk = assembly.begin(_cut(view, position, CHUNK.size))
        position += CHUNK.size
        check_pad(_cut(view, position, chunk.pad))
        position += chunk.pad
        assembly.put(chunk, _cut(view, position, chunk.stored))
        position += chunk.stored
    if position != len(view):
        raise DecodeError(f"{len(view) - position} bytes after the end of the value")
    return assembly.buffers


def _cut(view: memoryview, start: int, size: int) -> memoryview:
    piece = view[start : start + size]
    if len(piece) != size:
        raise DecodeError("the value ends too early")
    return piece


def pack_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Message:
    """Encode the arguments of one call: a list of two, the positional ones and the named ones.

    Raises:
        EncodeError: An argument cannot travel; the text names it as `args[0]` or `kwargs['x']`.
    """
    if ATOMS.issuperset(map(type, args)) and (not kwargs or ATOMS.issuperset(map(type, kwargs.values()))):
        try:
            head = encode_plain((args, kwargs))
        except (OverflowError, UnicodeEncodeError):
            head = bytes(_SHORT_BYTES + 1)
        if len(head) <= _SHORT_BYTES:
            return pack_single(head)
    buffers = encoder.encode((args, kwargs), root="", table=REQUEST_ANY_TABLE, writer=_write_arguments)
    return pack_buffers(buffers)


def _write_arguments(walker: Encoder, value: tuple[tuple[Any, ...], dict[str, Any]]) -> list[Any]:
    args, kwargs = value
    try:
        positional = walker.nodes(args)
    except Refusal as refusal:
        raise refusal.at("args") from None
    try:
        return [positional, walker.entries(kwargs)]
    except Refusal as refusal:
        raise refusal.at("kwargs") from None


def parse_arguments(
    data: bytes | bytearray | memoryview, *, table: Table = REQUEST_TABLE
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Decode the arguments of one call.

    Raises:
        DecodeError: Not a message, not of the shape of arguments, or with a type that the table does not accept.
        TooLargeError: A bound is passed.
    """
    return check_arguments(parse(data, table=table))


def check_arguments(value: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Check that a decoded value has the shape of arguments: a list and a dict with str keys, nothing else."""
    if type(value) is not list or len(value) != 2:
        raise DecodeError("arguments are a list of two: positional and named ones")
    args, kwargs = value
    if type(args) is not list or type(kwargs) is not dict or (kwargs and not {str}.issuperset(map(type, kwargs))):
        raise DecodeError("arguments are a list of two: positional and named ones")
    return tuple(args), kwargs
