"""The table of kept objects: whose they are, how many, and how they go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ksrpc.errors import BusyError, NotFoundError
from ksrpc.gateway.call import Answer, Arguments, Call
from ksrpc.gateway.handle import GONE, Handles, parse_handle
from ksrpc.model import Rules, User


class FakePin:
    """Stand for an object in a process."""

    class_path = "mine.Account"

    def __init__(self) -> None:
        self.is_lost = False
        self.closed = 0
        self.during: Callable[[], None] = lambda: None

    def claim(self) -> bool:
        return True

    def close_unclaimed(self) -> None:
        self.close()

    async def run(self, call: Call, name: str) -> Answer:
        self.during()
        return Answer((name.encode(),), len(name))

    def close(self) -> None:
        self.closed += 1


LI, WANG = User("li", Rules(), "id1"), User("wang", Rules(), "id2")
LI_AGAIN, ANOTHER_TOKEN = User("li", Rules(), "id1"), User("li", Rules(), "id3")


class FakeHome:
    """Stand for the state whose processes keep the objects."""

    calls = 0


HOME = FakeHome()


def by(user: User = LI, session: str = "s1") -> Call:
    return Call(user, "mine.Account", Arguments(), 0.0, session=session)


def run(body: Callable[[Handles], Awaitable[Any]], *, per_user: int = 3, idle_s: float = 100.0) -> Any:
    async def main() -> Any:
        HOME.calls = 0
        return await body(Handles(per_user=per_user, idle_s=idle_s))

    return asyncio.run(main())


def test_a_handle_is_128_random_bits_and_found_by_whoever_got_it() -> None:
    async def body(handles: Handles) -> None:
        pin = FakePin()
        name = handles.keep(by(), pin, HOME)
        other = handles.keep(by(), FakePin(), HOME)
        assert len(name) == 32
        assert int(name, 16) != int(other, 16)
        assert handles.find(by(LI_AGAIN), name).pin is pin
        assert (await handles.find(by(), name).run(by(), "balance")).join() == b"balance"

    run(body)


@pytest.mark.parametrize(
    "call",
    [by(WANG), by(ANOTHER_TOKEN), by(session="s2"), by(session=""), by(WANG, "s2")],
    ids=["user", "token", "session", "no session", "both"],
)
def test_nobody_else_finds_it_nor_lets_it_go(call: Call) -> None:
    async def body(handles: Handles) -> None:
        pin = FakePin()
        name = handles.keep(by(), pin, HOME)
        handles.release(call, [name])
        assert not pin.closed
        with pytest.raises(NotFoundError) as theirs:
            handles.find(call, name)
        with pytest.raises(NotFoundError) as unknown:
            handles.find(call, "0" * 32)
        assert str(theirs.value) == str(unknown.value) == GONE
        assert handles.find(by(), name).pin is pin

    run(body)


def test_what_has_no_session_keeps_nothing_that_anybody_could_find() -> None:
    async def body(handles: Handles) -> None:
        name = handles.keep(by(session=""), FakePin(), HOME)
        with pytest.raises(NotFoundError):
            handles.find(by(session=""), name)

    run(body)


def test_released_once_it_is_gone_and_let_go_once() -> None:
    async def body(handles: Handles) -> None:
        pin = FakePin()
        name = handles.keep(by(), pin, HOME)
        handles.release(by(), [name, name, "unknown"])
        handles.release(by(), [name])
        with pytest.raises(NotFoundError, match="no such object"):
            handles.find(by(), name)
        assert (pin.closed, HOME.calls, len(handles), handles.count("li")) == (1, 0, 0, 0)

    run(body)


def test_a_session_s_end_frees_its_own() -> None:
    async def body(handles: Handles) -> None:
        mine = [FakePin() for _ in range(2)]
        for pin in mine:
            handles.keep(by(), pin, HOME)
        other = FakePin()
        handles.keep(by(session="s2"), other, HOME)
        handles.end_session(by(WANG))
        assert HOME.calls == len(handles) == 3
        handles.end_session(by())
        handles.forget_session("s1")
        assert [pin.closed for pin in mine] == [1, 1]
        assert (other.closed, len(handles)) == (0, 1)

    run(body)


def test_a_user_has_so_many_and_another_user_as_many() -> None:
    async def body(handles: Handles) -> None:
        for _ in range(3):
            name = handles.keep(by(), FakePin(), HOME)
        late = FakePin()
        with pytest.raises(BusyError, match="3 objects are kept for you already"):
            handles.keep(by(ANOTHER_TOKEN, "s9"), late, HOME)
        assert late.closed == 1
        handles.keep(by(WANG), FakePin(), HOME)
        handles.release(by(), [name])
        handles.keep(by(), FakePin(), HOME)

    run(body)


def test_what_nobody_uses_goes_and_what_runs_stays() -> None:
    async def body(handles: Handles) -> None:
        idle, running = FakePin(), FakePin()
        handles.keep(by(), idle, HOME)
        name = handles.keep(by(), running, HOME)
        handles.adjust(per_user=3, idle_s=0.0)
        running.during = lambda: handles.tick(lambda _: True)
        await handles.find(by(), name).run(by(), "balance")
        assert (idle.closed, running.closed) == (1, 0)
        handles.tick(lambda _: True)
        assert running.closed == 1

    run(body)


def test_who_lost_the_right_and_what_lost_its_process() -> None:
    async def body(handles: Handles) -> None:
        mine, theirs, lost = FakePin(), FakePin(), FakePin()
        name = handles.keep(by(), lost, HOME)
        handles.keep(by(), mine, HOME)
        handles.keep(by(WANG), theirs, HOME)
        lost.is_lost = True
        with pytest.raises(NotFoundError):
            handles.find(by(), name)
        handles.tick(lambda user: user.name != "wang")
        assert (mine.closed, theirs.closed, lost.closed) == (0, 1, 1)
        mine.is_lost = True
        handles.tick(lambda _: True)
        assert len(handles) == 0

    run(body)


@pytest.mark.parametrize(
    "path",
    ["@", "@a.b", f"@{'0' * 31}.b", f"@{'0' * 33}.b", f"@{'G' * 32}.b", f"@{'0' * 32}", f"@{'0' * 32}.",
     f"@{'0' * 32}.a.b", f"@{'0' * 32}.a\n", f"{'0' * 32}.b", f"@{'０' * 32}.b", f"@{'0' * 32}.{'a' * 81}"],
)  # fmt: skip
def test_every_malformed_handle_is_the_same_error(path: str) -> None:
    with pytest.raises(NotFoundError) as told:
        parse_handle(path)
    assert str(told.value) == GONE


def test_a_path_of_a_handle_is_its_id_and_a_name() -> None:
    assert parse_handle(f"@{'0a' * 16}.balance") == ("0a" * 16, "balance")
    assert parse_handle(f"@{'0a' * 16}.:enter") == ("0a" * 16, ":enter")
