"""System calls that a worker process gives up: those that start processes, open sockets or reach into others.

Landlock judges files and ports; native code could still fork, send datagrams and connect to Unix sockets. A filter that
the kernel runs before each system call (seccomp) refuses these, and what only an administrator's programs ask for.

Source: https://docs.kernel.org/userspace-api/seccomp_filter.html.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from typing import NamedTuple

from ksrpc.worker.place.plan import Level

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _BY_FILTER = 22, 38, 2
_CAPABILITIES_VERSION = 0x20080522
#: Reading what belongs to other users: an environment that root serves from may be theirs.
_KEPT_CAPABILITIES = 0b110
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _MASK, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24  # where these stand in what a filter looks at
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_AS_THREAD = 0x00010000  # CLONE_THREAD
_FOREIGN = 0x40000000  # numbers of another calling convention of the same machine
#: Internet, and the kernel's own lists of addresses and routes, which resolving a name asks for.
_KERNEL = 16
_FAMILIES: dict[Level, tuple[int, ...]] = {"strict": (), "network": (2, 10, _KERNEL)}
_STREAM, _KINDS = 1, 0xF  # of sockets; above these bits are flags


class System(NamedTuple):
    """Number the system calls of one machine.

    Attributes:
        refused: Processes and programs: fork, vfork, execve, execveat; listen; other processes and the kernel: ptrace,
            process_vm_readv, process_vm_writev, pidfd_getfd, kcmp, unshare, setns, bpf, perf_event_open, userfaultfd,
            add_key, request_key, keyctl.
        unknown: Answered as if the kernel did not know them, so that callers take the older way: clone3, io_uring.
    """

    machine: int
    clone: int
    socket: int
    capget: int
    capset: int
    refused: tuple[int, ...]
    unknown: tuple[int, ...] = (435, 425, 426, 427)


#: By the machine's name.
SYSTEMS = {
    "x86_64": System(0xC000003E, 56, 41, 125, 126,
                      (57, 58, 59, 322, 50, 101, 310, 311, 438, 312, 272, 308, 321, 298, 323, 248, 249, 250)),
    "aarch64": System(0xC00000B7, 220, 198, 90, 91,
                       (221, 281, 201, 117, 270, 271, 438, 272, 97, 268, 280, 241, 282, 217, 218, 219)),
}  # fmt: skip


def has_sieve() -> bool:
    """Tell whether the system calls of this machine are known here."""
    return sys.platform == "linux" and platform.machine() in SYSTEMS


def sift(level: Level, *, only_streams: bool = False) -> None:
    """Give up for good what a place of this level does not have; nothing where the machine is unknown.

    Args:
        level: Of the place.
        only_streams: Whether sockets of the Internet may be TCP's alone.

    Raises:
        OSError: The kernel refuses.
    """
    if not has_sieve():
        return
    system, libc = SYSTEMS[platform.machine()], ctypes.CDLL(None, use_errno=True)
    _drop_capabilities(libc, system)
    steps = write_steps(system, level, only_streams=only_streams)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_SECCOMP, _BY_FILTER, program, 0, 0) and ctypes.get_errno() != errno.EINVAL:
        raise OSError(ctypes.get_errno(), "seccomp: the filter was refused")


def _drop_capabilities(libc: ctypes.CDLL, system: System) -> None:
    """Give up the powers of root, whoever this process runs as."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITIES_VERSION, 0))
    sets = ctypes.create_string_buffer(24)
    if libc.syscall(system.capget, header, sets):
        return
    _, permitted, *_ = struct.unpack("=6I", sets.raw[:24])
    kept = permitted & _KEPT_CAPABILITIES
    libc.syscall(system.capset, header, struct.pack("=6I", kept, kept, 0, 0, 0, 0))


def write_steps(system: System, level: Level, *, only_streams: bool = False) -> list[tuple[int, int, int, int]]:
    """Write the filter: operation, steps to skip if it holds, steps to skip if not, operand."""
    families = _FAMILIES[level]
    denied, absent = (_RETURN, 0, 0, _FAIL | errno.EACCES), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)
    allowed = (_RETURN, 0, 0, _ALLOW)
    steps = [
        (_LOAD, 0, 0, _MACHINE),
        (_IF_EQUAL, 1, 0, system.machine),
        denied,
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 0, 1, _FOREIGN),
        denied,
    ]
    for number in system.refused:
        steps += [(_IF_EQUAL, 0, 1, number), denied]
    for number in system.unknown:
        steps += [(_IF_EQUAL, 0, 1, number), absent]
    steps += [
        (_IF_EQUAL, 0, 4, system.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_ANY_BIT, 1, 0, _AS_THREAD),
        denied,
        allowed,
    ]
    judged = [(_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for family in families:
        judged += [(_IF_EQUAL, 0, 1, family), allowed] if not only_streams or family == _KERNEL else _stream(family)
    return [*steps, (_IF_EQUAL, 0, len(judged) + 1, system.socket), *judged, denied, allowed]


def _stream(family: int) -> list[tuple[int, int, int, int]]:
    """Write what allows a family for TCP alone; what else there is of it is denied at once."""
    allowed, denied = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _FAIL | errno.EACCES)
    kind = [(_LOAD, 0, 0, _SECOND_ARGUMENT), (_MASK, 0, 0, _KINDS), (_IF_EQUAL, 0, 1, _STREAM), allowed, denied]
    return [(_IF_EQUAL, 0, len(kind), family), *kind]
