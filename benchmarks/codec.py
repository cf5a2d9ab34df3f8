"""Time the codec alone: values to segments and back, with no socket between, beside a copy of the same memory."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import bars
from benchmarks.measure import Case, Group
from benchmarks.stage import Stage, check_frame
from ksrpc import wire

_VIEW_TARGET, _COPY_TARGET = 0.1, 1.3


def groups(_stage: Stage) -> Iterator[Group]:
    """Compare encoding and decoding the large frame with one copy of its memory."""
    frame = bars.frame_large()
    memory = frame.to_numpy()
    writeable, immutable = bytearray(wire.pack(frame).join()), wire.pack(frame).join()

    def copy() -> object:
        return memory.copy(order="K")

    def into_views() -> object:
        wire.pack(frame)
        return wire.parse(writeable)

    def out_of_body() -> object:
        wire.pack(frame)
        return wire.parse(immutable)

    cases = [
        Case("memory copied once", copy),
        Case("ksrpc, received into its own memory", into_views, _VIEW_TARGET),
        Case("ksrpc, out of an immutable body", out_of_body, _COPY_TARGET),
        Case("pickle 5", lambda: pickle.loads(pickle.dumps(frame, 5))),
        Case("Arrow IPC", lambda: _through_arrow(frame)),
    ]
    yield Group("Codec alone: frame of 80 MB", cases, 1, _check, most_rounds=15)


def _through_arrow(frame: pd.DataFrame) -> Any:
    arrow: Any = import_module("pyarrow")
    table = arrow.Table.from_pandas(frame)
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return arrow.ipc.open_stream(sink.getvalue()).read_pandas()


def _check(result: object) -> None:
    if isinstance(result, np.ndarray):
        np.testing.assert_array_equal(result, bars.frame_large().to_numpy())
        return
    check_frame("frame_large")(result)
