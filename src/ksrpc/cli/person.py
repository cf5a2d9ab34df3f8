"""Who may call here: everybody with a section in ksrpc.toml or a token.

Source: docs/reference/cli.md "ksrpc user".
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ksrpc.config import Config
from ksrpc.errors import ConfigError
from ksrpc.model import Rules
from ksrpc.store import TokenRecord
from ksrpc.store.token import is_valid


@dataclass(frozen=True, slots=True)
class Person:
    """Hold what is known of a user.

    Attributes:
        has_section: Whether ksrpc.toml has a `[user.NAME]`.
        allow: The user's own list; None where that of `[access]` holds.
    """

    name: str
    has_section: bool
    allow: tuple[str, ...] | None
    rules: Rules
    tokens: list[TokenRecord]

    @property
    def valid(self) -> list[TokenRecord]:
        """The tokens that are valid now."""
        return [record for record in self.tokens if is_valid(record)]

    def count_tokens(self) -> str:
        """Say how many tokens there are: `1 valid, 2 ended`."""
        valid = len(self.valid)
        ended = len(self.tokens) - valid
        parts = [f"{valid} valid"] if valid or not ended else []
        return ", ".join([*parts, *([f"{ended} ended"] if ended else [])])

    def describe(self) -> dict[str, Any]:
        """Return everything for `--json`."""
        return {
            "user": self.name,
            "section": self.has_section,
            "allow": list(self.rules.allow),
            "block": list(self.rules.block),
            "unsafe": list(self.rules.unsafe),
            "tokens": [describe_token(record) for record in self.tokens],
        }


def find_people(settings: Config, tokens: list[TokenRecord]) -> list[Person]:
    """Return everybody, by name."""
    names = sorted({*settings.user, *(record.user for record in tokens)})
    return [_make_person(settings, name, tokens) for name in names]


def find_person(settings: Config, name: str, tokens: list[TokenRecord]) -> Person:
    """Return one user.

    Raises:
        ConfigError: Nobody of this name has a section or a token.
    """
    person = _make_person(settings, name, tokens)
    if not person.has_section and not person.tokens:
        raise ConfigError(f"there is no user {name[:80]}; `ksrpc user ls` lists them, `ksrpc user add` lets one in")
    return person


def describe_token(record: TokenRecord) -> dict[str, Any]:
    """Return what is known of a token, for `--json`; never its digest."""
    return {
        "id": record.id,
        "user": record.user,
        "scopes": sorted(record.scopes),
        "created_at": record.created_at,
        "starts_at": record.starts_at,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
        "state": state_of(record),
    }


def state_of(record: TokenRecord) -> str:
    """Say whether a token is valid, not yet, revoked or expired, and whether it was the original program's."""
    is_early = (record.starts_at or 0.0) > time.time()
    state = "valid" if is_valid(record) else "revoked" if record.revoked_at else "not yet" if is_early else "expired"
    return f"{state}, imported" if record.is_adopted else state


def _make_person(settings: Config, name: str, tokens: list[TokenRecord]) -> Person:
    section = settings.user.get(name)
    own = [record for record in tokens if record.user == name]
    allow = None if section is None else section.allow
    return Person(name, section is not None, allow, settings.rules_for(name), own)
