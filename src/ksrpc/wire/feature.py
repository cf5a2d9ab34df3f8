"""Optional families of values: what a value needs to be read, and what this side has, without importing anything.

Rules: a library counts as there if it can be found; a head is searched for the bytes of a tag first and read only if
they occur, for numbers hold any bytes.

Source: docs/spec/wire.md "Negotiation".
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

import msgpack

from ksrpc.errors import KsrpcError
from ksrpc.wire.message import CHUNK, PRELUDE
from ksrpc.wire.tag import ARROW, EXTENSION, PANDAS_DTYPE, POLARS, SPARSE

__all__ = ["CURES", "FAMILIES", "FEATURES", "lacking", "needs"]

Buffer: TypeAlias = bytes | bytearray | memoryview

#: Name of a family → the packages that it takes.
FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "arrow": ("pyarrow",),
    "polars": ("polars", "pyarrow"),
    "scipy": ("scipy",),
}
#: Name of a family → what whoever lacks it types.
CURES: Final[dict[str, str]] = {name: f"pip install {' '.join(packages)}" for name, packages in FAMILIES.items()}

#: Shorter messages are searched whole: that is faster than to find the head first.
_SHORT_BYTES: Final = 1024
_ALL: Final = frozenset(FAMILIES)
#: Longer heads are not looked at.
_HEAD_BYTES: Final = 1 << 20
_BY_TAG: Final = {ARROW: "arrow", POLARS: "polars", SPARSE: "scipy"}
_BY_KIND: Final = frozenset({EXTENSION, PANDAS_DTYPE})
_KIND: Final = "arrow"
_SUSPECT: Final = re.compile(rb"\xd4\x01(?:[\x70-\x72]|[\x55\x5d]\xa5arrow)").search


def _installed() -> frozenset[str]:
    packages = {package for family in FAMILIES.values() for package in family}
    found = {package for package in packages if importlib.util.find_spec(package) is not None}
    return frozenset(name for name, family in FAMILIES.items() if found.issuperset(family))


#: Families that this side can decode.
FEATURES: Final[frozenset[str]] = _installed()


def needs(head: bytes | bytearray | memoryview) -> frozenset[str]:
    """Return the families that a head needs. One that cannot be read needs nothing: whoever decodes it will say why."""
    if not _SUSPECT(head):
        return frozenset()
    found: set[str] = set()

    def on_list(items: list[Any]) -> None:
        if len(items) > 1 and items[0] in _BY_KIND and items[1] == _KIND and type(items[0]) is _Number:
            found.add("arrow")

    def on_ext(code: int, data: bytes) -> Any:
        if code == 1 and len(data) == 1 and data[0] in _BY_TAG:
            found.add(_BY_TAG[data[0]])
        return _Number(data[0] if data else 0)

    try:
        msgpack.unpackb(head, list_hook=on_list, ext_hook=on_ext, strict_map_key=True, timestamp=3)
    except (ValueError, KsrpcError):
        return frozenset()
    return frozenset(found)


class _Number(int):
    """Be the number of a tag, which no number of the head is taken for."""


def lacking(pieces: Sequence[Buffer], features: Collection[str]) -> str:
    """Say what a receiver of these features has to install before it can decode a message.

    Args:
        pieces: The message, whole, in pieces of which all but the first may be of any length.
        features: What the receiver can decode, as it was negotiated.

    Returns:
        A command; "" if it lacks nothing, and for heads that take long to look at: it will see for itself.
    """
    if _ALL.issubset(features):
        return ""
    if len(pieces) == 1 and len(pieces[0]) <= _SHORT_BYTES and not _SUSPECT(pieces[0]):
        return ""
    names = sorted(needs(_head(pieces)).difference(features))
    packages = dict.fromkeys(package for name in names for package in FAMILIES[name])
    return f"pip install {' '.join(packages)}" if packages else ""


def _head(pieces: Sequence[Buffer]) -> bytes | memoryview:
    first = memoryview(pieces[0])
    count = int.from_bytes(first[8:12], "little")
    start, size = PRELUDE.size + 8 * count, int.from_bytes(first[16:24], "little")
    if size > _HEAD_BYTES or any(first[start : start + 1]):  # the head's chunk is compressed, or in a later piece
        return b""
    start += CHUNK.size
    whole = first if len(first) >= start + size else memoryview(b"".join(pieces[:2]))
    return whole[start : start + size]
