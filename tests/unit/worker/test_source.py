"""Reading a kept iterator: which are streams, how much one pull takes, what goes out early."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from ksrpc import wire
from ksrpc.errors import BusyError, LostError
from ksrpc.limits import HANDOVER_BYTES, HELD_OBJECTS
from ksrpc.model import Rules
from ksrpc.wire.item import split_records
from ksrpc.worker.ferry import Ferry
from ksrpc.worker.holding import Holding
from ksrpc.worker.host import Host, Outcome, Ready
from ksrpc.worker.source import PULL_BYTES, Source, is_stream


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


async def anumbers(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


def source_of(iterator: Any) -> Source:
    host = Host(Rules(allow=("math",)))
    return Source(iterator, host, Ready(0, host.resolve("math.pow"), (), {}))


def values_of(outcome: Outcome) -> list[Any]:
    return [wire.parse(record.body) for record in split_records(outcome.message.segments)]


@pytest.mark.parametrize(
    "value",
    [numbers(1), anumbers(1), map(str, []), zip([]), iter([]), iter({}), iter({}.items()), itertools.count(), iter("")],
)
def test_generators_and_iterators_of_pythons_own_are_streams(value: object) -> None:
    assert is_stream(value)


@pytest.mark.parametrize("value", [[], {}, range(3), "text", io.StringIO("a"), open, Iterator, np.arange(3), None])
def test_nothing_else_is(value: object) -> None:
    assert not is_stream(value)


def test_pulls_give_everything_once_and_then_nothing() -> None:
    seen: list[Any] = []
    ferry = Ferry(lambda call, message: seen.extend(values_of(Outcome(message))))  # what goes out early
    source = source_of(numbers(20_000))
    while len(seen) < 20_000:
        before = len(seen)
        seen += values_of(ferry.pull(1, source))
        assert len(seen) > before
    assert seen == list(range(20_000))
    assert values_of(ferry.pull(1, source)) == []


def test_an_asynchronous_generator_is_read_without_a_running_loop() -> None:
    seen: list[Any] = []
    ferry, source = Ferry(lambda call, message: seen.extend(values_of(Outcome(message)))), source_of(anumbers(5))
    while len(seen) < 5:
        seen += values_of(ferry.pull(1, source))
    assert seen == [0, 1, 2, 3, 4]
    source.close()


def test_a_pull_is_bounded_and_ends_after_an_item_that_shows_live_memory() -> None:
    ferry = Ferry(lambda call, message: None)
    texts = source_of("x" * 10_000 for _ in range(1000))
    sizes = [ferry.pull(1, texts).message.nbytes for _ in range(8)]
    assert max(sizes) <= PULL_BYTES + 11_000
    arrays = source_of(np.zeros(50_000) for _ in range(3))
    assert [len(values_of(ferry.pull(1, arrays))) for _ in range(4)] == [1, 1, 1, 0]


def test_an_error_comes_with_the_pull_after_the_items_before_it() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    ferry, source = Ferry(lambda call, message: None), source_of(fails())
    assert values_of(ferry.pull(1, source)) == [1]
    failure = ferry.pull(1, source).fault
    assert failure is not None
    assert failure["type"] == "builtins.OSError"
    assert ferry.pull(1, source).fault is None


def test_what_is_there_goes_out_while_the_next_item_is_made() -> None:
    sent: list[Any] = []
    arrived, go = threading.Event(), threading.Event()

    def slow() -> Iterator[Any]:
        yield "quick"
        go.wait(20)
        yield b"z" * (HANDOVER_BYTES + 1)  # too large to follow what has gone out: it waits for the next pull

    def send(call: int, message: wire.Message) -> None:
        sent.extend(wire.parse(record.body) for record in split_records(message.segments))
        arrived.set()

    source = source_of(slow())

    def release() -> None:
        arrived.wait(20)
        go.set()

    releaser = threading.Thread(target=release)
    releaser.start()
    ferry = Ferry(send)
    source.next_span_s = lambda: 30.0  # type: ignore[method-assign]  # the pull itself waits for both
    assert values_of(ferry.pull(7, source)) == []
    assert sent == ["quick"]
    assert len(values_of(ferry.pull(8, source))[0]) == HANDOVER_BYTES + 1
    releaser.join()


def test_closing_runs_what_the_generator_has_to_finish() -> None:
    ended: list[str] = []

    def careful() -> Iterator[int]:
        try:
            yield 1
        finally:
            ended.append("closed")

    source = source_of(careful())
    source.read()
    source.close()
    source.close()
    assert ended == ["closed"]
    assert source.read() is None


def test_what_is_kept_is_bounded_and_numbers_are_not_used_twice() -> None:
    holding = Holding()
    first = holding.keep("a")
    assert holding.get(first) == "a"
    assert holding.drop(first) == ["a"]
    assert holding.drop(first) == []
    with pytest.raises(LostError) as lost:
        holding.get(first)
    assert lost.value.maybe_ran is False
    for _ in range(HELD_OBJECTS):
        holding.keep("b")
    with pytest.raises(BusyError):
        holding.keep("c")
    assert first not in range(2, HELD_OBJECTS + 2)
