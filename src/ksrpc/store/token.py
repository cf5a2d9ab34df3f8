"""Tokens at rest: only hashes, in an SQLite file that CLI and running servers share.

A token is `ksr_<8 characters id>_<43 characters secret><6 characters checksum>`. The checksum lets a client say
"mistyped" without asking; the server compares SHA-256 digests of the whole in constant time.

Source: docs/spec/policy.md "Identity".
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ksrpc.errors import AuthError, BusyError, ConfigError
from ksrpc.limits import OUTAGE_GRACE_S, TOKEN_CHARS
from ksrpc.store.adoption import (
    ADOPTED_LIFETIME_S,
    ADOPTED_TOKENS,
    SCHEMA,
    Scale,
    add_adopted,
    is_adoptable,
    read_salt,
)
from ksrpc.store.bucket import Bucket

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS token (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL,
    revoked_at REAL,
    starts_at REAL
) STRICT;
"""
#: What a token may be for.
SCOPES = ("call", "metrics", "admin")
#: An unknown token may have been made a moment ago: the file is asked so often at once, and so often a second after
#: that, however many are shown.
_LOOKS, _LOOKS_PER_SECOND = 20.0, 10.0
_ENDED = "unknown or expired token"
_OUTAGE = "the store of tokens cannot be read; see the gateway's data folder, and try again"
#: Stands in where a token is unknown, so that the comparison is made all the same.
_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """Hold what is kept of a token. Times are Unix seconds."""

    id: str
    user: str
    digest: bytes
    scopes: frozenset[str]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    #: Not made here: it was the original program's, and `digest` is a scrypt hash.
    is_adopted: bool = False
    starts_at: float | None = None


