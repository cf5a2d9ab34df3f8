"""Hand a large value from a worker to the gateway through memory that the gateway created.

The gateway makes the region, fixes its size by sealing it, and passes its descriptor; the worker writes into it. The
size cannot change, so that the gateway may map it; what is in it is the worker's word, as with every answer, and
whoever keeps an answer copies it. No path or name ever comes from a worker. A region is used again for the same
worker once nobody looks at the old value any more: fresh pages cost more than the copy.

Source: docs/spec/protocol.md "Hand-over".
"""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import struct
import tempfile
import weakref
from collections import deque
from collections.abc import Sequence
from itertools import islice

import numpy as np

from ksrpc.errors import ProtocolError
from ksrpc.limits import MIB
from ksrpc.protocol import Buffer

_TAG = struct.Struct("<IB")
_IOV_MAX = 512
_HAS_SEALS = hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS")
#: Regions are made in these steps, so that the next answer of about the same size fits.
_STEP_BYTES = 4 * MIB
#: Larger regions are given back at once.
_KEPT_BYTES = 256 * MIB
_KEPT_REGIONS = 2


class Region:
    """Own one piece of memory that a worker writes and the gateway reads. Its size never changes."""

    def __init__(self, size: int) -> None:
        self.size = -(-size // _STEP_BYTES) * _STEP_BYTES
        self.fd = _create(self.size)
        self._bytes = np.frombuffer(mmap.mmap(self.fd, self.size, mmap.MAP_SHARED, mmap.PROT_READ), np.uint8)
        self._last: weakref.ref[object] = weakref.ref(self)

    def view(self, size: int) -> memoryview:
        """Return the first `size` bytes. The pages are shared: they are nobody's private memory.

        Raises:
            ProtocolError: The worker announced more than the region holds.
        """
        if not 0 < size <= self.size:
            raise ProtocolError("a worker announced more than its region holds")
        value = self._bytes[:size]
        self._last = weakref.ref(value)
        return value.data

    def is_free(self) -> bool:
        """Tell whether nobody looks at the last value any more, not even a socket that has not sent it yet."""
        user = self._last()
        return user is None or user is self

    def close(self) -> None:
        """Give the memory back, as soon as nobody looks at it any more."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Regions:
    """Keep the regions of one worker."""

    def __init__(self) -> None:
        self._kept: list[Region] = []

    def take(self, size: int) -> Region:
        """Return a region of at least this size: one that is free, or a new one."""
        for region in self._kept:
            if size <= region.size <= 4 * size + _STEP_BYTES and region.is_free():
                self._kept.remove(region)
                return region
        return Region(size)

    def give_back(self, region: Region) -> None:
        """Keep a region for the next answer if it is worth it."""
        if region.size > _KEPT_BYTES:
            region.close()
            return
        self._kept.append(region)
        while len(self._kept) > _KEPT_REGIONS:
            self._kept.pop(0).close()

    def close(self) -> None:
        """Give everything back."""
        while self._kept:
            self._kept.pop().close()


def _create(size: int) -> int:
    if not _HAS_SEALS:  # another system: an anonymous file, whose pages are the system's cache
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            return os.dup(file.fileno())
    fd = os.memfd_create("ksrpc-value", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


def write_descriptor(fd: int, pieces: Sequence[Buffer]) -> None:
    """Write the pieces from the start without joining them.

    Raises:
        OSError: The region is too small, or there is no memory.
    """
    waiting = deque(memoryview(p).cast("B") for p in pieces if len(p))
    offset = 0
    while waiting:
        written = os.pwritev(fd, list(islice(waiting, _IOV_MAX)), offset)
        offset += written
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.popleft())
        if written:
            waiting[0] = waiting[0][written:]


def send_descriptor(channel: socket.socket, call: int, fd: int | None) -> None:
    """Pass a descriptor for a call to the worker; None refuses it."""
    tag = _TAG.pack(call, fd is not None)
    socket.send_fds(channel, [tag], [] if fd is None else [fd])


def receive_descriptor(channel: socket.socket) -> tuple[int, int | None]:
    """Wait for the next answer; return (call, descriptor), None if the gateway refused the size.

    Raises:
        EOFError: The gateway is gone.
    """
    data, fds, _, _ = socket.recv_fds(channel, _TAG.size, 1)
    if not data:
        raise EOFError
    call, granted = _TAG.unpack(data)
    return call, fds[0] if granted and fds else None
