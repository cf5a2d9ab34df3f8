"""Turn a value into a plain head and its buffers.

Rules: the table of exact types decides, a subclass never passes as its base; ids of `ref` count DataFrame, Series,
Index and ndarray in the order in which their arrays are complete; everything met stays alive until the end, so that
`id()` is not reused; lists and dicts that hold only atoms are handed on unwalked. What the fast encoder cannot take
(lone surrogates, integers over 64 bits, a head over its limit) makes it raise, and the value is walked again in strict
mode.

Source: docs/spec/wire.md "Head".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any, Final

import msgspec

from ksrpc.errors import EncodeError
from ksrpc.wire.codec import encode_plain
from ksrpc.wire.family import load_writers
from ksrpc.wire.message import Buffer, Piece
from ksrpc.wire.registry import WRITERS, Refusal
from ksrpc.wire.table import RESULT_TABLE, Table
from ksrpc.wire.tag import BIGINT, MARKS, REF, SURROGATE, TAGS, TEXT
from ksrpc.wire.tree import ATOMS, is_plain

__all__ = ["ATOMS", "Encoder", "encode"]


class Encoder:
    """Walk one value. `node` returns what stands for a value in the head."""

    __slots__ = ("_alive", "_bytes", "_depth", "_ids", "_nodes", "buffers", "made", "strict", "table")

    def __init__(self, table: Table = RESULT_TABLE, *, strict: bool = False) -> None:
        self.table = table
        self.strict = strict
        self.buffers: list[Buffer] = []
        self.made = 0
        self._ids: dict[int, int] = {}
        self._alive: list[Any] = []
        self._bytes = 0
        self._depth = 0
        self._nodes = 0

    def node(self, value: Any) -> Any:
        """Return the head's part for a value.

        Raises:
            Refusal: The value, or one inside it, cannot travel.
        """
        kind = type(value)
        if kind in ATOMS and not self.strict:
            return value
        writer = WRITERS.get(kind) or self._late_writer(value)
        self._depth += 1
        if self._depth > self.table.limits.depth:
            raise Refusal(f"nested deeper than {self.table.limits.depth} levels, or a cycle")
        made = writer(self, value)
        self._depth -= 1
        return made

    def mark(self, number: int) -> msgspec.msgpack.Ext:
        """Return what begins a tagged array.

        Raises:
            Refusal: The table has no such tag.
        """
        if number not in self.table.tags:
            raise Refusal(f"{TAGS[number].told} cannot travel in {self.table.name}")
        return MARKS[number]

    def part(self, value: Any, step: str) -> Any:
        """Return the head's part for a value that the path to it calls by a step such as `.name`."""
        try:
            return self.node(value)
        except Refusal as refusal:
            raise refusal.at(step) from None

    def nodes(self, items: Iterable[Any]) -> list[Any]:
        """Return the parts for some values, naming the position of one that fails."""
        made: list[Any] = []
        try:
            for item in items:
                made.append(self.node(item))
        except Refusal as refusal:
            raise refusal.at(f"[{len(made)}]") from None
        self._spend(len(made))
        return made

    def items(self, values: list[Any]) -> list[Any]:
        """Return the parts for a list; the list itself if there is nothing to do."""
        if not self.strict and ATOMS.issuperset(map(type, values)):
            self._spend(len(values))
            return values
        return self.nodes(values)

    def entries(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parts for a dict of which all keys are known to be str."""
        if not self.strict and ATOMS.issuperset(map(type, mapping.values())):
            self._spend(len(mapping))
            return mapping  # type: ignore[return-value]
        made: dict[str, Any] = {}
        for key, value in mapping.items():
            try:
                made[key] = self.node(value)
            except Refusal as refusal:
                raise refusal.at(_step(key)) from None
        self._spend(len(made))
        return made

    def pairs(self, mapping: Mapping[Any, Any]) -> list[Any]:
        """Return keys and values in turn, as a `map` wants them."""
        if len(mapping) > self.table.limits.hashed_items:
            raise Refusal(f"more than {self.table.limits.hashed_items} keys that are not str")
        made: list[Any] = []
        for key, value in mapping.items():
            made.append(self.part(key, f".keys()[{len(made) // 2}]"))  # what cannot travel is not to be shown either
            try:
                made.append(self.node(value))
            except Refusal as refusal:
                raise refusal.at(_step(key)) from None
        self._spend(len(made))
        return made

    def buffer(self, data: Piece, *, item_bytes: int = 1) -> int | bytes:
        """Put bytes where they belong: small ones into the head, others into a buffer of their own.

        Returns:
            The bytes, or the buffer's number.
        """
        size = len(data)
        if size <= self.table.limits.inline_array_bytes:
            return bytes(data)
        self.reserve(size)
        if len(self.buffers) + 2 > self.table.limits.buffers:
            raise Refusal(f"more than {self.table.limits.buffers} large arrays")
        self.buffers.append(Buffer(data, item_bytes))
        return len(self.buffers)

    def reserve(self, size: int) -> None:
        """Count bytes that are about to be copied or sent."""
        self._bytes += size
        if self._bytes > self.table.limits.message_bytes:
            raise Refusal(f"more than {self.table.limits.message_bytes} bytes")

    def known(self, value: Any) -> list[Any] | None:
        """Return a reference to an object that has been sent before, None for a new one."""
        number = self._ids.get(id(value))
        return None if number is None else [self.mark(REF), number]

    def count(self, value: Any = None) -> None:
        """Give the next id to the object whose array is now complete; None for one that nobody else can hold."""
        if value is not None:
            self._ids[id(value)] = self.made
            self._alive.append(value)
        self.made += 1

    def keep(self, value: Any) -> None:
        """Hold an object until the walk is over."""
        self._alive.append(value)

    def _spend(self, count: int) -> None:
        self._nodes += count
        if self._nodes > self.table.limits.head_bytes:
            raise Refusal("too many items")

    def _late_writer(self, value: Any) -> Any:
        kind = type(value)
        load_writers(kind)
        if kind in WRITERS:
            return WRITERS[kind]
        for base in kind.__mro__:
            if base in _BY_BASE:
                return _BY_BASE[base]
        name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        raise Refusal(f"{name} cannot travel")


#: Longest text of a key in a path.
_STEP_CHARS: Final = 80
#: Base → writer, for families whose exact types cannot be listed: numpy scalars and dtypes, exceptions, tuples.
_BY_BASE: Final[dict[type, Any]] = {}


def _step(key: Any) -> str:
    """Tell an item of a mapping by its key, which can travel."""
    text = repr(key)
    return f"[{text}]" if len(text) <= _STEP_CHARS else f"[{text[:_STEP_CHARS]}…]"


def register_base(base: type, writer: Any) -> None:
    """Let a writer judge every subclass of `base` that has no writer of its own."""
    _BY_BASE[base] = writer


def encode(value: Any, *, root: str, table: Table, writer: Any = None) -> list[Buffer]:
    """Encode a value: the head's buffer first, then the others.

    Args:
        root: What the value is called in error texts.
        writer: `writer(encoder, value)` for a value that is not to be walked by its type.

    Raises:
        EncodeError: The value cannot travel; the text names the path to what cannot.
    """
    last: Exception | None = None
    for strict in (False, True):
        encoder = Encoder(table, strict=strict)
        try:
            if writer is not None:
                node = writer(encoder, value)
            elif not strict and type(value) in (list, dict) and is_plain(value, table.limits):
                node = value
            else:
                node = encoder.node(value)
            head = encode_plain(node)
        except Refusal as refusal:
            raise EncodeError(f"{root}{''.join(reversed(refusal.steps))}: {refusal.reason}") from None
        except (OverflowError, UnicodeEncodeError) as error:
            last = error
            continue
        except RecursionError:
            raise EncodeError(f"{root}: nested too deep for the stack that is left") from None
        if len(head) <= table.limits.head_bytes:
            _check_total(encoder, len(head), root)
            return [Buffer(head), *encoder.buffers]
        last = None
    text = "a head that is too large: put the data into arrays" if last is None else "cannot be encoded"
    raise EncodeError(f"{root}: {text}") from last


def _check_total(encoder: Encoder, head_bytes: int, root: str) -> None:
    try:
        encoder.reserve(head_bytes)
    except Refusal as refusal:
        raise EncodeError(f"{root}: {refusal.reason}") from None


def _write_int(encoder: Encoder, value: int) -> Any:
    if -(1 << 63) <= value < 1 << 64:
        return value
    size = value.bit_length() // 8 + 1
    if size > encoder.table.limits.bigint_bytes:
        raise Refusal(f"an integer of more than {encoder.table.limits.bigint_bytes} bytes")
    return [encoder.mark(BIGINT), value.to_bytes(size, "little", signed=True)]


def _write_str(encoder: Encoder, value: str) -> Any:
    try:
        data = value.encode()
    except UnicodeEncodeError:
        data = value.encode("utf-8", "surrogatepass")
        return [encoder.mark(SURROGATE), encoder.buffer(data)]
    if len(data) <= encoder.table.limits.inline_bytes:
        return value
    return [encoder.mark(TEXT), encoder.buffer(data)]


def _write_same(_encoder: Encoder, value: Any) -> Any:
    return value


def _write_list(encoder: Encoder, value: list[Any]) -> list[Any]:
    return encoder.items(value)


WRITERS.update({NoneType: _write_same, bool: _write_same, float: _write_same})
WRITERS.update({int: _write_int, str: _write_str, list: _write_list})
