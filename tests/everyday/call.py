"""One call as a user writes it, and the local function that it stands for."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

from tests.helpers.census import find

__all__ = ["Call", "call"]


@dataclass(frozen=True, slots=True)
class Call:
    """Hold what is called, with what."""

    path: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Any:
        """Call the library itself; what it warns of is for its user and not for a test."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return find(self.path)(*self.args, **self.kwargs)


def call(path: str, *args: Any, **kwargs: Any) -> Call:
    """Write a call down."""
    return Call(path, args, kwargs)
