"""Frames that come again with other numbers: their head was read before, only their memory is new.

Rules: what a head says does not depend on anything but the head and the table, so that one that was accepted once, in
that table, need not be read again; a frame made so shares nothing with another one that could be changed.

Source: docs/spec/wire.md "Head".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from ksrpc.wire.codec import NONE
from ksrpc.wire.message import CHUNK, DATA, MAGIC, PRELUDE, VERSION

__all__ = ["HEAD_BYTES", "Outline", "Templates", "lead_of"]

_ENTRIES: Final = 64
#: Longer heads are read each time.
HEAD_BYTES: Final = 1024
#: How a message of a head and one buffer begins; then come the two lengths, then the first chunk.
_PAIR: Final = PRELUDE.pack(MAGIC, VERSION, 0, 0, 2, 0)
_SIZE_AT: Final = PRELUDE.size + 8
_CHUNK_AT: Final = _SIZE_AT + 8


class Outline(NamedTuple):
    """Say of a frame that is one array with labels how to make it of another array.

    Attributes:
        frame: The frame that was decoded.
        array: Its memory, which is the only buffer of the message.
        make: Makes another one of an array of the same type and shape.
    """

    frame: Any
    array: np.ndarray[Any, Any]
    make: Callable[[np.ndarray[Any, Any]], Any]


class _Template(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Literal["C", "F"]
    nbytes: int
    make: Callable[[np.ndarray[Any, Any]], Any]


class Templates:
    """Remember the heads that came last, alone and with the framing around them. Usable from any number of threads."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Template] = {}

    def recall(self, head: bytes, memory: Any) -> Any:
        """Make the value of a message whose head is known; None if it is not, or the memory does not fit it."""
        template = self._known.get(head)
        if template is None or len(memory) != template.nbytes:
            return None
        return template.make(np.ndarray(template.shape, template.dtype, memory, order=template.order))

    def recall_whole(self, data: bytes, lead: bytes) -> Any:
        """Make the value of a message of which this is known to be the lead, of a copy of its memory; None if not."""
        template = self._known.get(lead)
        if template is None:
            return None
        array: np.ndarray[Any, Any] = np.ndarray(template.shape, template.dtype, data, len(lead), order=template.order)
        return template.make(array.copy(template.order))

    def remember_lead(self, lead: bytes, head: bytes) -> None:
        """Note that a message with this lead was accepted, if its head is known and nothing else is to be checked."""
        template = self._known.get(head)
        if template is not None and _is_plain(lead, template.nbytes):
            self._known[lead] = template

    def remember(self, head: bytes, outline: Outline) -> None:
        """Note what a head stands for."""
        if len(self._known) >= _ENTRIES:
            self._known.clear()
        array = outline.array
        order: Literal["C", "F"] = "C" if array.flags.c_contiguous else "F"
        self._known[head] = _Template(array.shape, array.dtype, order, array.nbytes, outline.make)


def lead_of(data: bytes) -> bytes | None:
    """Return what stands before the memory in a message of one small head and one buffer; None for other messages."""
    if not data.startswith(_PAIR):
        return None
    size = len(data) - int.from_bytes(data[_SIZE_AT : _SIZE_AT + 8], "little")
    return data[:size] if 0 < size <= HEAD_BYTES else None


def _is_plain(lead: bytes, nbytes: int) -> bool:
    """Tell whether what follows an accepted lead is one chunk: as it lies, without a checksum."""
    _, pad, _, _, _, stored, _ = CHUNK.unpack_from(lead, _CHUNK_AT)
    at = _CHUNK_AT + CHUNK.size + pad + stored
    if at + CHUNK.size > len(lead):
        return False
    codec, pad, kind, shuffle, raw, stored, crc = CHUNK.unpack_from(lead, at)
    is_all = at + CHUNK.size + pad == len(lead) and raw == stored == nbytes
    return is_all and (codec, kind, shuffle, crc) == (NONE, DATA, 0, 0)
