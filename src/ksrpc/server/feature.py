"""Keep values from clients that lack the library to decode them: they learn what to install before a byte is sent.

Source: docs/spec/wire.md "Negotiation".
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from ksrpc import wire
from ksrpc.errors import NotAcceptableError
from ksrpc.gateway import Answer

__all__ = ["expect_decodable", "read_features"]


@lru_cache(maxsize=64)
def read_features(accept: str | None) -> frozenset[str]:
    """Return what a client decodes beyond the base types, from its Accept."""
    try:
        agreed = wire.negotiate(accept)
    except NotAcceptableError:
        agreed = None
    return agreed.features if agreed is not None else frozenset()


def expect_decodable(answer: Answer, features: Collection[str]) -> None:
    """Check that a client can decode an answer.

    Raises:
        NotAcceptableError: It lacks a library; the text says which.
    """
    cure = wire.lacking(answer.pieces, features) if answer.pieces else ""
    if cure:
        raise NotAcceptableError(f"this result needs a library that the client does not have: {cure}")
