"""Turn a head and its buffers into a value; nothing is imported, called or built by a name off the wire.

Rules: one MessagePack document, decoded bottom-up without recursion; a tag must be the first element of an array and
be accepted by the table; map keys are distinct str; every buffer is referred to exactly once.

Source: docs/spec/wire.md "Head".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgpack

from ksrpc.errors import DecodeError, KsrpcError, TooLargeError
from ksrpc.wire.family import load_reader
from ksrpc.wire.registry import READERS
from ksrpc.wire.table import RESULT_TABLE, Table
from ksrpc.wire.tag import FRAME, REF, TAGS, Mark
from ksrpc.wire.template import HEAD_BYTES, Outline, Templates

__all__ = ["TEMPLATES", "Decoder", "decode", "decode_plain", "map_reader"]

_ITEMS_PER_HEAD_BYTE: Final = 4


class Decoder:
    """Hold what the readers of one message share.

    Attributes:
        table: What is accepted.
        made: DataFrame, Series, Index and ndarray in the order in which they were complete; `ref` counts them.
        outline: Set by the reader of frames if the next one with this head can be made without reading it.
    """

    __slots__ = ("_buffers", "_claimed", "_name", "_open", "_spent", "made", "outline", "table")

    def __init__(self, buffers: list[Any], table: Table) -> None:
        self.table = table
        self.made: list[Any] = []
        self.outline: Outline | None = None
        self._buffers = buffers
        self._open = 0
        self._name = "head"
        self._claimed: set[int] = set()
        self._spent = 0

    def run(self) -> Any:
        """Decode the head.

        Raises:
            DecodeError: The head breaks a rule.
            TooLargeError: A bound is passed.
        """
        head, self._buffers[0] = self._buffers[0], None
        try:
            value = msgpack.unpackb(
                head,
                list_hook=self._on_list,
                ext_hook=self._on_ext,
                object_pairs_hook=map_reader(),
                timestamp=3,
                strict_map_key=True,
            )
        except KsrpcError:
            raise
        except MemoryError as error:
            raise TooLargeError("not enough memory for this value") from error
        except Exception as error:
            raise DecodeError(f"damaged value ({self._name}: {type(error).__name__})") from error
        if self._open or type(value) is Mark:
            raise DecodeError("a tag that is not the first of an array")
        if any(buffer is not None for buffer in self._buffers):
            raise DecodeError("a buffer that nothing refers to")
        return value

    def take(self, node: Any) -> Any:
        """Return the writeable bytes of a buffer, or of bytes that stand in the head."""
        if type(node) is bytes:
            return bytearray(node)
        number = self.integer(node, 1, len(self._buffers) - 1)
        data, self._buffers[number] = self._buffers[number], None
        if data is None:
            raise DecodeError("a buffer that is referred to twice")
        return data

    def integer(self, node: Any, low: int, high: int) -> int:
        """Check a number."""
        if type(node) is not int or not low <= node <= high:
            raise DecodeError(f"a number out of range in {self._name}")
        return node

    def expect(self, node: Any, kind: type) -> Any:
        """Check the exact type of a part."""
        if type(node) is not kind:
            raise DecodeError(f"a part of the wrong type in {self._name}")
        return node

    def add(self, value: Any) -> Any:
        """Give the next id to an object."""
        self.made.append(value)
        return value

    def spend(self, items: int) -> None:
        """Count items that cost more memory or time here than bytes on the wire.

        Raises:
            TooLargeError: They are more than four for each byte that a head may have.
        """
        self._spent += items
        if self._spent > _ITEMS_PER_HEAD_BYTE * self.table.limits.head_bytes:
            raise TooLargeError(f"more than {_ITEMS_PER_HEAD_BYTE * self.table.limits.head_bytes} items to unfold")

    def claim(self, value: Any) -> bool:
        """Take an object as part of another one.

        Returns:
            Whether it is the first time: what a `ref` brings again costs nothing on the wire.
        """
        is_first = id(value) not in self._claimed
        self._claimed.add(id(value))
        return is_first

    def _on_ext(self, code: int, data: bytes) -> Mark:
        mark = TAGS.get(data[0]) if code == 1 and len(data) == 1 else None
        if mark is None:
            raise DecodeError(f"unknown tag {code}:{data[:4].hex()}: the other side is newer")
        if mark.number not in self.table.tags:
            raise DecodeError(f"{mark.told} is not accepted in {self.table.name}")
        self._open += 1
        return mark

    def _on_list(self, items: list[Any]) -> Any:
        if not items or type(items[0]) is not Mark:
            return items
        self._open -= 1
        mark = items[0]
        self._name = mark.name
        if mark.number >= FRAME and mark.number not in READERS:
            load_reader(mark.number)
        return READERS[mark.number](self, *items[1:])


def decode(buffers: list[Any], table: Table) -> Any:
    """Decode a message whose buffers are complete. The list is emptied on the way."""
    if len(buffers) != 2 or table is not RESULT_TABLE or len(buffers[0]) > HEAD_BYTES:
        return Decoder(buffers, table).run()
    head = bytes(buffers[0])
    value = TEMPLATES.recall(head, buffers[1])
    if value is None:
        decoder = Decoder(buffers, table)
        value = decoder.run()
        if decoder.outline is not None and decoder.outline.frame is value:
            TEMPLATES.remember(head, decoder.outline)
    buffers.clear()
    return value


#: Heads of results; those of requests are read each time.
TEMPLATES: Final = Templates()


def map_reader() -> Callable[[list[tuple[Any, Any]]], dict[str, Any]]:
    """Return what makes the dicts of one document; it refuses a key that comes twice or is not str.

    Records have the same keys again and again: those seen before are known to be str.
    """
    known: set[str] = set()

    def distinct(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise DecodeError("a map with the same key twice")
        if not known.issuperset(made):
            if bytes in map(type, made):
                raise DecodeError("a map key that is not str")
            known.update(made)
        return made

    return distinct


def _no_ext(code: int, data: bytes) -> Any:
    raise DecodeError("a tag where none may be")


def decode_plain(document: Any) -> Any:
    """Decode a document without tags."""
    return msgpack.unpackb(document, ext_hook=_no_ext, object_pairs_hook=map_reader(), timestamp=3, strict_map_key=True)


def _read_ref(decoder: Decoder, number: Any) -> Any:
    return decoder.made[decoder.integer(number, 0, len(decoder.made) - 1)]


READERS[REF] = _read_ref
