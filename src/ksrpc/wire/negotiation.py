"""Agree on version, codecs and features from what the other side says it accepts.

Source: docs/spec/wire.md "Negotiation".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ksrpc.errors import NotAcceptableError
from ksrpc.wire.codec import CODECS
from ksrpc.wire.feature import FAMILIES, FEATURES
from ksrpc.wire.message import VERSION

__all__ = [
    "FEATURES",
    "INFLATED",
    "MEDIA_TYPE",
    "Agreement",
    "accept_text",
    "negotiate",
    "share_codecs",
    "share_features",
]

MEDIA_TYPE: Final = f"application/vnd.ksrpc.v{VERSION}"

#: Codecs that this side asks for and inflates, best first.
INFLATED: Final[tuple[str, ...]] = tuple(name for name in ("zstd", "lz4") if name in CODECS)

_RANGE: Final = re.compile(r'((?:[^",]|"[^"]*")+)')
_PARAMETER: Final = re.compile(r';\s*([a-z]+)\s*=\s*(?:"([^"]*)"|([^;,"\s]*))', re.IGNORECASE)
_TYPE: Final = re.compile(r"application/vnd\.ksrpc\.v([0-9]{1,4})\s*$", re.IGNORECASE)
_ACCEPT_CHARS: Final = 4096


@dataclass(frozen=True, slots=True)
class Agreement:
    """Say what both sides speak.

    Attributes:
        version: Major version of the wire format.
        codecs: Codecs that both have, in the order the other side prefers; "none" is always one of them.
        features: Families of values that the other side decodes, of those that this version knows.
    """

    version: int = VERSION
    codecs: tuple[str, ...] = ("none",)
    features: frozenset[str] = frozenset()


def negotiate(accept: str | None) -> Agreement | None:
    """Read an Accept or Content-Type header, or the same text from a HELLO.

    Returns:
        What both sides speak; the least of it for None or "". None if the text asks for other formats only.

    Raises:
        NotAcceptableError: The other side accepts only versions that this one does not speak, or the text is too long.
    """
    if not accept or not accept.strip():
        return Agreement()
    if len(accept) > _ACCEPT_CHARS:
        raise NotAcceptableError(f"an Accept of more than {_ACCEPT_CHARS} characters")
    offers = [offer for text in _RANGE.findall(accept) if (offer := _offer(text)) is not None]
    for version, parameters in offers:
        if version == VERSION:
            return _agree(parameters)
    if offers:
        versions = ", ".join(f"v{version}" for version, _ in offers)
        raise NotAcceptableError(f"the other side speaks {versions}, this one v{VERSION}: update the older of the two")
    return None


def accept_text() -> str:
    """Return what this side accepts, for Accept and for Accept-Post."""
    features = f';features="{",".join(sorted(FEATURES))}"' if FEATURES else ""
    codecs = f';codecs="{",".join(INFLATED)}"' if INFLATED else ""
    return f"{MEDIA_TYPE}{codecs}{features}"


def share_codecs(told: object) -> tuple[str, ...]:
    """Return which of the codecs that a greeting lists can be used here, in its order; none for anything else."""
    names = told[:16] if isinstance(told, list) else []
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name in INFLATED))


def share_features(told: object) -> frozenset[str]:
    """Return which of the families that a greeting lists this version knows; none for anything else."""
    names = told[:16] if isinstance(told, list) else []
    return frozenset(name for name in names if isinstance(name, str) and name in FAMILIES)


def _offer(text: str) -> tuple[int, dict[str, str]] | None:
    media, _, rest = text.strip().partition(";")
    match = _TYPE.match(media)
    if match is None:
        return None
    parameters = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(f";{rest}")}
    return None if _is_refused(parameters.get("q", "1")) else (int(match[1]), parameters)


def _is_refused(quality: str) -> bool:
    return re.fullmatch(r"0(\.0{0,3})?", quality) is not None


def _agree(parameters: dict[str, str]) -> Agreement:
    wanted = [name.strip().lower() for name in parameters.get("codecs", "").split(",")]
    codecs = tuple(dict.fromkeys(name for name in wanted if name in CODECS))
    features = frozenset(name.strip().lower() for name in parameters.get("features", "").split(","))
    return Agreement(VERSION, codecs if "none" in codecs else (*codecs, "none"), features & FAMILIES.keys())
