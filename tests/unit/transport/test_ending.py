"""What ends with its loop is closed then, or when nobody holds the watch any more; never once it is disarmed."""

from __future__ import annotations

import asyncio

import pytest

from ksrpc.transport.ending import LoopEnd


@pytest.mark.parametrize("way", ["loop", "dropped", "disarmed"])
def test_the_end_is_told_once(way: str) -> None:
    told: list[str] = []

    async def watch() -> LoopEnd | None:
        end = LoopEnd(lambda: told.append(way))
        await end.arm()
        await end.arm()
        if way == "disarmed":
            end.disarm()
        if way == "dropped":
            del end
            assert told == ["dropped"]
            assert len(asyncio.all_tasks()) == 1, "no task is left to an ending loop"
            return None
        return end

    kept = asyncio.run(watch())
    assert told == ([] if way == "disarmed" else [way])
    del kept
    assert told == ([] if way == "disarmed" else [way])
