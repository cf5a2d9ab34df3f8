"""One call on its way down the pipeline, and its answer on the way up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from ksrpc.limits import REQUEST
from ksrpc.model import Descriptor, User
from ksrpc.protocol import Buffer


@dataclass(slots=True)
class Arguments:
    """Hold the encoded arguments: all there (`whole`), or still coming in (`rest`, after `whole`)."""

    whole: Buffer = b""
    rest: AsyncIterator[Buffer] | None = None
    max_bytes: int = REQUEST.message_bytes


def ignore(kind: str, meta: dict[str, Any]) -> None:
    """Take what a call is told and show nobody."""


@dataclass(slots=True)
class Call:
    """Say who wants what.

    Attributes:
        deadline: The time on the loop's clock at which the call is over.
        is_main: Whether it must run on the worker's main thread, one at a time (`async_remote=False`).
        is_queued: Whether it had to wait for a process: then its caller is told when it begins.
        tell: Told "queued" with the position and "started", for whoever shows progress.
        descriptor: What the path leads to; set by the describe step.
    """

    user: User
    path: str
    arguments: Arguments
    deadline: float
    is_main: bool = False
    is_queued: bool = False
    tell: Callable[[str, dict[str, Any]], None] = ignore
    descriptor: Descriptor | None = None


@dataclass(slots=True)
class Answer:
    """Hold one encoded value in pieces that are sent as they lie, large ones as views of shared memory."""

    pieces: tuple[Buffer, ...]
    size: int
    labels: dict[str, str] = field(default_factory=dict)

    def join(self) -> bytes:
        """Copy the pieces into one; for small answers and views."""
        return b"".join(self.pieces)
