"""Say what a peer is: how to serve it, how to reach it, what it cannot do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from benchmarks import bars

#: What a peer can be asked for, by the name of the function; a name that is missing is what it cannot carry.
Ways = Mapping[str, Callable[..., object]]

HOST = "127.0.0.1"
FRAMES = {"frame_small": bars.frame_small, "frame_mixed": bars.frame_mixed, "frame_large": bars.frame_large}
#: What every server can be asked for. `pow` is called with two numbers, `frame_of` with rows, `nap` with seconds.
ANSWERS: dict[str, Callable[..., object]] = {
    "pow": math.pow,
    "nap": bars.nap,
    "records": bars.records,
    "frame_of": bars.frame_of,
    "frames_ten": bars.frames_ten,
    "tree": bars.tree,
    **FRAMES,
}
POW = (2.0, 3.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """Name a peer.

    Attributes:
        label: Shown in the tables.
        serve: Serves until the process ends, and prints the port first.
        connect: Gives what may be asked for on one connection to a port.
        package: What has to be installed, and is imported by this name in small letters; "" for nothing.
        lacks: Says why it does not do what it does not do.
        labels: What to show for a function instead of `label`.
        is_shared: Whether any number of threads may use one connection at the same time.
        by: What calls at the same time are made by: threads or greenlets.
    """

    label: str
    serve: Callable[[], None]
    connect: Callable[[int], AbstractContextManager[Ways]]
    package: str = ""
    lacks: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    is_shared: bool = True
    by: str = "threads"

    def label_of(self, function: str) -> str:
        """Tell what to show for one of its ways."""
        return self.labels.get(function, self.label)


Connected = Iterator[Ways]
