"""Be a client whose memory is measured: `python -m benchmarks.guest flight 50051`, or `… HTTP http://127.0.0.1:8000`.

It fetches a small frame, says `ready`, waits for a line, fetches the large one, and prints by how many bytes its
memory rose meanwhile.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from benchmarks.footprint import is_right, read_peak, reset_peak
from benchmarks.peer import PEERS


@contextmanager
def connect(name: str, address: str) -> Iterator[Mapping[str, Callable[..., object]]]:
    """Give the ways to the small frame and the large one."""
    if name in PEERS:
        with PEERS[name].connect(int(address)) as ways:
            yield ways
        return
    import ksrpc

    with ksrpc.connect(address) as gateway:
        bars = gateway.module("bars")
        yield {"frame_small": bars.frame_small, "frame_large": bars.frame_large}


def main(name: str, address: str) -> None:
    """Fetch and tell."""
    with connect(name, address) as ways:
        ways["frame_small"]()
        gc.collect()
        print("ready", flush=True)
        sys.stdin.readline()
        before = reset_peak(os.getpid())
        frame = ways["frame_large"]()
        risen = read_peak(os.getpid()) - before
        print(risen if is_right(frame) else "wrong", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
