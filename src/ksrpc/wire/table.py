"""Which tags a side accepts, and within which bounds: a request is a smaller language than a result.

Source: docs/spec/wire.md "Requests and results".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ksrpc.limits import REQUEST, RESULT, WireLimits
from ksrpc.wire.tag import TAGS, Scope

__all__ = ["REQUEST_ANY_TABLE", "REQUEST_TABLE", "RESULT_TABLE", "Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """Bound what one side accepts.

    Attributes:
        name: What the values are, for error texts: "arguments" or "a result".
        tags: Tag numbers that may occur.
        limits: Sizes.
        range_items: Longest `range`; None where holding it cannot hurt.
        trusted: Whether the sender is a server that this side chose. Only then are zones of dateutil (which opens
            files) and memory in Arrow's layout (which pyarrow reads unchecked once validated) accepted.
    """

    name: str
    tags: frozenset[int]
    limits: WireLimits
    range_items: int | None = None
    trusted: bool = False


def _numbers(*scopes: Scope) -> frozenset[int]:
    return frozenset(number for number, mark in TAGS.items() if mark.scope in scopes)


#: What a caller may send.
REQUEST_TABLE: Final = Table("arguments", _numbers("request"), REQUEST, range_items=10**7)
#: What a caller may send to a function whose rule widens the types: every tag that is data and nothing else.
REQUEST_ANY_TABLE: Final = Table("arguments", _numbers("request", "any"), REQUEST, range_items=10**7)
#: What a library may answer.
RESULT_TABLE: Final = Table("a result", _numbers("request", "any", "result"), RESULT, trusted=True)