class TokenStore:
    """Create, list and revoke tokens; recognise one without a read of the file.

    The whole table is kept in memory and read again when the file has changed (`refresh`), so that a flood of wrong
    tokens costs no read and a revocation by the CLI acts within one refresh period. While the file cannot be read,
    unknown tokens are no error of their callers', and known ones go on for a while.

    Args:
        path: The file; made if there is none.
        clock: Monotonic time [s].
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=True)
        except OSError as exc:
            raise ConfigError(f"{path.name} in the data folder cannot be made: {exc.strerror}") from exc
        self._db = _open(path)
        self._by_digest: dict[bytes, TokenRecord] = {}
        self._by_id: dict[str, TokenRecord] = {}
        self._adopted: list[TokenRecord] = []
        self._scale: Scale | None = None
        self._version = -1
        self._looks = Bucket(_LOOKS, _LOOKS_PER_SECOND, clock)
        self._clock = clock
        self._failing_since: float | None = None
        self.refresh()

    def create(
        self,
        user: str,
        *,
        scopes: frozenset[str] = frozenset({"call"}),
        lifetime_s: float | None = None,
        starts_at: float | None = None,
    ) -> str:
        """Make a token for `user` and return it; it is never to be had again.

        Args:
            user: Whose it is.
            scopes: What it may be used for.
            lifetime_s: After which it ends, from when it begins to be valid.
            starts_at: When it begins to be valid, as Unix time; None is now.

        Raises:
            ConfigError: The name is none that may stand in files, logs and headers.
        """
        check_user(user)
        token_id = _make_id()
        body = f"ksr_{token_id}_" + "".join(secrets.choice(_ALPHABET) for _ in range(43))
        token = body + _checksum(body)
        now = time.time()
        first = max(now, starts_at or 0.0)
        self._db.execute(
            "INSERT INTO token (id, user, digest, scopes, created_at, expires_at, starts_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (token_id, user, _digest(token), " ".join(sorted(scopes)), now,
             None if lifetime_s is None else first + lifetime_s, starts_at),
        )  # fmt: skip
        self._load()
        return token

    def rotate(self, token_id: str, *, grace_s: float) -> str | None:
        """Make a token in the place of another one, with its user, scopes and lifetime; the old one ends after a while.

        Returns:
            The new one; None if none that is valid, and was made here, has this id.
        """
        old = self._by_id.get(token_id)
        if old is None or old.is_adopted or not is_valid(old):
            return None
        begin = old.created_at if old.starts_at is None else old.starts_at
        lifetime_s = None if old.expires_at is None else old.expires_at - begin
        made = self.create(old.user, scopes=old.scopes, lifetime_s=lifetime_s)
        end = time.time() + grace_s
        self._db.execute(
            "UPDATE token SET expires_at = ? WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)",
            (end, token_id, end),
        )
        self._load()
        return made

    def adopt(self, token: str, user: str, *, lifetime_s: float = ADOPTED_LIFETIME_S) -> bool:
        """Take over a token that was not made here, for a while; return whether it was not taken over before.

        Raises:
            ConfigError: The user's name or the token cannot be, or too many were taken over.
        """
        check_user(user)
        if not is_adoptable(token):
            raise ConfigError(f"the old token of {user} cannot be taken over: `ksrpc token create {user}` makes one")
        if sum(record.is_adopted for record in self.records()) >= ADOPTED_TOKENS:
            raise ConfigError(f"at most {ADOPTED_TOKENS} old tokens are taken over: `ksrpc token create {user}`")
        is_new = add_adopted(self._db, _make_id(), user, token, lifetime_s)
        self._load()
        return is_new

    def revoke(self, token_id: str) -> bool:
        """Revoke by id; return whether there was a valid one."""
        count = 0
        for table in ("token", "adopted_token"):
            done = self._db.execute(
                f"UPDATE {table} SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",  # noqa: S608 - two constants
                (time.time(), token_id),
            )
            count += done.rowcount
        self._load()
        return count > 0

    def records(self) -> list[TokenRecord]:
        """Return all tokens, oldest first."""
        return sorted(self._by_digest.values(), key=lambda record: record.created_at)

    def identify(self, token: str) -> TokenRecord:
        """Recognise a token.

        Raises:
            AuthError: Unknown, malformed, revoked or expired; the text does not say which.
            BusyError: It may be an adopted one, and too many unknown ones were shown; or the file cannot be read.
        """
        if len(token) > TOKEN_CHARS or not token.isascii():
            raise AuthError(_ENDED)
        digest = self.weigh(token) if self._may_be_adopted(token) else _digest(token)
        record = self._by_digest.get(digest)
        if record is None and looks_right(token):
            record = self._by_digest.get(digest) if self._look() else None
            if record is None and self._failing_since is not None:
                raise BusyError(_OUTAGE)
        self.expect_recent()
        is_same = hmac.compare_digest(_NOBODY if record is None else record.digest, digest)
        if record is None or not is_same or not is_valid(record):
            raise AuthError(_ENDED)
        return record

    def _look(self) -> bool:
        """Read the table again if it changed, unless that was tried too often just now."""
        return self._looks.spend() and self.refresh()

    def is_slow(self, token: str) -> bool:
        """Tell whether `identify` would take some 50 ms: then `weigh` comes first, in a thread."""
        return self._may_be_adopted(token) and self._scale is not None and self._scale.recall(token) is None

    def weigh(self, token: str) -> bytes:
        """Return the hash that an adopted token has; see `Scale.weigh`.

        Raises:
            AuthError: Nothing was adopted.
            BusyError: Too many unknown ones were shown.
        """
        if self._scale is None:
            raise AuthError(_ENDED)
        return self._scale.weigh(token, self._by_digest)

    def find(self, token_id: str) -> TokenRecord | None:
        """Return what is kept of the token of this id, valid or not."""
        return self._by_id.get(token_id)

    def is_id_valid(self, token_id: str) -> bool:
        """Tell whether the token of this id is valid now, and the file was read not too long ago to know it."""
        record = self._by_id.get(token_id)
        return record is not None and is_valid(record) and (self._failing_since is None or not self._is_outdated())

    def refresh(self) -> bool:
        """Read the table again if another process changed it; return whether anything changed."""
        try:
            version = self._db.execute("PRAGMA data_version").fetchone()[0]
            is_new = bool(version != self._version)
            if is_new:
                self._load()
        except sqlite3.DatabaseError:  # locked for long, or the disk fails: the next call tries again
            if self._failing_since is None:
                self._failing_since = self._clock()
            return False
        self._version = version
        self._failing_since = None
        return is_new

    def expect_recent(self) -> None:
        """See to it that no revocation was missed for longer than is told.

        Raises:
            BusyError: The file could not be read for so long that nobody knows who is let in.
        """
        if self._is_outdated():
            raise BusyError(_OUTAGE)

    def _is_outdated(self) -> bool:
        return self._failing_since is not None and self._clock() - self._failing_since > OUTAGE_GRACE_S

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _may_be_adopted(self, token: str) -> bool:
        return self._scale is not None and is_adoptable(token) and any(map(is_valid, self._adopted))

    def _load(self) -> None:
        made = self._db.execute(
            "SELECT id, user, digest, scopes, created_at, expires_at, revoked_at, 0, starts_at FROM token"
        )
        adopted = self._db.execute(
            "SELECT id, user, hash, 'call', created_at, expires_at, revoked_at, 1, NULL FROM adopted_token"
        )
        records = [
            TokenRecord(row[0], row[1], row[2], frozenset(row[3].split()), row[4], row[5], row[6], bool(row[7]), row[8])
            for row in [*made, *adopted]
        ]
        self._by_digest = {record.digest: record for record in records}
        self._by_id = {record.id: record for record in records}
        self._adopted = [record for record in records if record.is_adopted]
        if self._adopted and self._scale is None:
            self._scale = Scale(read_salt(self._db))


def _open(path: Path) -> sqlite3.Connection:
    db = None
    try:
        db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(_SCHEMA + SCHEMA)
        _widen(db)
    except sqlite3.DatabaseError as exc:
        if db is not None:
            db.close()
        raise ConfigError(f"{path.name} in the data folder is not a store that can be opened: {exc}") from exc
    return db


def _widen(db: sqlite3.Connection) -> None:
    """Give the table of an older version the column that it lacks."""
    if not any(row[1] == "starts_at" for row in db.execute("PRAGMA table_info(token)")):
        try:
            db.execute("ALTER TABLE token ADD COLUMN starts_at REAL")
        except sqlite3.OperationalError as exc:
            if "duplicate column" not in str(exc):  # another process was quicker
                raise


def _make_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


def check_user(name: str) -> None:
    """See to it that a user's name may stand in files, logs and headers.

    Raises:
        ConfigError: It may not.
    """
    if not _USER.fullmatch(name):
        raise ConfigError(f"{name[:80]!r} is no user name: 1 to 64 letters, digits, or . _ - @ after the first")


def is_valid(record: TokenRecord) -> bool:
    """Tell whether a token is neither revoked nor expired now, and has begun to be valid."""
    if record.revoked_at is not None:
        return False
    now = time.time()
    return (record.expires_at is None or now < record.expires_at) and (record.starts_at or 0.0) <= now


def looks_right(token: str) -> bool:
    """Tell whether a token has the form and the checksum of one, so that a typing error is told from a wrong one."""
    return token.startswith("ksr_") and len(token) == 62 and token[-6:] == _checksum(token[:-6])


_USER = re.compile(r"\w[\w.@-]{0,63}")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _checksum(body: str) -> str:
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        text += _ALPHABET[rest]
    return text
