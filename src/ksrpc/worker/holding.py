"""What a worker keeps for later calls: iterators that are read step by step, objects that are no data.

Source: docs/spec/protocol.md "Kept objects".
"""

from __future__ import annotations

from typing import Any

from ksrpc.errors import BusyError, LostError
from ksrpc.limits import HELD_OBJECTS

#: Steps with a kept object, in the place of a path.
PULL = "!pull"
DROP = "!drop"
STEPS = frozenset((PULL, DROP))


class Holding:
    """Keep objects by number; numbers are not used twice."""

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._objects)

    def keep(self, held: Any) -> int:
        """Keep an object and return its number.

        Raises:
            BusyError: Too many are kept.
        """
        if len(self._objects) >= HELD_OBJECTS:
            error = BusyError(f"{HELD_OBJECTS} iterators and objects are kept in this process already; close some")
            error.maybe_ran = True
            raise error
        self._last += 1
        self._objects[self._last] = held
        return self._last

    def get(self, number: Any) -> Any:
        """Return a kept object.

        Raises:
            LostError: There is none of this number.
        """
        try:
            return self._objects[number]
        except (KeyError, TypeError):
            raise LostError("it is not kept any more", maybe_ran=False) from None

    def drop(self, numbers: int | list[int]) -> list[Any]:
        """Forget an object, or several, and return what was there still."""
        wanted = numbers if isinstance(numbers, list) else [numbers]
        return [self._objects.pop(number) for number in wanted if number in self._objects]
