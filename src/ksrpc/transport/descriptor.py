"""Hand a large value from a worker to the gateway through a descriptor that the gateway created.

The gateway creates it and passes it on; the worker writes and seals it; the gateway checks the seals and the size
before it looks at a byte. No path or name ever comes from a worker. Where the system has no sealed memory, the
gateway copies what it received before it uses it, so that a later write cannot change it.

Source: docs/spec/protocol.md "Hand-over".
"""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import struct
import tempfile
from collections import deque
from collections.abc import Sequence
from itertools import islice

from ksrpc.errors import ProtocolError
from ksrpc.protocol import Buffer

_TAG = struct.Struct("<IB")
_IOV_MAX = 512
_COPY_BYTES = 1 << 20
_BLOCK_BYTES = 512
_HAS_SEALS = hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS")
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE if _HAS_SEALS else 0


def create_descriptor() -> int:
    """Create an empty anonymous file that nobody can name. The caller closes it."""
    if _HAS_SEALS:
        return os.memfd_create("ksrpc-value", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def write_descriptor(fd: int, pieces: Sequence[Buffer]) -> None:
    """Write the pieces without joining them, then seal the descriptor against any change.

    Raises:
        OSError: The file size limit of this process, or no memory.
    """
    waiting = deque(memoryview(p).cast("B") for p in pieces if len(p))
    while waiting:
        written = os.writev(fd, list(islice(waiting, _IOV_MAX)))
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.popleft())
        if written:
            waiting[0] = waiting[0][written:]
    if _HAS_SEALS:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)


def view_descriptor(fd: int, size: int) -> memoryview:
    """Map a descriptor that came back from a worker. Its pages are shared: they are nobody's private memory.

    Raises:
        ProtocolError: It is not sealed, has holes, or does not hold exactly `size` bytes.
    """
    status = os.fstat(fd)
    if status.st_size != size or size <= 0:
        raise ProtocolError("a worker's descriptor does not hold what it announced")
    if _HAS_SEALS:
        if status.st_blocks * _BLOCK_BYTES < size:  # reading a hole would take memory in the gateway's name
            raise ProtocolError("a worker's descriptor has holes")
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
            raise ProtocolError("a worker's descriptor is not sealed")
        return memoryview(mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ))
    return _copy(fd, size)


def _copy(fd: int, size: int) -> memoryview:
    target = mmap.mmap(-1, size)
    view = memoryview(target)
    for offset in range(0, size, _COPY_BYTES):
        piece = os.pread(fd, min(_COPY_BYTES, size - offset), offset)
        if len(piece) != min(_COPY_BYTES, size - offset):
            raise ProtocolError("a worker's descriptor was cut short")
        view[offset : offset + len(piece)] = piece
    return view


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
