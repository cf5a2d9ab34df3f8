"""Containers that MessagePack lacks. Contents are copied: two names for one list arrive as two lists.

Source: docs/spec/wire.md "Containers".
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection, Hashable
from typing import Any, Final

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.registry import READERS, WRITERS, Refusal

__all__: list[str] = []

_FACTORIES: Final[dict[str, Any]] = {
    "none": None, "list": list, "dict": dict, "set": set, "int": int, "float": float, "str": str, "tuple": tuple,
}  # fmt: skip
_FACTORY_NAMES: Final = {factory: name for name, factory in _FACTORIES.items()}
#: So many keys of one hash cost nothing yet; the hashes of numbers and tuples can be chosen.
_FEW: Final = 64


def _write_tuple(encoder: Encoder, value: tuple[Any, ...]) -> Any:
    return [encoder.mark(tag.TUPLE), *encoder.nodes(value)]


def _write_dict(encoder: Encoder, value: dict[Any, Any]) -> Any:
    if {str}.issuperset(map(type, value)) and (not encoder.strict or _is_utf8(value)):
        return encoder.entries(value)
    return [encoder.mark(tag.MAP), *encoder.pairs(value)]


def _is_utf8(keys: Collection[str]) -> bool:
    try:
        "".join(keys).encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_set(encoder: Encoder, value: set[Any]) -> Any:
    return [encoder.mark(tag.SET), *_members(encoder, value)]


def _write_frozenset(encoder: Encoder, value: frozenset[Any]) -> Any:
    return [encoder.mark(tag.FROZENSET), *_members(encoder, value)]


def _members(encoder: Encoder, value: Collection[Any]) -> list[Any]:
    if len(value) > encoder.table.limits.hashed_items:
        raise Refusal(f"a set of more than {encoder.table.limits.hashed_items} items")
    return encoder.items(list(value))


def _write_ordered(encoder: Encoder, value: OrderedDict[Any, Any]) -> Any:
    return [encoder.mark(tag.ORDERED_DICT), *encoder.pairs(value)]


def _write_counter(encoder: Encoder, value: Counter[Any]) -> Any:
    return [encoder.mark(tag.COUNTER), *encoder.pairs(value)]


def _write_default(encoder: Encoder, value: defaultdict[Any, Any]) -> Any:
    factory = value.default_factory
    name = _FACTORY_NAMES.get(factory) if isinstance(factory, type | None) else None
    if name is None:
        raise Refusal("a defaultdict whose factory is not a builtin type cannot travel")
    return [encoder.mark(tag.DEFAULT_DICT), name, *encoder.pairs(value)]


def _write_deque(encoder: Encoder, value: deque[Any]) -> Any:
    return [encoder.mark(tag.DEQUE), value.maxlen, encoder.items(list(value))]


def _read_tuple(_decoder: Decoder, *items: Any) -> tuple[Any, ...]:
    return items


def check_keys(decoder: Decoder, keys: Collection[Hashable]) -> None:
    """Refuse keys that are too many, or made so that their hashes collide."""
    count = len(keys)
    if count > decoder.table.limits.hashed_items:
        raise TooLargeError(f"{count} set items or keys, the limit is {decoder.table.limits.hashed_items}")
    if count > _FEW and max(Counter(map(hash, keys)).values()) > _FEW:
        raise DecodeError("keys whose hashes collide")


def _read_set(decoder: Decoder, *items: Any) -> set[Any]:
    check_keys(decoder, items)
    made = set(items)
    if len(made) != len(items):
        raise DecodeError("a set with the same item twice")
    return made


def _read_frozenset(decoder: Decoder, *items: Any) -> frozenset[Any]:
    return frozenset(_read_set(decoder, *items))


def _read_map(decoder: Decoder, *parts: Any) -> dict[Any, Any]:
    keys = parts[::2]
    check_keys(decoder, keys)
    made = dict(zip(keys, parts[1::2], strict=True))
    if len(made) != len(keys):
        raise DecodeError("a map with the same key twice")
    return made


def _read_ordered(decoder: Decoder, *parts: Any) -> OrderedDict[Any, Any]:
    return OrderedDict(_read_map(decoder, *parts))


def _read_counter(decoder: Decoder, *parts: Any) -> Counter[Any]:
    return Counter(_read_map(decoder, *parts))


def _read_default(decoder: Decoder, name: Any, *parts: Any) -> defaultdict[Any, Any]:
    return defaultdict(_FACTORIES[decoder.expect(name, str)], _read_map(decoder, *parts))


def _read_deque(decoder: Decoder, maxlen: Any, items: Any) -> deque[Any]:
    limit = None if maxlen is None else decoder.integer(maxlen, 0, 1 << 62)
    made = deque(decoder.expect(items, list), limit)
    if len(made) != len(items):
        raise DecodeError("a deque over its length")
    return made


WRITERS.update({
    tuple: _write_tuple, dict: _write_dict, set: _write_set, frozenset: _write_frozenset,
    OrderedDict: _write_ordered, Counter: _write_counter, defaultdict: _write_default, deque: _write_deque,
})  # fmt: skip
READERS.update({
    tag.TUPLE: _read_tuple, tag.MAP: _read_map, tag.SET: _read_set, tag.FROZENSET: _read_frozenset,
    tag.ORDERED_DICT: _read_ordered, tag.COUNTER: _read_counter, tag.DEFAULT_DICT: _read_default,
    tag.DEQUE: _read_deque,
})  # fmt: skip
