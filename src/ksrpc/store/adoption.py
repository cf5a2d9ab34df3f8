"""Tokens that were not made here: the original program's, taken over for a while.

Rules:
* They were chosen by people, so that a plain digest of one could be tried out: only its scrypt hash is kept.
* A hash takes some 50 ms of a core. Each token is weighed once per process; what it weighed is remembered by its
  SHA-256 in memory. Whoever shows ever new wrong ones is told to wait.
* They all end.

Source: docs/howto/import-the-original-configuration.md "Who may call"; THREATS H30.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Container

from ksrpc.errors import BusyError
from ksrpc.limits import TOKEN_CHARS
from ksrpc.store.bucket import Bucket

SCHEMA = """
CREATE TABLE IF NOT EXISTS adopted_token (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    revoked_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS adoption_salt (id INTEGER PRIMARY KEY CHECK (id = 1), salt BLOB NOT NULL) STRICT;
"""
ADOPTED_TOKENS = 64
ADOPTED_LIFETIME_S = 30 * 86_400.0
_SHORTEST = 4
_REMEMBERED = 1024
_BURST = float(ADOPTED_TOKENS)
_PER_SECOND = 4.0


def is_adoptable(token: str) -> bool:
    """Tell whether a text can be sent as a token, is not one of ours, and is not too short to be a secret at all."""
    is_text = token.isascii() and token.isprintable() and " " not in token
    return is_text and _SHORTEST <= len(token) <= TOKEN_CHARS and not token.startswith("ksr_")


class Scale:
    """Turn tokens into their hashes, each once, and not more a second than can be borne.

    Args:
        salt: Of the store.
        clock: Monotonic time [s].
    """

    def __init__(self, salt: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self._salt = salt
        self._known: dict[bytes, bytes] = {}
        self._weighing = threading.Lock()
        self._trials = Bucket(_BURST, _PER_SECOND, clock)

    def recall(self, token: str) -> bytes | None:
        """Return the hash of a token that was weighed before."""
        return self._known.get(_digest(token))

    def weigh(self, token: str, wanted: Container[bytes] = ()) -> bytes:
        """Return the hash of a token; takes some 50 ms, without the interpreter's lock, if it is a new one.

        Args:
            token: A text that `is_adoptable`.
            wanted: Hashes that are not forgotten to make room.

        Raises:
            BusyError: Too many new ones were shown.
        """
        digest = _digest(token)
        with self._weighing:
            known = self._known.get(digest)
            if known is not None:
                return known
            if not self._trials.spend():
                raise BusyError("too many unknown tokens are being tried; try again in a second")
            made = self._known[digest] = hash_token(token, self._salt)
            self._forget(wanted)
            return made

    def _forget(self, wanted: Container[bytes]) -> None:
        if len(self._known) > _REMEMBERED:
            unwanted = next((digest for digest, made in self._known.items() if made not in wanted), None)
            if unwanted is not None:
                del self._known[unwanted]


def add_adopted(db: sqlite3.Connection, token_id: str, user: str, token: str, lifetime_s: float) -> bool:
    """Add a row; return whether there was none of this token."""
    db.execute("INSERT OR IGNORE INTO adoption_salt VALUES (1, ?)", (secrets.token_bytes(16),))
    now, made = time.time(), hash_token(token, read_salt(db))
    row = (token_id, user, made, now, now + lifetime_s)
    return db.execute("INSERT OR IGNORE INTO adopted_token VALUES (?, ?, ?, ?, ?, NULL)", row).rowcount > 0


def read_salt(db: sqlite3.Connection) -> bytes:
    """Read the salt of a store that has adopted a token."""
    return bytes(db.execute("SELECT salt FROM adoption_salt").fetchone()[0])


def hash_token(token: str, salt: bytes) -> bytes:
    """Hash a token as it is kept."""
    return hashlib.scrypt(token.encode(), salt=salt, n=2**14, r=8, p=1)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
