"""When to stop compressing, and when to begin again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ksrpc.wire.pace import Pace

MIB = 1 << 20
CLOCK = time.perf_counter


def drive(pace: Pace, *, link_s: float, ratio: float = 0.25, mib: int, codec_s: float = 0.003) -> list[str]:
    """Send so many MiB over a link that takes `link_s` for each; return the codec of each chunk."""
    used = []
    for _ in range(mib):
        used.append(pace.codec)
        stored = MIB
        if pace.codec != "none":
            stored = int(MIB * ratio)
            pace.packed(MIB, stored, codec_s if pace.codec == "zstd" else codec_s / 3)
        pace.took(stored, link_s * stored / MIB)
    return used


def kinds(used: Sequence[str]) -> list[str]:
    """Return the codecs in their order, repetitions left out."""
    return [name for before, name in zip(["", *used], used, strict=False) if name != before]


def test_on_a_slow_link_everything_is_compressed() -> None:
    assert kinds(drive(Pace(("zstd", "lz4"), CLOCK), link_s=0.4, mib=400)) == ["zstd"]


def test_on_a_fast_link_it_stops_once_that_is_known() -> None:
    pace = Pace(("zstd", "lz4"), CLOCK)
    used = drive(pace, link_s=0.0002, mib=400)
    assert kinds(used) == ["zstd", "lz4", "none"]
    assert used.index("lz4") == 32  # 8 MiB of output: less would measure the buffers of sockets
    assert pace.is_settled


def test_between_the_two_the_faster_codec_is_taken() -> None:
    assert kinds(drive(Pace(("zstd", "lz4"), CLOCK), link_s=0.0025, mib=400)) == ["zstd", "lz4"]


def test_short_messages_are_never_judged() -> None:
    assert kinds(drive(Pace(("zstd",), CLOCK), link_s=0.0, mib=31)) == ["zstd"]


def test_a_link_that_only_looked_fast_is_compressed_again() -> None:
    """The codec is so slow that the link is idle most of the time; without it the link proves slower still."""
    pace = Pace(("zstd",), CLOCK)
    before = drive(pace, link_s=0.0001, mib=33)
    after = drive(pace, link_s=0.01, mib=60)
    assert kinds([*before, *after]) == ["zstd", "none", "zstd"]
    assert not pace.is_settled


def test_after_a_change_of_mind_the_next_takes_longer() -> None:
    pace = Pace(("zstd",), CLOCK)
    drive(pace, link_s=0.0001, mib=33)
    drive(pace, link_s=0.01, mib=8)
    assert drive(pace, link_s=0.0001, mib=200).index("none") >= 120


def test_who_insists_is_not_judged() -> None:
    pace = Pace(("lz4",), CLOCK, is_fixed=True)
    assert pace.is_settled
    assert kinds(drive(pace, link_s=0.0, mib=200)) == ["lz4"]


def test_without_codecs_there_is_nothing_to_decide() -> None:
    assert kinds(drive(Pace(("none",), CLOCK), link_s=0.1, mib=50)) == ["none"]
    assert kinds(drive(Pace((), CLOCK), link_s=0.1, mib=50)) == ["none"]
