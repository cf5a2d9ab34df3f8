"""Changes to an input that keep its outer layers whole: the tree of a head, the bytes of a buffer, one frame of many.

Rule: all chance comes from the `Random` that is handed in; the same seed gives the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import msgpack

from tests.fuzz.container import lay, take_apart

__all__ = ["alter", "mutate", "splice"]

#: Numbers at which something changes: widths of integers, bounds of the format, what looks like a length.
EDGES = [
    *(0, 1, -1, 2, 7, 8, 63, 64, 255, 256, 1023, 1024, 4096, 65535, 1 << 16, 10**6, 1 << 20, 1 << 24, (1 << 24) + 1),
    *(1 << 30, 1 << 31, 1 << 32, 1 << 40, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, -(1 << 63), (1 << 64) - 1),
]
TEXTS = [
    *("", "|b1", "|O", "<f8", ">i8", "<i8", "|u1", "<M8[ns]", "<M8[3D]", "<m8[s]", "<U3", "|S0", "|V0", "|V999999999"),
    *("<f16:ld63", "C", "F", "list", "dict", "text", "dt", "td", "period", "cat", "interval", "mask", "str", "utf8"),
    *("Int64", "boolean", "python", "pyarrow", "na", "nan", "left", "both", "utc", "fixed", "zoneinfo", "pytz"),
    *("dateutil", "Europe/Berlin", "../../etc/passwd", "2h", "QE-DEC", "WOM-3FRI", "D", "B", "ns", "us", "s", "csr"),
    *("1E+999999999999", "-0E+5", "sNaN", "2024-01-31T09:30:00", "9999-12-31", "00:00:00", "names", "a" * 300),
]
FLOATS = [0.0, -0.0, 1.5, float("inf"), float("nan"), 1e308, 5e-324]
#: Of a tree not more than this is looked at.
_WIDTH, _DEPTH, _PLACES = 200, 40, 2000

Tree = Any
_REPLACED: list[Callable[[Random], Tree]] = [
    lambda chance: chance.choice(EDGES),
    lambda chance: chance.choice(EDGES),
    lambda chance: chance.choice(TEXTS),
    lambda chance: chance.choice(FLOATS),
    lambda chance: chance.choice([None, True, False, b"", [], {}]),
    lambda chance: chance.randbytes(chance.randrange(20)),
    lambda chance: [tag(chance.randrange(0x80)), *[chance.choice(EDGES[:6]) for _ in range(chance.randrange(5))]],
    lambda chance: [tag(0x0A), chance.randrange(4)],
]


def alter(data: bytes, other: bytes, chance: Random) -> bytes:
    """Change an input, its first byte being the number of its target; sometimes with a part of another input."""
    if len(data) < 2:
        return bytes([chance.randrange(9)]) + chance.randbytes(20)
    target = bytes([chance.choice((0, 1, 2))]) if data[0] < 3 and chance.random() < 0.1 else data[:1]
    if len(other) > 1 and chance.random() < 0.2:
        return target + splice(data[1:], other[1:], chance)
    return target + mutate(data[1:], chance)


class Pairs(list[Any]):
    """Hold a map as it stood: in order, with keys that come twice."""


def tag(number: int) -> msgpack.ExtType:
    """Make the first element of a tagged array."""
    return msgpack.ExtType(1, bytes([number]))


def mutate(data: bytes, chance: Random) -> bytes:
    """Change a message: its tree, its buffers, or how it is laid out; other bytes as they stand."""
    buffers = take_apart(data)
    if buffers is None:
        return scramble(data, chance)
    for _ in range(chance.choice((1, 1, 2, 4))):
        number = chance.randrange(len(buffers)) if chance.random() < 0.3 else 0
        buffers[number] = _change(buffers[number], chance) if number == 0 else _resize(buffers[number], chance)
    if chance.random() < 0.05:
        buffers.append(chance.randbytes(8))
    made = lay(buffers, chance, is_plain=chance.random() < 0.7)
    return scramble(made, chance) if chance.random() < 0.1 else made


def splice(data: bytes, other: bytes, chance: Random) -> bytes:
    """Put a part of one message into another one; cut bytes of other kinds together."""
    left, right = take_apart(data), take_apart(other)
    trees = (_load(left[0]), _load(right[0])) if left and right else (None, None)
    if left is None or right is None or trees[0] is None or trees[1] is None:
        return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]
    part = chance.choice(_places(trees[1].value))
    chosen = chance.choice(_places(trees[0].value))
    chosen.put(_renumber(part.get(), len(left) - 1))
    return lay([_dump(trees[0].value, left[0]), *left[1:], *right[1:]], chance, is_plain=chance.random() < 0.7)


def scramble(data: bytes, chance: Random) -> bytes:
    """Change bytes without regard to what they mean."""
    made = bytearray(data or b"\x00")
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.randrange(len(made) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(made):
            made[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del made[at : at + chance.randint(1, 16)]
        elif kind == 2:
            made[at:at] = chance.randbytes(chance.randint(1, 9))
        elif kind == 3:
            size = chance.choice((1, 2, 4, 8))
            made[at : at + size] = (chance.choice(EDGES) % (1 << 8 * size)).to_bytes(
                size, chance.choice(("little", "big"))
            )
        else:
            made[at:at] = made[at : at + chance.randint(1, 64)]
    return bytes(made)


def _resize(buffer: bytes, chance: Random) -> bytes:
    """Change numbers in the memory of an array, or how much of it there is."""
    made = bytearray(buffer)
    kind = chance.randrange(4)
    if kind == 0:
        return bytes(made[: chance.randrange(len(made)) + 1])
    if kind == 1:
        return bytes(made + chance.randbytes(chance.choice((1, 8, 64))))
    at = chance.randrange(len(made)) & -8
    made[at : at + 8] = struct.pack("<q", (chance.choice(EDGES) + (1 << 63)) % (1 << 64) - (1 << 63))[: len(made) - at]
    return bytes(made)


class _Place:
    """Be one position in a tree."""

    __slots__ = ("_holder", "_key", "level")

    def __init__(self, holder: list[Tree], key: int, level: int) -> None:
        self._holder, self._key, self.level = holder, key, level

    def get(self) -> Tree:
        return self._holder[self._key]

    def put(self, tree: Tree) -> None:
        self._holder[self._key] = tree

    def repeat(self, count: int) -> None:
        self._holder[self._key : self._key] = [self._holder[self._key]] * count

    def drop(self) -> None:
        del self._holder[self._key]


class _Root:
    """Hold a tree where it can be replaced as any other part."""

    __slots__ = ("value",)

    def __init__(self, tree: Tree) -> None:
        self.value = [tree]


def _change(head: bytes, chance: Random) -> bytes:
    root = _load(head)
    if root is None or chance.random() < 0.15:
        return scramble(head, chance)
    for _ in range(chance.choice((1, 1, 2, 3))):
        _edit(root, chance)
    return _dump(root.value, head)


def _edit(root: _Root, chance: Random) -> None:
    places = _places(root.value)
    place = chance.choice(places)
    kind = chance.randrange(10)
    node = place.get()
    if kind < 5:
        place.put(chance.choice(_REPLACED)(chance))
    elif kind == 5 and type(node) is int:
        place.put(node + chance.choice((-1, 1, 8, 256)))
    elif kind == 6:
        place.put(deepcopy(chance.choice(places).get()))
    elif kind == 7 and place.level:
        place.repeat(chance.choice((1, 2, 70)))
    elif kind == 8 and place.level:
        place.drop()
    else:
        place.put([*chance.choice(([], [tag(1)], [tag(2)], [tag(4), 1])), node])


def _places(holder: list[Tree], level: int = 0) -> list[_Place]:
    """List every position of a tree; of large lists the first ones."""
    found = []
    for key, node in enumerate(holder[:_WIDTH]):
        found.append(_Place(holder, key, level))
        if isinstance(node, list) and level < _DEPTH:
            found += _places(node, level + 1)
        if len(found) > _PLACES:
            break
    return found


def _load(head: bytes) -> _Root | None:
    try:
        return _Root(msgpack.unpackb(head, object_pairs_hook=_pairs, strict_map_key=False))
    except Exception:  # whatever the other changes left of it
        return None


def _pairs(items: list[tuple[Tree, Tree]]) -> Pairs:
    return Pairs([part for pair in items for part in pair])


def _dump(holder: list[Tree], fallback: bytes) -> bytes:
    try:
        made = b"".join(_encode(node, 0) for node in holder)
    except (OverflowError, ValueError, TypeError, RecursionError):
        return fallback
    return made if 0 < len(made) < 1 << 17 else fallback


def _encode(node: Tree, level: int) -> bytes:
    if level > 1100 or not isinstance(node, list):
        return bytes(msgpack.packb(node))
    parts = b"".join(_encode(part, level + 1) for part in node)
    packer = msgpack.Packer(autoreset=True)
    count = len(node)
    head = packer.pack_map_header(count // 2) if type(node) is Pairs else packer.pack_array_header(count)
    if head is None:
        head = packer.bytes()
    return bytes(head) + parts


def _renumber(node: Tree, by: int) -> Tree:
    """Shift what may be the numbers of buffers behind those that are there."""
    if type(node) is int and 0 < node < 8:
        return node + by
    if type(node) is Pairs:
        return Pairs([_renumber(part, by) for part in node])
    return [_renumber(part, by) for part in node] if type(node) is list else node
