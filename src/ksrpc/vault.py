"""Texts that a module needs and nobody may read: they come over the worker's own pipe and leave by no way.

Source: docs/spec/policy.md "Secrets".
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any, Final, NoReturn
from urllib.parse import quote, quote_plus

from ksrpc.errors import ConfigError

__all__ = ["SECRET_CHARS", "Secret", "forms_of", "hand_over", "handed", "secret"]

#: Shorter values are words like any other.
SECRET_CHARS: Final = 6

_handed: dict[str, str] = {}


class Secret:
    """Hold a text that shows, copies, compares and travels as nothing; `reveal()` gives it."""

    __slots__ = ("_text",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """Return the text, for the one call that needs it."""
        return self._text  # type: ignore[attr-defined,no-any-return]

    def __repr__(self) -> str:
        return "<secret>"

    def __format__(self, _spec: str) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is written nowhere")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret cannot be changed")


def secret(name: str) -> Secret:
    """Return what the administrator hands to this module under a name (`module.NAME.secrets`).

    Raises:
        ConfigError: There is none; the text says how to give it.
    """
    text = _handed.get(name)
    if text is None:
        raise ConfigError(
            f"no secret {name[:80]!r}: list it in module.NAME.secrets, and set it in the environment of the gateway"
        )
    return Secret(text)


def hand_over(texts: Mapping[str, str]) -> None:
    """Keep what came for the modules of this process."""
    _handed.update(texts)


def handed() -> frozenset[str]:
    """Return the texts themselves, so that nothing that leaves holds one."""
    return frozenset(_handed.values())


def forms_of(text: str) -> set[str]:
    """Give the ways in which a secret is written in addresses, headers and records; none for what is too short."""
    if len(text) < SECRET_CHARS:
        return set()
    encoded = text.encode()
    plain = base64.b64encode(encoded).decode().rstrip("=")
    return {text, quote(text, safe=""), quote_plus(text), plain, base64.urlsafe_b64encode(encoded).decode().rstrip("=")}
