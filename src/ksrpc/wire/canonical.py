"""Read a message as what it says rather than as values: the way to a key without building anything.

Rules: nothing of pandas is imported or built; buffers are read where they lie; the framing, the tags and the bounds are
those of any other reader.

Source: docs/spec/key.md "Canonical form".
"""

from __future__ import annotations

import re
from typing import Any, Final

from ksrpc.errors import DecodeError, EncodeError, KsrpcError, TooLargeError
from ksrpc.limits import WireLimits
from ksrpc.wire import sheet  # noqa: F401  # it registers the forms of pandas' tags
from ksrpc.wire.assembly import Assembly, Chunk
from ksrpc.wire.codec import NONE
from ksrpc.wire.form import PLAIN_BYTES, Canonicalizer, encode_form
from ksrpc.wire.message import DATA
from ksrpc.wire.table import REQUEST_ANY_TABLE, RESULT_TABLE, Table
from ksrpc.wire.value import check_arguments, disassemble, pack, parse_plain, take_single

__all__ = ["Forms", "encode_form", "encode_value", "read_arguments"]

#: Canonical forms of positional and of named arguments.
Forms = tuple[tuple[Any, ...], dict[str, Any]]

#: Compressed arguments are read up to this size, as others are that come whole.
_INFLATED_BYTES: Final = 256 << 10
#: What may begin a tag, a NaN or a timestamp. A short head without it is canonical as it is.
_UNEVEN: Final = re.compile(rb"\xd4|[\xca\xcb][\x7f\xff]|[\xd6\xd7]\xff|\xc7\x0c\xff").search
#: A first look at the same: four times as fast, and mostly it finds nothing.
_SUSPECT: Final = re.compile(rb"[\xc7\xca\xcb\xd4\xd6\xd7]").search


def read_arguments(data: bytes | bytearray | memoryview, *, table: Table = REQUEST_ANY_TABLE) -> Forms | None:
    """Read the arguments of one call.

    Returns:
        The canonical forms; None if one of the arguments has none, or they are compressed and large.

    Raises:
        DecodeError: Not a message, or not of the shape of arguments.
        TooLargeError: A bound is passed.
        MissingExtraError: A buffer is compressed by a codec that is not installed.
    """
    if type(data) is not bytes and len(data) <= PLAIN_BYTES:
        data = bytes(data)
    head = take_single(data) if type(data) is bytes else None
    if head is not None and not (_SUSPECT(head) and _UNEVEN(head)):
        return check_arguments(parse_plain(head))
    reader = _open(data, table)
    if reader is None:
        return None
    args, kwargs = check_arguments(reader.run())
    forms = _form(reader, args), dict(zip(kwargs, _form(reader, kwargs.values()), strict=True))
    return forms if reader.has_form else None


def encode_value(value: Any) -> bytes | None:
    """Encode the canonical form of a value as `encode_form` does; None if it has none, or cannot travel."""
    try:
        message = pack(value).join()
    except EncodeError:
        return None
    reader = _open(message, RESULT_TABLE)
    if reader is None:
        return None
    (form,) = _form(reader, [reader.run()])
    return encode_form(form) if reader.has_form else None


def _open(data: bytes | bytearray | memoryview, table: Table) -> Canonicalizer | None:
    borrower = _Borrower(table.limits)
    buffers = disassemble(memoryview(data).cast("B"), borrower)
    return None if borrower.is_skipped else Canonicalizer(buffers, table)


def _form(reader: Canonicalizer, nodes: Any) -> tuple[Any, ...]:
    try:
        return tuple(map(reader.form, nodes))
    except KsrpcError:
        raise
    except MemoryError as error:
        raise TooLargeError("not enough memory for this value") from error
    except Exception as error:
        raise DecodeError(f"damaged value ({type(error).__name__})") from error


class _Borrower(Assembly):
    """Adopt memory that will only be read.

    Attributes:
        is_skipped: Whether parts are missing.
    """

    __slots__ = ("is_skipped",)

    def __init__(self, limits: WireLimits) -> None:
        super().__init__(limits)
        self.is_skipped = False

    def put(self, chunk: Chunk, stored: memoryview) -> None:
        """Take a chunk's stored bytes; inflate nothing of large arguments, for that takes time."""
        is_large = chunk.codec != NONE and sum(self.lengths) > _INFLATED_BYTES
        self.is_skipped = (self.is_skipped or is_large) and chunk.kind == DATA
        if self.is_skipped:
            self._count(chunk.raw)
        else:
            super().put(chunk, stored)

    def _is_adoptable(self, chunk: Chunk, _stored: memoryview) -> bool:
        return chunk.codec == NONE and chunk.raw == self.lengths[len(self.buffers) - 1]
