"""Time an answer that is asked for the first time, and again: what keeping costs, and what it saves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from benchmarks.hit import Keeper, ask
from benchmarks.measure import Case, Group
from benchmarks.peer import FRAMES
from benchmarks.stage import TRANSPORTS, compare_frame
from ksrpc.client import RemoteGateway
from ksrpc.connections.base import Options

#: Function whose argument makes another question, the frame it gives, calls and rounds.
_TITLES = {
    "year": ("First answer and hit: frame of 8 kB", "frame_small", 40, 15),
    "decade": ("First answer and hit: frame of 80 MB", "frame_large", 1, 5),
}


def first_groups(keeper: Keeper, clients: dict[str, RemoteGateway]) -> Iterator[Group]:
    """Compare, by transport, a call that is not kept, one that is asked for the first time, and a hit."""
    numbers = count(1)
    for name, (title, frame, calls, rounds) in _TITLES.items():
        keeper.await_kept(name, 0)
        cases = []
        for transport in TRANSPORTS:
            client, plain = clients[transport], f"ksrpc {transport}, not kept"
            cases.append(Case(plain, _plain(client, name), beside=plain))
            cases.append(Case(f"ksrpc {transport}, first time", _first(client, name, numbers), beside=plain))
            cases.append(Case(f"ksrpc {transport}, hit", _hit(client, name), beside=plain))
        yield Group(title, cases, calls, compare_frame(FRAMES[frame]()), most_rounds=rounds)


def _plain(client: RemoteGateway, name: str) -> Callable[[], object]:
    return lambda: client.connection.call(f"bars.{name}", (0,), {}, Options(cache_get=False))


def _first(client: RemoteGateway, name: str, numbers: Iterator[int]) -> Callable[[], object]:
    return lambda: ask(client, name, next(numbers))


def _hit(client: RemoteGateway, name: str) -> Callable[[], object]:
    return lambda: ask(client, name, 0)
