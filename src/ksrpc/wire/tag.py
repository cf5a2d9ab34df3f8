"""Tag numbers: what stands first in a head array that is not a plain list. Append-only, never reused.

Source: docs/spec/wire.md "Tags".
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

__all__ = ["MARKS", "TAGS", "Mark", "Scope"]

#: Who may send a tag: "request" everybody; "any" in arguments only where the server's rule widens them;
#: "result" only a library's answer; "reserved" nobody yet.
Scope = Literal["request", "any", "result", "reserved"]


#: Tags that hold whatever a library makes.
_LIBRARIES: Final = {"arrow": "pyarrow", "polars": "polars"}


class Mark(NamedTuple):
    """Stand for one tag while a head is decoded; the first element of its array."""

    number: int
    name: str
    scope: Scope

    @property
    def told(self) -> str:
        """Name it in a sentence."""
        if self.name in _LIBRARIES:
            return f"a value of {_LIBRARIES[self.name]}"
        return f"{'an' if self.name[0] in 'aeio' else 'a'} {self.name.replace('_', ' ')}"


TUPLE: Final = 0x01
SET: Final = 0x02
FROZENSET: Final = 0x03
MAP: Final = 0x04
ORDERED_DICT: Final = 0x05
DEFAULT_DICT: Final = 0x06
COUNTER: Final = 0x07
DEQUE: Final = 0x08
NAMESPACE: Final = 0x09
REF: Final = 0x0A

BIGINT: Final = 0x10
COMPLEX: Final = 0x11
BYTEARRAY: Final = 0x12
MEMORYVIEW: Final = 0x13
BYTES: Final = 0x14
TEXT: Final = 0x15
SURROGATE: Final = 0x16
DECIMAL: Final = 0x17
FRACTION: Final = 0x18
UUID: Final = 0x19
DATE: Final = 0x1A
TIME: Final = 0x1B
DATETIME: Final = 0x1C
TIMEDELTA: Final = 0x1D
ZONE: Final = 0x1E
RANGE: Final = 0x1F
SLICE: Final = 0x20
ELLIPSIS: Final = 0x21
NOT_IMPLEMENTED: Final = 0x22
PATH: Final = 0x23
ADDRESS: Final = 0x24

NAMEDTUPLE: Final = 0x30
DATACLASS: Final = 0x31
ENUM: Final = 0x32
SUBCLASS: Final = 0x33
EXCEPTION: Final = 0x34
RECORD: Final = 0x35

ARRAY: Final = 0x40
OBJECT_ARRAY: Final = 0x41
NUMPY_SCALAR: Final = 0x42
NUMPY_DTYPE: Final = 0x43
MASKED_ARRAY: Final = 0x44
MATRIX: Final = 0x45
RECARRAY: Final = 0x46
STRING_ARRAY: Final = 0x47

FRAME: Final = 0x50
SERIES: Final = 0x51
INDEX: Final = 0x52
RANGE_INDEX: Final = 0x53
MULTI_INDEX: Final = 0x54
EXTENSION: Final = 0x55
TIMESTAMP: Final = 0x56
PANDAS_TIMEDELTA: Final = 0x57
PERIOD: Final = 0x58
INTERVAL: Final = 0x59
NAT: Final = 0x5A
NA: Final = 0x5B
OFFSET: Final = 0x5C
PANDAS_DTYPE: Final = 0x5D

ARROW: Final = 0x70
POLARS: Final = 0x71
SPARSE: Final = 0x72
HANDLE: Final = 0x78
VENDOR_FIRST: Final = 0x79
VENDOR_LAST: Final = 0x7E

_SCOPES: Final[dict[Scope, tuple[str, ...]]] = {
    "request": (
        "TUPLE SET FROZENSET MAP REF",
        "COMPLEX BYTEARRAY BYTES TEXT DECIMAL FRACTION UUID DATE TIME DATETIME TIMEDELTA ZONE RANGE SLICE ELLIPSIS",
        "ARRAY NUMPY_SCALAR NUMPY_DTYPE",
        "FRAME SERIES INDEX RANGE_INDEX MULTI_INDEX EXTENSION TIMESTAMP PANDAS_TIMEDELTA PERIOD INTERVAL NAT NA",
        "OFFSET PANDAS_DTYPE",
    ),
    "any": (
        "ORDERED_DICT DEFAULT_DICT COUNTER DEQUE NAMESPACE BIGINT MEMORYVIEW SURROGATE NOT_IMPLEMENTED PATH ADDRESS",
        "OBJECT_ARRAY MASKED_ARRAY MATRIX RECARRAY STRING_ARRAY SPARSE",
    ),
    "result": ("NAMEDTUPLE DATACLASS ENUM SUBCLASS EXCEPTION RECORD ARROW POLARS",),
    "reserved": ("HANDLE",),
}


def _tags() -> dict[int, Mark]:
    table = {}
    for scope, lines in _SCOPES.items():
        for name in " ".join(lines).split():
            number = int(globals()[name])
            table[number] = Mark(number, name.lower(), scope)
    for number in range(VENDOR_FIRST, VENDOR_LAST + 1):
        table[number] = Mark(number, f"vendor_{number - VENDOR_FIRST}", "reserved")
    return dict(sorted(table.items()))


#: Number → tag, all that have a meaning or are kept for one.
TAGS: Final[dict[int, Mark]] = _tags()

#: Number → what the encoder puts first in an array.
MARKS: Final[dict[int, msgspec.msgpack.Ext]] = {number: msgspec.msgpack.Ext(1, bytes([number])) for number in TAGS}
