"""Large values as files that never change: written under a temporary name, renamed, mapped, removed.

Rules:

* Everything goes by the descriptor of the folder, which is its owner's alone; links are not followed.
* A name is random and never used twice, so that a name stands for the same bytes for ever.
* Who writes a file holds a lock on it until its row is in the index. The system drops the lock of a process that dies,
  so a file that has no row and that nobody locks is a leftover, and others remove it at once.
* Nothing is forced to the disk. A killed process loses nothing by that. After a power cut a file may be shorter than
  its row says or hold zeros; its size and digest tell.

Source: docs/explanation/cache-storage.md "Large values".
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import re
import secrets
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ksrpc.errors import ConfigError, EncodeError
from ksrpc.limits import MIB
from ksrpc.protocol import Buffer

BLOCK_BYTES = MIB
_TEMPORARY = ".part"
_NAME = re.compile(rf"[0-9a-f]{{32}}({re.escape(_TEMPORARY)})?")
_REMEMBERED = 65_536
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC

#: What tells one state of a file from another: inode, size, times of change.
Stamp = tuple[int, int, int, int]


@dataclass(slots=True)
class Draft:
    """Hold a file whose row is not in the index yet, and the lock that says so."""

    name: str
    view: memoryview
    digest: bytes
    blocks: bytes
    fd: int

    def release(self) -> None:
        """Drop the lock: from now on the file stays only if it has a row."""
        fcntl.flock(self.fd, fcntl.LOCK_UN)  # the mapping holds a copy of the descriptor, and with it the lock
        os.close(self.fd)


class BlobFolder:
    """Own the folder of large values."""

    def __init__(self, path: Path) -> None:
        """Make or open the folder.

        Raises:
            ConfigError: It cannot be used, or others than its owner may enter it.
        """
        try:
            path.mkdir(mode=0o700, exist_ok=True)
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
        except OSError as exc:
            raise ConfigError(f"the folder {path.name} of the cache cannot be used: {exc.strerror}") from exc
        if stat.S_IMODE(os.fstat(self._fd).st_mode) & 0o077:
            os.close(self._fd)
            raise ConfigError(f"the folder {path.name} of the cache is open to others: chmod 700")
        self._known: dict[str, Stamp] = {}

    def write(self, pieces: Sequence[Buffer], size: int) -> Draft:
        """Write the pieces into a new file and take its digests.

        They are taken of the file, not of the pieces: a worker may still be able to change those.

        Raises:
            OSError: There is no room. Nothing is left behind, here and in the next case.
            EncodeError: The pieces are not `size` bytes together.
        """
        name, fd = self._create()
        try:
            written = sum(_write_piece(fd, piece) for piece in pieces)
            if written != size:
                raise EncodeError(f"{written} bytes came instead of {size}")
            os.rename(name + _TEMPORARY, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            view = memoryview(mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ))
            digest, blocks = digest_of(view)
            self.remember(name, _stamp_of(os.fstat(fd)))
        except BaseException:
            os.close(fd)
            self.remove([name, name + _TEMPORARY])
            raise
        return Draft(name, view, digest, blocks, fd)

    def open(self, name: str, size: int) -> tuple[memoryview, Stamp] | None:
        """Map a file; None if it is not there or not of this size."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _FLAGS, dir_fd=self._fd)
        except OSError:
            return None
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_size != size:
                return None
            return memoryview(mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)), _stamp_of(found)
        finally:
            os.close(fd)

    def stamp(self, name: str) -> Stamp | None:
        """Return the file's present state; None if it is gone."""
        try:
            return _stamp_of(os.stat(name, dir_fd=self._fd, follow_symlinks=False))
        except OSError:
            return None

    def remember(self, name: str, stamp: Stamp) -> None:
        """Note that this process knows the file, in this state, to be what was stored."""
        while len(self._known) >= _REMEMBERED:
            self._known.pop(next(iter(self._known)), None)
        self._known[name] = stamp

    def is_known(self, name: str, stamp: Stamp | None) -> bool:
        """Tell whether the file is still as it was when it was checked. Costs no look at its bytes."""
        return stamp is not None and self._known.get(name) == stamp

    def remove(self, names: Sequence[str]) -> None:
        """Remove files; one that is gone already, or cannot be removed now, is left to the next cleaning."""
        for name in names:
            self._known.pop(name, None)
            if _NAME.fullmatch(name):  # the name may come from an edited row
                with suppress(OSError):
                    os.unlink(name, dir_fd=self._fd)

    def clean(self, has_row: Callable[[str], bool]) -> int:
        """Remove the files that belong to no row and that nobody is writing; return how many."""
        return sum(self._remove_leftover(name, has_row) for name in os.listdir(self._fd) if not has_row(name))

    def free_bytes(self) -> int:
        """Return what the disk has left for us [bytes]."""
        disk = os.fstatvfs(self._fd)
        return disk.f_bavail * disk.f_frsize

    def close(self) -> None:
        """Give the folder back; mapped files stay readable."""
        fd, self._fd = self._fd, -1  # its number may soon be that of another file
        if fd >= 0:
            os.close(fd)

    def _create(self) -> tuple[str, int]:
        while True:
            name = secrets.token_hex(16)
            fd = os.open(name + _TEMPORARY, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=self._fd)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:  # else a cleaning process came between the two calls
                return name, fd
            os.close(fd)

    def _remove_leftover(self, name: str, has_row: Callable[[str], bool]) -> bool:
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _FLAGS, dir_fd=self._fd)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if has_row(name):  # its writer has finished since we looked
                return False
            os.unlink(name, dir_fd=self._fd)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True


def is_whole(view: memoryview, digest: bytes) -> bool:
    """Tell whether the bytes are those of the digest. The interpreter lock is free meanwhile."""
    return hashlib.sha256(view).digest() == digest


def digest_of(view: memoryview) -> tuple[bytes, bytes]:
    """Return the SHA-256 of the whole and the packed CRC-32 of each block."""
    whole, blocks = hashlib.sha256(), bytearray()
    for start in range(0, len(view), BLOCK_BYTES):
        block = view[start : start + BLOCK_BYTES]
        whole.update(block)
        blocks += zlib.crc32(block).to_bytes(4, "big")
    return whole.digest(), bytes(blocks)


def checked_blocks(view: memoryview, digest: bytes, blocks: bytes) -> Iterator[memoryview]:
    """Yield the blocks, each once its CRC fits, and the last only once the SHA-256 of the whole does.

    So damage is seen early, and even bytes that were forged to fit the CRCs never make a complete answer. It ends
    early where something does not fit; the caller counts.
    """
    whole = hashlib.sha256()
    for start in range(0, len(view), BLOCK_BYTES):
        block = view[start : start + BLOCK_BYTES]
        at = start // BLOCK_BYTES * 4
        if zlib.crc32(block).to_bytes(4, "big") != blocks[at : at + 4]:
            return
        whole.update(block)
        if start + BLOCK_BYTES >= len(view) and whole.digest() != digest:
            return
        yield block


def _write_piece(fd: int, piece: Buffer) -> int:
    rest = memoryview(piece).cast("B")
    size = len(rest)
    while rest:
        rest = rest[os.write(fd, rest[: 16 * MIB]) :]
    return size


def _stamp_of(found: os.stat_result) -> Stamp:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
