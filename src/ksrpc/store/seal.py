"""Signatures of the cache's rows, so that a row or a file that somebody exchanged is not taken for what was stored.

The signature covers everything that decides an answer: key, size, times, labels, the file's name and the digest of the
bytes. Who can write the folder of blobs, or edit the index, cannot make one without the key, which lies apart in a
file of its owner's alone.

Source: docs/explanation/cache-storage.md "Integrity".
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import struct
from pathlib import Path
from typing import NamedTuple

from ksrpc.errors import ConfigError

_KEY_BYTES = 32
_NUMBERS = struct.Struct(">qdd")


class Row(NamedTuple):
    """Hold one row of the index, in the order of its columns.

    Attributes:
        labels: JSON.
        blob: The file's name; empty if the bytes are in `value`.
        blocks: CRC-32 of each MiB, four bytes each, big-endian; empty if the bytes are in `value`.
        digest: SHA-256 of the bytes.
    """

    key: bytes
    path: str
    size: int
    stored_at: float
    expires_at: float
    labels: str
    blob: str
    blocks: bytes
    digest: bytes
    seal: bytes = b""
    value: bytes | None = None
    used_at: float = 0.0
    id: int = 0


class Seal:
    """Sign rows and recognise signed ones."""

    def __init__(self, path: Path) -> None:
        """Read the key, or make one where there is none.

        Raises:
            ConfigError: The file cannot be read or made, or others than its owner can read it.
        """
        try:
            self._key = _load_key(path)
        except OSError as exc:
            raise ConfigError(f"{path.name} in the cache folder cannot be used: {exc.strerror}") from exc

    def sign(self, row: Row) -> Row:
        """Return the row with its signature."""
        return row._replace(seal=self._compute(row))

    def is_genuine(self, row: Row) -> bool:
        """Tell whether the row is as it was signed."""
        try:
            return hmac.compare_digest(self._compute(row), row.seal)
        except (TypeError, ValueError, AttributeError, struct.error):  # an edited row may hold any type
            return False

    def _compute(self, row: Row) -> bytes:
        fields = (row.key, row.path.encode(), row.labels.encode(), row.blob.encode(), row.blocks, row.digest)
        lengths = struct.pack(">6I", *map(len, fields))
        numbers = _NUMBERS.pack(row.size, row.stored_at, row.expires_at)
        return hmac.digest(self._key, b"".join((b"ksrpc cache 1", lengths, numbers, *fields)), "sha256")


def _load_key(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return _make_key(path)
    with open(fd, "rb") as file:
        if stat.S_IMODE(os.fstat(fd).st_mode) & 0o077:
            raise ConfigError(f"{path.name} in the cache folder can be read by others: chmod 600, or delete it")
        key = file.read(_KEY_BYTES + 1)
    if len(key) == _KEY_BYTES:
        return key
    path.unlink()
    return _make_key(path)


def _make_key(path: Path) -> bytes:
    key = secrets.token_bytes(_KEY_BYTES)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(key)
    return key
