"""How many sessions without a connection are kept, whose, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ksrpc.config import Config
from ksrpc.gateway import Gateway
from ksrpc.gateway.identify import Visitor
from ksrpc.limits import RESUME, ResumeLimits
from ksrpc.model import User
from ksrpc.protocol import FIN, Frame, FrameType, pack_head, parse_frame
from ksrpc.server.carrier import Carrier
from ksrpc.server.resume import Sessions
from ksrpc.store import TokenStore

T = FrameType
VISITOR = Visitor("127.0.0.1", {})
SETTINGS = {"call": {"enabled": True}, "access": {"allow": ["math"]}}


class Peer:
    """Be the server's end of one ASGI connection, and the client behind it."""

    def __init__(self, sessions: Sessions, gateway: Gateway, user: User) -> None:
        self.user = user
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Any] = asyncio.Queue()
        carrier = Carrier(sessions, gateway, user, VISITOR, self._outgoing.put)
        self.serving = asyncio.ensure_future(carrier.serve(self._incoming.get))

    def send(self, data: bytes) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "bytes": data})

    async def frame(self) -> Frame:
        async with asyncio.timeout(20):
            return parse_frame((await self._outgoing.get())["bytes"])

    async def greet(self) -> str:
        self.send(pack_head(T.HELLO, meta={"versions": [1], "resume": True}))
        return str((await self.frame()).meta["session"])

    def attach(self, name: str, received: int = 0) -> None:
        self.send(pack_head(T.ATTACH, meta={"session": name}, offset=received))

    async def hang_up(self, code: int = 1006) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": code})
        await self.serving


@asynccontextmanager
async def _house(folder: Path, limits: ResumeLimits) -> AsyncIterator[tuple[Sessions, Callable[[str], Peer]]]:
    settings = {**SETTINGS, "server": {"data_dir": str(folder)}}
    with closing(TokenStore(folder / "store.sqlite3")) as tokens:
        gateway = Gateway(Config.model_validate(settings), tokens)
        sessions = Sessions(gateway, limits)
        users: dict[str, User] = {}

        def visit(name: str) -> Peer:
            if name not in users:
                headers = {"authorization": f"Bearer {tokens.create(name)}", "host": "127.0.0.1"}
                users[name] = gateway.door.identify(Visitor("127.0.0.1", headers))
            return Peer(sessions, gateway, users[name])

        yield sessions, visit
        sessions.close()
        await gateway.stop()


def _is_known(sessions: Sessions, name: str, user: User) -> bool:
    try:
        sessions.find(name, user)
    except LookupError:
        return False
    return True


def test_the_oldest_of_a_user_goes_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with _house(tmp_path, replace(RESUME, user_sessions=2)) as (sessions, visit):
            mine = [visit("zhang") for _ in range(4)]
            names = [await peer.greet() for peer in mine]
            for peer in mine[:3]:
                await peer.hang_up()
            assert [_is_known(sessions, name, mine[0].user) for name in names] == [False, True, True, True]
            again = visit("zhang")
            again.attach(names[1])
            assert (await again.frame()).type == T.ACK
            await mine[3].hang_up()  # the one that was taken up again does not count
            assert [_is_known(sessions, name, mine[0].user) for name in names] == [False, True, True, True]
            await again.hang_up(1000)
            assert [_is_known(sessions, name, mine[0].user) for name in names] == [False, False, True, True]

    asyncio.run(main())


def test_the_number_of_all_is_bounded(tmp_path: Path) -> None:
    async def main() -> None:
        async with _house(tmp_path, replace(RESUME, sessions=3)) as (sessions, visit):
            peers = [visit(f"user{number}") for number in range(5)]
            names = [await peer.greet() for peer in peers]
            for peer in peers:
                await peer.hang_up()
            found = [_is_known(sessions, name, peer.user) for name, peer in zip(names, peers, strict=True)]
            assert found == [False, False, True, True, True]

    asyncio.run(main())


async def _until_gone(sessions: Sessions, name: str, user: User) -> None:
    async with asyncio.timeout(20):
        while _is_known(sessions, name, user):
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.02)


def test_a_session_is_kept_for_its_time_only(tmp_path: Path) -> None:
    async def main() -> None:
        async with _house(tmp_path, replace(RESUME, window_s=0.5)) as (sessions, visit):
            peer = visit("zhang")
            name = await peer.greet()
            await peer.hang_up()
            assert _is_known(sessions, name, peer.user)
            await _until_gone(sessions, name, peer.user)

    asyncio.run(main())


def test_sessions_that_hold_too_much_go(tmp_path: Path) -> None:
    """An answer that the client did not take is held with its session."""

    async def main() -> None:
        async with _house(tmp_path, replace(RESUME, sessions_bytes=100)) as (sessions, visit):
            light, heavy = visit("zhang"), visit("zhang")
            names = [await light.greet(), await heavy.greet()]
            heavy.send(pack_head(T.DESCRIBE, 1, {"path": "no.such"}, flags=FIN))
            assert (await heavy.frame()).type == T.RAISE
            await heavy.hang_up()
            await light.hang_up()
            await _until_gone(sessions, names[1], heavy.user)
            assert _is_known(sessions, names[0], light.user)

    asyncio.run(main())


def test_a_connection_that_was_closed_keeps_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with _house(tmp_path, RESUME) as (sessions, visit):
            for code in (1000, 1001, 1012):
                peer = visit("zhang")
                name = await peer.greet()
                await peer.hang_up(code)
                assert not _is_known(sessions, name, peer.user)

    asyncio.run(main())
