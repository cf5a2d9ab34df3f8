"""One call on its way down the pipeline, and its answer on the way up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ksrpc.errors import DeadlineError, TooLargeError
from ksrpc.gateway.flow import Flow
from ksrpc.limits import PREFETCH_BYTES, REQUEST, STALL_S
from ksrpc.model import Descriptor, User
from ksrpc.protocol import Buffer, Meta


@dataclass(slots=True)
class Arguments:
    """Hold the encoded arguments: all there (`whole`), or still coming in (`rest`, after `whole`)."""

    whole: Buffer = b""
    rest: AsyncIterator[Buffer] | None = None
    max_bytes: int = REQUEST.message_bytes

    async def prefetch(self) -> None:
        """Take in what comes first, so that no process is held for arguments that do not come.

        Raises:
            DeadlineError: They stopped coming.
        """
        if self.rest is None:
            return
        pieces, size = [self.whole], len(self.whole)
        while size < PREFETCH_BYTES:
            piece = await _next(self.rest)
            if piece is None:
                self.rest = None
                break
            pieces.append(piece)
            size += len(piece)
        self.whole = b"".join(pieces)

    async def remaining(self) -> AsyncIterator[Buffer]:
        """Yield what comes after `whole`.

        Raises:
            DeadlineError: It stopped coming.
        """
        while self.rest is not None and (piece := await _next(self.rest)) is not None:
            yield piece


async def _next(pieces: AsyncIterator[Buffer]) -> Buffer | None:
    try:
        async with asyncio.timeout(STALL_S):
            return await anext(pieces)
    except StopAsyncIteration:
        return None
    except TimeoutError:
        raise DeadlineError(f"the arguments stopped coming for {STALL_S:g} s", maybe_ran=False) from None


class Pin(Protocol):
    """Be an object in a worker process."""

    @property
    def is_lost(self) -> bool:
        """Tell whether its process has ended."""

    @property
    def class_path(self) -> str:
        """Return the path of the listed class it is of."""

    def claim(self) -> bool:
        """Tell whether the asker may have it: the first one only."""

    async def run(self, call: Call, name: str) -> Answer:
        """Call or read a name of it."""

    def close(self) -> None:
        """Let the worker forget it, soon."""

    def close_unclaimed(self) -> None:
        """Let the worker forget it if nobody took it."""


def ignore(kind: str, meta: dict[str, Any]) -> None:
    """Take what a call is told and show nobody."""


@dataclass(slots=True)
class Track:
    """Hold what the audit remembers of a call.

    Attributes:
        number: Of the call, in this process.
        began: When it was let through, on the clock of performance [s].
        rows: How many were charged; None if nobody counted.
        is_settled: Whether its end was told.
    """

    number: int
    began: float
    rows: int | None = None
    is_settled: bool = False

    def age_ms(self) -> float:
        """Return how long ago the call was let through [ms]."""
        return round((time.perf_counter() - self.began) * 1e3, 3)


@dataclass(slots=True)
class Call:
    """Say who wants what.

    Attributes:
        place: The caller's address.
        deadline: The time on the loop's clock at which the call is over.
        is_main: Whether it must run on the worker's main thread, one at a time (`async_remote=False`).
        is_queued: Whether its caller was told that it waits for a process: then it is told too when it begins.
        cache_get: Whether a kept answer will do.
        cache_expire: For how long an answer is good [s]; None = nothing is read and nothing kept.
        tell: Told "queued" with the position and "started", for whoever shows progress.
        descriptor: What the path leads to; set by the describe step.
        session: What objects that are kept for the caller belong to; empty if none may be kept.
        extra: What the worker is told beside the path.
        also: Further paths to whose quotas the answer counts.
        track: What the audit remembers of it, once it was let through.
    """

    user: User
    path: str
    arguments: Arguments
    deadline: float
    place: str = ""
    is_main: bool = False
    is_queued: bool = False
    cache_get: bool = True
    cache_expire: float | None = None
    tell: Callable[[str, dict[str, Any]], None] = ignore
    descriptor: Descriptor | None = None
    session: str = ""
    extra: Meta | None = None
    also: tuple[str, ...] = ()
    track: Track | None = None


@dataclass(slots=True)
class Answer:
    """Hold one encoded value in pieces that are sent as they lie, large ones as views of shared memory.

    Attributes:
        flow: Where many values come in the place of one; then there are no pieces. Whoever holds it closes it.
        pin: Where the answer tells of an object that the worker keeps. Whoever holds it closes it, or enters it among
            the kept ones.
    """

    pieces: tuple[Buffer, ...]
    size: int
    labels: dict[str, Any] = field(default_factory=dict)
    flow: Flow | None = None
    pin: Pin | None = None

    def claim(self) -> bool:
        """Tell whether the asker may have it although others wait too: what is there once, the first one only."""
        held = self.flow or self.pin
        return held is None or held.claim()

    def join(self) -> bytes:
        """Copy the pieces into one; for small answers and views."""
        return b"".join(self.pieces)


class Rest(Protocol):
    """Give what comes after the first piece of a view."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Begin."""

    async def aclose(self) -> None:
        """Let go of it all, begun or not."""


class View(NamedTuple):
    """Hold what a value looks like to those who do not read the wire format.

    Attributes:
        media_type: What was asked for; `*/*` leaves it to the value.
        type_name: Name of the value's class, without its module.
        body: All of it, or what comes first.
        rest: What comes after that, of a large value. Whoever holds it closes it.
    """

    media_type: str
    type_name: str
    body: bytes
    rest: Rest | None = None

    async def gather(self, limit: int) -> View:
        """Return it with all of its body.

        Raises:
            TooLargeError: It is over `limit` bytes.
            KsrpcError: It broke off.
        """
        if self.rest is None:
            return self
        whole = bytearray(self.body)
        async with contextlib.aclosing(self.rest) as rest:
            async for piece in rest:
                whole += piece
                if len(whole) > limit:
                    error = TooLargeError(f"the answer is over {limit >> 20} MiB: call over HTTP and ask for text/csv")
                    error.maybe_ran = True
                    raise error
        return View(self.media_type, self.type_name, bytes(whole))
