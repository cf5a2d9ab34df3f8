"""An iterator that a call returned, read item by item: each is encoded at the moment it is given.

Source: docs/spec/protocol.md "Streams".
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Protocol

from ksrpc import wire
from ksrpc.limits import HANDOVER_BYTES
from ksrpc.wire.item import RecordKind, pack_record

#: One pull gives items for so long [s] or so many bytes, and at least one; the first pull of an iterator is short, each
#: is longer than the one before: who takes few items is not owed many.
FIRST_PULL_S = 0.001
PULL_S = 0.02
PULL_BYTES = 128 << 10
#: Items that are ready go out after so long although the next one is not [s].
EARLY_S = 0.005

_MADE: tuple[Iterable[Any], ...] = ([], (), {}, {}.values(), {}.items(), set(), "", b"", range(0), range(1 << 70))
_ITERATORS: tuple[type, ...] = (
    GeneratorType,
    AsyncGeneratorType,
    map,
    filter,
    zip,
    enumerate,
    reversed,
    *(type(iter(made)) for made in _MADE),
    *(kind for kind in vars(itertools).values() if isinstance(kind, type) and hasattr(kind, "__next__")),
)


def is_stream(value: object) -> bool:
    """Tell whether a result is read item by item: a generator, or an iterator of Python's own.

    Exactly these types: an object of another class that can be iterated (an open file, a connection) is something else.
    """
    return type(value) in _ITERATORS


class Outcomes(Protocol):
    """Say what a source needs of the host: encoding what comes out of a library."""

    def encode(self, value: object) -> Any:
        """Pack a value."""

    def raised(self, exc: BaseException, ready: Any) -> Any:
        """Pack what the library raised."""


class Source:
    """Read one iterator.

    Attributes:
        is_async: Whether it is read by `anext`.
    """

    _span_s = FIRST_PULL_S

    def __init__(self, iterator: Any, host: Outcomes, ready: Any) -> None:
        self.is_async = isinstance(iterator, AsyncIterator)
        self._iterator: Iterator[Any] | AsyncIterator[Any] | None = iterator
        self._host = host
        self._ready = ready
        self._failure: Any = None
        self._waiting: wire.Message | None = None  # an item that did not fit its pull
        self._runner: asyncio.Runner | None = None

    def read(self) -> wire.Message | None:
        """Return the next item, encoded; None at the end, or where it failed: see `failure`."""
        if self._waiting is not None or self._iterator is None:
            return self._take_waiting()
        try:
            item = self._run(anext(self._iterator)) if self.is_async else next(self._iterator)  # type: ignore[arg-type]
        except (StopIteration, StopAsyncIteration):
            return self._end(None)
        except BaseException as exc:  # also SystemExit: a library must not end the worker in passing
            return self._end(self._host.raised(exc, self._ready))
        return self._encode(item)

    async def aread(self) -> wire.Message | None:
        """Do what `read` does on a running loop; cancellation goes through."""
        if not self.is_async or self._waiting is not None or self._iterator is None:
            return self.read()
        try:
            item = await anext(self._iterator)  # type: ignore[arg-type]
        except StopAsyncIteration:
            return self._end(None)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            return self._end(self._host.raised(exc, self._ready))
        return self._encode(item)

    def next_span_s(self) -> float:
        """Return how long the next pull may last."""
        span_s, self._span_s = self._span_s, min(PULL_S, self._span_s * 2)
        return span_s

    def put_back(self, message: wire.Message) -> None:
        """Keep an item for the next pull."""
        self._waiting = message

    def failure(self) -> Any:
        """Return the outcome that ended it, once; None if it ended well."""
        failure, self._failure = self._failure, None
        return failure

    def close(self) -> None:
        """Let the iterator clean up; what it raises then is nobody's."""
        iterator, self._iterator = self._iterator, None
        try:
            if isinstance(iterator, GeneratorType):
                iterator.close()
            elif isinstance(iterator, AsyncGeneratorType) and self._runner is not None:
                self._runner.run(iterator.aclose())
            if self._runner is not None:
                self._runner.close()
        except BaseException:  # noqa: S110 - nobody is there to be told
            pass

    async def aclose(self) -> None:
        """Do what `close` does on a running loop."""
        iterator = self._iterator
        if not isinstance(iterator, AsyncGeneratorType):
            self.close()
            return
        self._iterator = None
        try:
            await iterator.aclose()
        except asyncio.CancelledError:
            raise
        except BaseException:  # noqa: S110 - nobody is there to be told
            pass

    def _take_waiting(self) -> wire.Message | None:
        message, self._waiting = self._waiting, None
        return message

    def _encode(self, item: object) -> wire.Message | None:
        outcome = self._host.encode(item)
        if outcome.fault is not None:
            self.close()
            return self._end(outcome)
        message: wire.Message = outcome.message
        return message

    def _end(self, failure: Any) -> wire.Message | None:
        self._iterator, self._failure = None, failure
        return None

    def _run(self, step: Any) -> Any:
        """Await a step of an asynchronous iterator where no loop runs."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(_as_coroutine(step))


async def _as_coroutine(step: Any) -> Any:
    return await step


class Batch:
    """Collect the records of one pull.

    Attributes:
        sent_bytes: What was given away by `take`.
        count: Items that are there.
    """

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.count = 0
        self._pieces: list[bytes | memoryview] = []
        self._nbytes = 0
        self._is_live = False  # the last item shows memory of the library's, which the next one may change

    def add(self, message: wire.Message) -> bool:
        """Add an item; return False if it must wait for the next pull: what has begun small cannot become large."""
        if self.sent_bytes and self.sent_bytes + self._nbytes + message.nbytes + 64 > HANDOVER_BYTES:
            return False
        record = pack_record(RecordKind.ITEM, message)
        self._pieces += record
        self._nbytes += sum(map(len, record))
        self.count += 1
        self._is_live = len(record) > 2 or type(record[1]) is not bytes
        return True

    @property
    def is_empty(self) -> bool:
        """Tell whether no item waits to be given away."""
        return not self._pieces

    @property
    def is_full(self) -> bool:
        """Tell whether this is enough for a pull."""
        return self._is_live or self.sent_bytes + self._nbytes >= PULL_BYTES

    def take(self) -> wire.Message:
        """Return the records that are there, as one run of bytes."""
        pieces, self._pieces = self._pieces, []
        self.count = 0
        self.sent_bytes += self._nbytes
        size, self._nbytes = self._nbytes, 0
        if size <= HANDOVER_BYTES:
            pieces = [b"".join(pieces)]
        return wire.Message(tuple(pieces), size)
